import { DomainError } from "../../../lib/errors.ts";
import { keyReused, type Outcome, refusal } from "../../../lib/idempotency.ts";
import { newId } from "../../../lib/ids.ts";
import { isEqual, type Money } from "../../../lib/money.ts";
import { lineTotal, type Totals, totalsOf } from "../../../lib/totals.ts";
import type { Cart, CartClaim, LinePrice } from "../../carts/carts.contract.ts";
import type { Quote } from "../../products/products.contract.ts";
import { historyEntry, INITIAL_STATUS } from "../domain/order-states.ts";
import type { Address } from "../orders.contract.ts";
import type { OrderDocument } from "../orders.model.ts";
import { runCheckout, toError, undo } from "./checkout-saga.ts";
import type { Deps } from "./ports.ts";

export interface PlaceOrder {
	cartId: string;
	email: string;
	shippingAddress: Address;
	billingAddress?: Address;
	payment: { method: string; token: string };
	expectedTotal: Money;
	/** Of the idempotency key within its scope, and of the request. */
	keyHash: string;
	requestHash: string;
}

/** How a checkout ended: the outcome to answer with, and whether it is a repeat of an earlier one. */
export interface Placed {
	outcome: Outcome;
	order: Pick<OrderDocument, "_id" | "userId"> | null;
	isReplay: boolean;
}

/** Buys what is in a cart, once per key. */
export async function placeOrder(deps: Deps, input: PlaceOrder): Promise<Placed> {
	const orderId = newId("ord", deps.clock.nowMs());
	const claim = await deps.carts.claim(input.cartId, orderId, input.keyHash);
	if (claim.attempt) {
		if (claim.attempt.requestHash !== input.requestHash) throw keyReused();
		return { outcome: claim.attempt.outcome, order: null, isReplay: true };
	}
	const known = claim.orderId === orderId ? null : await deps.orders.find(claim.orderId);
	if (known) return resume(deps, known, input);
	const draft = await price(deps, claim, input);
	return placed(await runCheckout(deps, { order: draft, token: input.payment.token }), false);
}

/** The same key again: the answer it got, or the saga its first request left behind. */
async function resume(deps: Deps, known: OrderDocument, input: PlaceOrder): Promise<Placed> {
	if (known.requestHash !== input.requestHash) throw keyReused();
	if (known.outcome) {
		// Its process may have died before it finished the cart.
		deps.later("finish the cart", () => deps.carts.finish(known.cartId, known._id));
		return placed(known, true);
	}
	const order = await deps.orders.takeLease(known._id);
	if (!order) throw new DomainError("IDEMPOTENCY_IN_PROGRESS", "This checkout is under way", { retryAfterSeconds: 1 });
	if (order.position === "declining" || order.status === "failed") {
		const failure = order.failure ?? RECOVERED;
		await undo(deps, order, failure, order.status === "failed" ? "free" : "void");
		throw toError(failure);
	}
	const checkout = { order, token: input.payment.token };
	return placed(await runCheckout(deps, checkout, order.position === "confirmed" ? "sell" : "reserve"), false);
}

/** What a checkout ends as that nobody asked for again. */
export const RECOVERED = {
	type: "SERVICE_UNAVAILABLE",
	message: "The checkout was interrupted before it was paid; nothing was charged, try again",
	isFinal: false,
} as const;

function placed(order: OrderDocument, isReplay: boolean): Placed {
	if (!order.outcome)
		throw new DomainError("IDEMPOTENCY_IN_PROGRESS", "This checkout is under way", { retryAfterSeconds: 1 });
	return { outcome: order.outcome, order, isReplay };
}

/** The order as it is about to be made, at the prices of now. @throws PRICE_CHANGED, CONFLICT, VALIDATION_ERROR */
async function price(deps: Deps, claim: CartClaim, input: PlaceOrder): Promise<OrderDocument> {
	const { cart, orderId } = claim;
	try {
		if (cart.lines.length === 0) throw new DomainError("VALIDATION_ERROR", "The cart is empty");
		const quotes = await deps.prices.quote(cart.lines.map(line => line.sku));
		return draftOf(deps, claim, input, new Map(quotes.map(quote => [quote.sku, quote])));
	} catch (error) {
		const outcome = refusal(error);
		const attempt = outcome && { keyHash: input.keyHash, requestHash: input.requestHash, outcome };
		await deps.carts.free(cart.id, orderId, attempt, error instanceof PriceChanged ? error.prices : []);
		throw error;
	}
}

class PriceChanged extends DomainError {
	/** What the cart's lines are to cost from now on; only what is in the cart's currency can be. */
	readonly prices: LinePrice[];

	constructor(cart: Cart, priced: readonly PricedLine[], totals?: Totals) {
		const changes = changesOf(cart, priced);
		super("PRICE_CHANGED", "The total is not what you were shown; look at the cart again", {
			...(changes.length > 0 ? { errors: changes.map(({ sku, problem }) => fieldError(sku, problem)) } : {}),
			details: { ...(totals ? { totals } : {}), lines: changes.map(({ problem: _, ...change }) => change) },
		});
		this.prices = priced
			.filter(({ unitPrice }) => unitPrice.currency === cart.currency)
			.map(({ sku, unitPrice, title }) => ({ sku, unitPrice, title }));
	}
}

function draftOf(
	deps: Deps,
	{ cart, orderId, userId }: CartClaim,
	input: PlaceOrder,
	quotes: ReadonlyMap<string, Quote>,
): OrderDocument {
	const lines = pricedLines(cart, quotes);
	// One currency per cart: a sum over two would be none.
	if (lines.some(({ unitPrice }) => unitPrice.currency !== cart.currency)) throw new PriceChanged(cart, lines);
	const totals = totalsOf(lines, cart.currency);
	if (!isEqual(totals.total, input.expectedTotal)) throw new PriceChanged(cart, lines, totals);
	const now = deps.clock.now();
	return {
		_id: orderId,
		number: "",
		userId,
		email: input.email,
		cartId: cart.id,
		keyHash: input.keyHash,
		requestHash: input.requestHash,
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

/** @throws CONFLICT that names every line which is no longer for sale */
function pricedLines(cart: Cart, quotes: ReadonlyMap<string, Quote>) {
	const gone = cart.lines.filter(({ sku }) => !quotes.has(sku));
	if (gone.length > 0) {
		throw new DomainError("CONFLICT", `${gone.map(({ title }) => title).join(", ")}: no longer for sale`, {
			errors: gone.map(({ sku }) => fieldError(sku, "withdrawn")),
		});
	}
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
