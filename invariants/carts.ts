import type { CartDocument, OrderDocument } from "./documents.ts";
import type { Books } from "./order-books.ts";
import { isEnded, isPlaced } from "./order-states.ts";
import type { Reader } from "./reader.ts";
import type { Tell } from "./violation.ts";

/** Carts are kept for 30 days after their last change. */
const CARTS_KEPT_MS = 29 * 86_400_000;

const linesOf = (lines: readonly { sku: string; quantity: number }[]): string =>
	lines
		.map(({ sku, quantity }) => `${quantity} × ${sku}`)
		.sort()
		.join(", ");

/** I2: an order that came about has its cart, which says so and has the same goods in it. */
export function checkCartOf({ order, cart }: Books, now: Date, tell: Tell): void {
	const say = (message: string) => tell("I2", order._id, message);
	if (!isPlaced(order.status) || !isEnded(order)) return;
	if (!cart) {
		if (now.getTime() - order.createdAt.getTime() < CARTS_KEPT_MS) say(`is of the cart ${order.cartId}, which is gone`);
		return;
	}
	if (cart.status !== "ordered" || cart.checkout?.orderId !== order._id)
		say(`is of the cart ${cart._id}, which is ${cart.status} and held by ${cart.checkout?.orderId ?? "nobody"}`);
	if (linesOf(cart.lines) !== linesOf(order.lines)) say(`has ${linesOf(order.lines)}, its cart ${linesOf(cart.lines)}`);
}

/** I2 and I10: a cart that says it was ordered, or is being ordered, has an order that says so too. */
export async function checkCarts(reader: Reader, tell: Tell): Promise<void> {
	const filter = { $or: [{ "checkout.orderId": { $exists: true } }, { status: "ordered" }] };
	for await (const { documents } of reader.pages<CartDocument>("carts", "carts", {
		filter,
		fields: ["status", "checkout"],
	})) {
		const ids = documents.flatMap(({ checkout }) => (checkout ? [checkout.orderId] : []));
		const found = await reader.byIds<OrderDocument>("orders", "orders", "_id", ids, [
			"cartId",
			"status",
			"position",
			"lease",
		]);
		const orders = new Map(found.map(order => [order._id, order]));
		for (const cart of documents) checkCart(cart, orders.get(cart.checkout?.orderId ?? ""), tell);
	}
}

function checkCart({ _id, status, checkout }: CartDocument, order: OrderDocument | undefined, tell: Tell): void {
	if (status === "ordered") {
		if (!order) tell("I2", _id, `was ordered as ${checkout?.orderId ?? "nothing"}, and there is no such order`);
		else if (order.cartId !== _id) tell("I2", _id, `was ordered as ${order._id}, which is of ${order.cartId}`);
		else if (!isPlaced(order.status)) tell("I2", _id, `was ordered, its order is ${order.status}`);
		return;
	}
	const state = order ? (isEnded(order) ? `, which is ${order.status}` : "") : ", which is nowhere";
	tell("I10", _id, `is held by ${checkout?.orderId}${state}`);
}
