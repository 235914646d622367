import { checkCartOf } from "./carts.ts";
import type { CartDocument, ChargeDocument, Movement, OrderDocument, PaymentDocument } from "./documents.ts";
import { checkOrderSaga } from "./endings.ts";
import { checkGoods } from "./goods.ts";
import { checkAnswers } from "./keys.ts";
import { checkBooks, checkCharges, checkKept, checkLinks, checkPayments, checkSums } from "./money.ts";
import { isEnded, isExplained, isPaid, isPlaced } from "./order-states.ts";
import { type Reader, type Stretch, within, withinPrefixed } from "./reader.ts";
import type { ShopPicture } from "./shop-picture.ts";
import type { Tell } from "./violation.ts";

/** Everything that any book says of one order. */
export interface Books {
	order: OrderDocument;
	payments: PaymentDocument[];
	charges: ChargeDocument[];
	/** What was held, sold and given back for it. */
	movements: Movement[];
	cart: CartDocument | undefined;
}

const CHECKS = [
	checkSums,
	checkCharges,
	checkKept,
	checkBooks,
	checkPayments,
	checkLinks,
	checkGoods,
	checkAnswers,
] as const;
const GOODS = ["reserve", "commit", "release", "return"];

/** Joins all books order by order, and finds what belongs to no order. Notes in the picture what later checks need. */
export async function checkOrders(reader: Reader, picture: ShopPicture, tell: Tell): Promise<void> {
	const strays = new Map<string, string>();
	for await (const { documents, stretch } of reader.pages<OrderDocument>("orders", "orders")) {
		// Attempts at a checkout that ended before there was an order: nothing else may know of them.
		const orders = documents.filter(({ isTombstone }) => !isTombstone);
		const [payments, charges, movements, carts] = await readBooks(reader, stretch, orders);
		picture.checked.orders += orders.length;
		picture.checked.payments += payments.length;
		picture.checked.charges += charges.length;
		const waiting = orders.flatMap(({ _id }) => picture.waitingMovements.get(_id) ?? []);
		const goods = Map.groupBy(distinct([...movements, ...waiting]), ({ reference }) => reference);
		const paymentsOf = Map.groupBy(payments, ({ orderId }) => orderId);
		const chargesOf = Map.groupBy(charges, ({ orderId }) => orderId);
		const cartOf = new Map(carts.map(cart => [cart._id, cart]));
		for (const order of orders) {
			const books = {
				order,
				payments: paymentsOf.get(order._id) ?? [],
				charges: chargesOf.get(order._id) ?? [],
				movements: goods.get(order._id) ?? [],
				cart: cartOf.get(order.cartId),
			};
			checkOrder(books, picture, tell);
		}
		const known = new Set(orders.map(({ _id }) => _id));
		for (const [kind, references] of [
			["payment", paymentsOf.keys()],
			["charge", chargesOf.keys()],
			["movement of goods", goods.keys()],
		] as const) {
			for (const reference of references) if (!known.has(reference)) strays.set(reference, kind);
		}
	}
	// An order may have begun after its page was read.
	const late = await reader.byIds<OrderDocument>("orders", "orders", "_id", strays.keys(), ["isTombstone"]);
	for (const { _id, isTombstone } of late) if (!isTombstone) strays.delete(_id);
	for (const [reference, kind] of strays)
		tell(kind === "movement of goods" ? "I1" : "I2", reference, `has a ${kind}, and there is no such order`);
}

/** A damaged document must not hide the others: what cannot even be read is told. */
function checkOrder(books: Books, picture: ShopPicture, tell: Tell): void {
	const { order } = books;
	try {
		if (!isExplained(order)) tell("I2", order._id, `is ${order.status}, which its history does not explain`);
		for (const check of CHECKS) check(books, tell);
		checkOrderSaga(books, picture.now, tell);
		checkCartOf(books, picture.now, tell);
		note(order, picture, tell);
	} catch (error) {
		tell("I2", order._id, `cannot be read: ${error instanceof Error ? error.message : String(error)}`);
	}
}

/** What later checks ask of all orders; I6: per cart and per key at most one order came about. */
function note(order: OrderDocument, picture: ShopPicture, tell: Tell): void {
	const { _id, status, cartId, keyHash, liveKey } = order;
	if (!isEnded(order)) picture.running.add(_id);
	if (isPaid(status)) picture.notePaid(order);
	if (!isPlaced(status)) return;
	for (const [name, key] of [
		["cart", cartId],
		["key", keyHash],
	] as const) {
		if (name === "key" && liveKey === null) continue;
		const first = picture.placedBy[name].get(key);
		if (first !== undefined) tell("I6", _id, `was bought with the ${name} that ${first} was bought with`);
		picture.placedBy[name].set(key, _id);
	}
	for (const { sku, quantity } of order.lines) picture.noteHeld(status, sku, quantity);
}

const readBooks = (reader: Reader, stretch: Stretch, orders: readonly OrderDocument[]) =>
	Promise.all([
		reader.all<PaymentDocument>("payments", "payments", { filter: { orderId: within(stretch) } }),
		reader.all<ChargeDocument>("test-payments", "charges", { filter: { orderId: within(stretch) } }),
		reader.all<Movement>("inventory", "ledger", {
			filter: { _id: withinPrefixed(stretch), kind: { $in: GOODS } },
			fields: ["sku", "location", "kind", "quantity", "reference"],
		}),
		reader.byIds<CartDocument>(
			"carts",
			"carts",
			"_id",
			orders.map(({ cartId }) => cartId),
		),
	]);

const distinct = (movements: readonly Movement[]): Movement[] => [
	...new Map(movements.map(one => [one._id, one])).values(),
];

/** I8: ids are unique by construction; order numbers are checked, neighbour by neighbour. */
export async function checkNumbers(reader: Reader, tell: Tell): Promise<void> {
	let last: string | undefined;
	for await (const { number } of reader.each<{ number: string }>("orders", "orders", {
		sort: { number: 1 },
		fields: ["number"],
	})) {
		if (number === last) tell("I8", number, "is the number of more than one order");
		last = number;
	}
}
