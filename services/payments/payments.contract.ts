import type { Action } from "../../lib/contracts.ts";
import type { Money } from "../../lib/money.ts";

export type PaymentStatus =
	| "pending"
	| "authorized"
	| "captured"
	| "partially_refunded"
	| "refunded"
	| "voided"
	| "failed";

export interface Payment {
	id: string;
	orderId: string;
	method: string;
	status: PaymentStatus;
	amount: Money;
	captured: Money;
	/** Refunds that are done. */
	refunded: Money;
	/** Refunds that are under way: neither kept nor paid back yet. */
	refunding: Money;
	refunds: { id: string; amount: Money; status: "pending" | "done" | "failed" }[];
	/** Its order has ended without it: nothing is authorised or captured any more. */
	isClosed: boolean;
	failure: { code: string; message: string } | null;
	/** The provider's id of the charge, once it gave one. */
	chargeId: string | null;
	version: number;
}

export interface LedgerItem {
	orderId: string;
	kind: "authorize" | "capture" | "void" | "refund";
	amount: Money;
	idempotencyKey: string;
	at: string;
}

export interface PaymentsActions {
	/**
	 * Internal, idempotent per order. Gives the payment as `authorized`, `failed` (declined) or `pending` (settles by
	 * webhook). CONFLICT once the order's payment was voided. SERVICE_UNAVAILABLE when the provider did not say.
	 */
	"payments.authorize": Action<{ orderId: string; amount: Money; method: string; token: string }, Payment>;
	/**
	 * Internal, idempotent. `method`, `chargeId` and `amount` are those of the authorisation. The status says whether the
	 * money is there: `captured`, `authorized` (the provider settles it later), `failed` (it was refused after all).
	 */
	"payments.capture": Action<{ orderId: string; method: string; chargeId: string; amount: Money }, Payment>;
	/**
	 * Internal, idempotent: ends the payment of an order; a later authorise or capture of it is refused. The answer says
	 * what was captured all the same, which the caller pays back. Money that comes later is told by `payment.settled`,
	 * again and again until it is paid back.
	 */
	"payments.void": Action<{ orderId: string }, Payment>;
	/** Internal: asks the provider what became of a payment that settles later, and writes it down. */
	"payments.sync": Action<{ orderId: string }, Payment>;
	/**
	 * Internal, idempotent per refund id. The refund of this id in the answer is `done`, or `pending` when the provider
	 * has not said: ask again. CONFLICT above captured − refunded − under way, and when the provider refuses.
	 */
	"payments.refund": Action<{ orderId: string; refundId: string; amount: Money }, Payment>;
	"payments.get": Action<{ orderId: string }, Payment>;
	/** Raw body (base64) and the `Stoa-Signature` header; what is forged or stale is refused, a repeat changes nothing. */
	"payments.webhook": Action<{ provider: string; body: string; headers: Record<string, string> }, { received: true }>;
	"payments.testLedger": Action<{ orderId?: string }, { items: LedgerItem[] }>;
}

export interface PaymentsEvents {
	/**
	 * A payment settled outside of a call (`captured`) or did not (`failed`), or money that nobody may keep stands at the
	 * provider. Whoever hears it asks for the payment: events come late and in any order.
	 */
	"payment.settled": { paymentId: string; orderId: string; status: "captured" | "failed" };
}

declare module "../../lib/contracts.ts" {
	interface ActionContracts extends PaymentsActions {}
	interface EventContracts extends PaymentsEvents {}
}
