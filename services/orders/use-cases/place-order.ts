import { asDomainError, DomainError } from "../../../lib/errors.ts";
import { inProgress, keyReused, type Outcome, refusal } from "../../../lib/idempotency.ts";
import { newId } from "../../../lib/ids.ts";
import type { Money } from "../../../lib/money.ts";
import type { CartClaim } from "../../carts/carts.contract.ts";
import type { Address } from "../orders.contract.ts";
import type { Failure, OrderDocument } from "../orders.model.ts";
import { createOrder, refuseAfter, runCheckout } from "./checkout-saga.ts";
import { type Draft, draftOf } from "./draft.ts";
import { fateOf } from "./fate.ts";
import type { Deps } from "./ports.ts";
import { RECOVERED, tombstoneOf } from "./tombstone.ts";

export { RECOVERED };

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

/** What one turn comes to: an end, or the finding that the way is free now. `anew`: whatever the cart remembers of the key. */
type Turn = Placed | "again" | "anew";

/** Each turn but the last ends an attempt that stood in the way, and there is never more than one. */
const MAX_TURNS = 4;

/**
 * Buys what is in a cart, once per key. The register of attempts (the orders' collection) decides: whoever ends a claim
 * must first win the write under its id, and only then is the cart freed.
 */
export async function placeOrder(deps: Deps, input: PlaceOrder): Promise<Placed> {
	let isNew = false;
	for (let i = 0; i < MAX_TURNS; i++) {
		const turn = await takeTurn(deps, input, isNew);
		if (typeof turn === "object") return turn;
		isNew ||= turn === "anew";
	}
	throw inProgress();
}

async function takeTurn(deps: Deps, input: PlaceOrder, isNew: boolean): Promise<Turn> {
	const orderId = newId("ord", deps.clock.nowMs());
	let claim: CartClaim;
	try {
		claim = await deps.carts.claim(input.cartId, orderId, input.keyHash, isNew);
	} catch (error) {
		return refuse(deps, orderId, input, error);
	}
	switch (claim.holder) {
		case "own":
			return buy(deps, claim, input);
		case "same": {
			const known = await deps.orders.attempt(claim.orderId);
			return known ? resume(deps, known, input) : buy(deps, claim, input);
		}
		case "ended": {
			const known = await deps.orders.byKey(input.keyHash);
			return known ? resume(deps, known, input) : "anew";
		}
		case "other":
			return getPast(deps, claim, orderId, input);
	}
}

async function buy(deps: Deps, claim: CartClaim, input: PlaceOrder): Promise<Turn> {
	let draft: Draft;
	try {
		draft = await draftOf(deps, claim, input);
	} catch (error) {
		// Another request's claim is not ended for what may pass: the request may be at work.
		if (claim.holder !== "own") throw error;
		draft = { refused: asDomainError(error) ?? unanswered(), prices: [], order: null };
	}
	if (draft.refused) return giveUp(deps, claim, input, draft);
	const written = await createOrder(deps, draft.order);
	if (written.taken) return meet(deps, claim, written, input);
	return placed(await runCheckout(deps, { order: written.created, token: input.payment.token }, "reserve"), false);
}

const unanswered = (): DomainError =>
	new DomainError("SERVICE_UNAVAILABLE", "The prices could not be asked for; try again", { retryAfterSeconds: 1 });

/** The attempt cannot become an order: ends it, unless it became something meanwhile. */
async function giveUp(
	deps: Deps,
	claim: CartClaim,
	input: PlaceOrder,
	{ refused, prices }: Draft & { refused: DomainError },
): Promise<Turn> {
	const outcome = refusal(refused, deps.requestId);
	const written = await deps.orders.create(ended(deps, claim.orderId, input, refused, outcome));
	if (written.taken) return meet(deps, claim, written, input);
	await deps.carts.free(input.cartId, claim.orderId, written.created.liveKey ?? undefined, prices);
	if (!outcome) throw refused;
	return { outcome, order: null, isReplay: false };
}

/**
 * Another attempt stands in this one's place, and is the answer. Where the key stands for one of another claim, this
 * claim ends, without the key.
 */
