import type { Outcome } from "../../../lib/idempotency.ts";
import { zero } from "../../../lib/money.ts";
import type { Address } from "../orders.contract.ts";
import type { Failure, OrderDocument } from "../orders.model.ts";

const NOWHERE: Address = { name: "", line1: "", city: "", postalCode: "", country: "" };

/** What a checkout ends as that nobody asked for again. */
export const RECOVERED = {
	type: "SERVICE_UNAVAILABLE",
	message: "The checkout was interrupted before it was paid; nothing was charged, try again",
	isFinal: false,
} as const;

/** An attempt that ends before there is an order. */
export interface EndedAttempt {
	orderId: string;
	cartId: string;
	failure: Failure;
	/** Who ended it. */
	actor: string;
	/** Of the request whose refusal it keeps; absent when it keeps none. */
	kept?: { keyHash: string; requestHash: string; requestId: string | null; outcome: Outcome };
}

/** The document that ends an attempt: whoever writes it has ended it, and everybody else finds the id taken. */
export function tombstoneOf({ orderId, cartId, failure, actor, kept }: EndedAttempt, now: Date): OrderDocument {
	const none = zero("EUR");
	return {
		_id: orderId,
		isTombstone: true,
		number: "",
		userId: null,
		email: "",
		cartId,
		keyHash: kept?.keyHash ?? "",
		requestHash: kept?.requestHash ?? "",
		liveKey: kept?.keyHash ?? null,
		keyUntil: null,
		requestId: kept?.requestId ?? null,
		status: "failed",
		position: "done",
		lease: null,
		lines: [],
		totals: { subtotal: none, discount: none, shipping: none, tax: none, total: none },
		shippingAddress: NOWHERE,
		billingAddress: NOWHERE,
		payment: { status: "failed", method: "none", amount: none, chargeId: null, captured: 0 },
		fulfilments: [],
		refunds: [],
		refundTotal: 0,
		history: [{ from: null, to: "failed", at: now.toISOString(), actor, cause: failure.type }],
		failure,
		outcome: kept?.outcome ?? null,
		commands: [],
		cancelReason: null,
		createdAt: now,
		version: 1,
	};
}
