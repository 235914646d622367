import { DomainError } from "../../../lib/errors.ts";
import { isEqual } from "../../../lib/money.ts";
import { lineTotal, type Totals, totalsOf } from "../../../lib/totals.ts";
import type { Cart, CartClaim, CartLine, LinePrice } from "../../carts/carts.contract.ts";
import type { Quote } from "../../products/products.contract.ts";
import { historyEntry, INITIAL_STATUS } from "../domain/order-states.ts";
import type { OrderDocument } from "../orders.model.ts";
import type { PlaceOrder } from "./place-order.ts";
import type { Deps } from "./ports.ts";

/** The order that a cart would make, or why it makes none and what its lines are to cost from now on. */
export type Draft =
	| { order: OrderDocument; refused: null }
	| { refused: DomainError; prices: LinePrice[]; order: null };

function priceChanged(cart: Cart, priced: readonly PricedLine[], totals?: Totals): Draft {
	const changes = changesOf(cart, priced);
	const refused = new DomainError("PRICE_CHANGED", "The total is not what you were shown; look at the cart again", {
		...(changes.length > 0 ? { errors: changes.map(({ sku, problem }) => fieldError(sku, problem)) } : {}),
		details: { ...(totals ? { totals } : {}), lines: changes.map(({ problem: _, ...change }) => change) },
	});
	// Only what is in the cart's currency can stand in it.
	const prices = priced
		.filter(({ unitPrice }) => unitPrice.currency === cart.currency)
		.map(({ sku, unitPrice, title }) => ({ sku, unitPrice, title }));
	return { refused, prices, order: null };
}

/** The order as it is about to be made, at the prices of now; refused with PRICE_CHANGED, CONFLICT, VALIDATION_ERROR. */
export async function draftOf(deps: Deps, claim: CartClaim, input: PlaceOrder): Promise<Draft> {
	const { cart } = claim;
	if (cart.lines.length === 0)
		return { refused: new DomainError("VALIDATION_ERROR", "The cart is empty"), prices: [], order: null };
	const found = await deps.prices.quote(cart.lines.map(line => line.sku));
	const quotes = new Map(found.map(quote => [quote.sku, quote]));
	const gone = cart.lines.filter(({ sku }) => !quotes.has(sku));
	if (gone.length > 0) return { refused: withdrawn(gone), prices: [], order: null };
	const lines = pricedLines(cart, quotes);
	// One currency per cart: a sum over two would be none.
	if (lines.some(({ unitPrice }) => unitPrice.currency !== cart.currency)) return priceChanged(cart, lines);
	const totals = totalsOf(lines, cart.currency);
	if (!isEqual(totals.total, input.expectedTotal)) return priceChanged(cart, lines, totals);
	return { order: orderOf(deps, claim, input, lines, totals), refused: null };
}

function orderOf(
	deps: Deps,
	{ cart, orderId, userId }: CartClaim,
	input: PlaceOrder,
	lines: PricedLine[],
	totals: Totals,
): OrderDocument {
	const now = deps.clock.now();
	return {
		_id: orderId,
		isTombstone: false,
		number: "",
		userId,
		email: input.email,
		cartId: cart.id,
		keyHash: input.keyHash,
		requestHash: input.requestHash,
		liveKey: input.keyHash,
		keyUntil: null,
		requestId: deps.requestId ?? null,
		status: INITIAL_STATUS,
		position: "started",
		lease: null,
		lines,
		totals,
		shippingAddress: input.shippingAddress,
		billingAddress: input.billingAddress ?? input.shippingAddress,
		payment: { status: "pending", method: input.payment.method, amount: totals.total, chargeId: null, captured: 0 },
		fulfilments: [],
		refunds: [],
		refundTotal: 0,
		history: [historyEntry(null, INITIAL_STATUS, now, userId ?? "guest", "checkout")],
		failure: null,
		outcome: null,
		commands: [],
		cancelReason: null,
		createdAt: now,
		version: 1,
	};
}

/** Names every line that is no longer for sale. */
const withdrawn = (gone: readonly CartLine[]): DomainError =>
	new DomainError("CONFLICT", `${gone.map(({ title }) => title).join(", ")}: no longer for sale`, {
		errors: gone.map(({ sku }) => fieldError(sku, "withdrawn")),
	});

function pricedLines(cart: Cart, quotes: ReadonlyMap<string, Quote>) {
	return cart.lines.flatMap(line => {
		const quote = quotes.get(line.sku);
		if (!quote) return [];
		const { title, price: unitPrice } = quote;
		return [{ ...line, title, unitPrice, lineTotal: lineTotal({ unitPrice, quantity: line.quantity }) }];
	});
}
type PricedLine = ReturnType<typeof pricedLines>[number];

type Problem = "withdrawn" | "price_changed" | "currency";
const MESSAGES: Record<Problem, string> = {
	withdrawn: "no longer for sale",
	price_changed: "costs something else now",
	currency: "priced in another currency now",
};
const fieldError = (sku: string, problem: Problem) => ({ field: sku, code: problem, message: MESSAGES[problem] });

function changesOf(cart: Cart, priced: readonly PricedLine[]) {
	const before = new Map(cart.lines.map(({ id, unitPrice }) => [id, unitPrice]));
	return priced.flatMap(({ id, sku, unitPrice }) => {
		const old = before.get(id) ?? unitPrice;
		if (isEqual(old, unitPrice)) return [];
		const problem: Problem = unitPrice.currency === cart.currency ? "price_changed" : "currency";
		return [{ lineId: id, sku, old, new: unitPrice, problem }];
	});
}