async function meet(
	deps: Deps,
	{ orderId }: CartClaim,
	{ taken, by }: { taken: "id" | "key"; by: OrderDocument },
	input: PlaceOrder,
): Promise<Turn> {
	if (taken === "key") {
		const { fate } = await fateOf(deps, { orderId, cartId: input.cartId });
		if (fate === "abandoned") await deps.carts.free(input.cartId, orderId);
	}
	return resume(deps, by, input);
}

/** There is nothing to claim: the refusal is kept for repeats of the key where it is final. */
async function refuse(deps: Deps, orderId: string, input: PlaceOrder, error: unknown): Promise<Turn> {
	const outcome = refusal(error, deps.requestId);
	if (!outcome) throw error;
	const written = await deps.orders.create(ended(deps, orderId, input, error, outcome));
	return written.taken ? resume(deps, written.by, input) : { outcome, order: null, isReplay: false };
}

/** Another key has the cart. If its attempt has ended, or nobody is at work on it any more, the cart is free again. */
async function getPast(deps: Deps, claim: CartClaim, ownId: string, input: PlaceOrder): Promise<Turn> {
	const known = await deps.orders.byKey(input.keyHash);
	if (known) return resume(deps, known, input);
	// Freed between the two looks that the carts took.
	if (claim.orderId === ownId) return "again";
	const isOrdered = claim.cart.status === "ordered";
	const holder = { orderId: claim.orderId, cartId: input.cartId };
	const { fate, known: theirs } = isOrdered
		? { fate: "placed" as const, known: null }
		: await fateOf(deps, holder, claim.isStale);
	if (fate === "placed") return refuse(deps, ownId, input, new DomainError("CART_NOT_OPEN", "This cart was ordered"));
	if (fate === "running")
		throw new DomainError("CART_NOT_OPEN", "Another checkout of this cart is under way", { retryAfterSeconds: 1 });
	await deps.carts.free(input.cartId, holder.orderId, theirs?.liveKey ?? undefined);
	return "again";
}

/** The same key again: the answer it got, or the saga its first request left behind. */
async function resume(deps: Deps, known: OrderDocument, input: PlaceOrder): Promise<Turn> {
	if (known.status === "failed" && !known.outcome) {
		// It ended in nothing final. Whoever ended it frees the cart, but may have died before, or not be there yet.
		await deps.carts.free(known.cartId, known._id);
		return "again";
	}
	if (known.requestHash !== input.requestHash) throw keyReused();
	if (known.outcome) {
		const { cartId, _id, liveKey } = known;
		if (known.status === "failed")
			deps.later("free the cart", () => deps.carts.free(cartId, _id, liveKey ?? undefined));
		else deps.later("finish the cart", () => deps.carts.finish(cartId, _id));
		return { outcome: known.outcome, order: known, isReplay: true };
	}
	const order = await deps.orders.takeLease(known._id);
	if (!order) throw inProgress();
	if (order.position === "declining") return refuseAfter(deps, order, order.failure ?? RECOVERED, "void");
	const checkout = { order, token: input.payment.token };
	return placed(await runCheckout(deps, checkout, order.position === "confirmed" ? "sell" : "reserve"), false);
}

function placed(order: OrderDocument, isReplay: boolean): Placed {
	if (!order.outcome) throw inProgress();
	return { outcome: order.outcome, order, isReplay };
}

function ended(
	deps: Deps,
	orderId: string,
	{ cartId, keyHash, requestHash }: PlaceOrder,
	error: unknown,
	outcome: Outcome | undefined,
): OrderDocument {
	const known = asDomainError(error);
	const failure: Failure = {
		type: known?.type ?? RECOVERED.type,
		message: known?.message ?? RECOVERED.message,
		...(known ? { data: known.data } : {}),
		isFinal: outcome !== undefined,
	};
	const kept = outcome && { keyHash, requestHash, requestId: deps.requestId ?? null, outcome };
	const attempt = { orderId, cartId, failure, actor: "checkout", ...(kept ? { kept } : {}) };
	return tombstoneOf(attempt, deps.clock.now());
}
