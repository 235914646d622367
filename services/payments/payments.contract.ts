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
	refunded: Money;
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
	/** Internal, idempotent. `method`, `chargeId` and `amount` are those of the authorisation. */
	"payments.capture": Action<{ orderId: string; method: string; chargeId: string; amount: Money }, Payment>;
	/** Internal, idempotent: ends the payment of an order; a later authorise or capture of it is refused. */
	"payments.void": Action<{ orderId: string }, Payment | null>;
	/** Internal, idempotent per refund id. CONFLICT above captured − refunded. */
	"payments.refund": Action<{ orderId: string; refundId: string; amount: Money }, Payment>;
	"payments.get": Action<{ orderId: string }, Payment>;
	/** Raw body (base64) and the `Stoa-Signature` header; what is forged or stale is refused, a repeat changes nothing. */
	"payments.webhook": Action<{ provider: string; body: string; headers: Record<string, string> }, { received: true }>;
	"payments.testLedger": Action<{ orderId?: string }, { items: LedgerItem[] }>;
}

export interface PaymentsEvents {
	/** An asynchronous payment settled (`captured`) or did not (`failed`). */
	"payment.settled": { paymentId: string; orderId: string; status: "captured" | "failed" };
}

declare module "../../lib/contracts.ts" {
	interface ActionContracts extends PaymentsActions {}
	interface EventContracts extends PaymentsEvents {}
}
