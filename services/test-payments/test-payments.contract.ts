import type { Action } from "../../lib/contracts.ts";
import type { Money } from "../../lib/money.ts";
import type { LedgerItem } from "../payments/payments.contract.ts";

/** What the test provider answers. `pending` settles by webhook. */
export interface ProviderAnswer {
	status: "succeeded" | "declined" | "pending";
	/** The provider's own id of the charge. */
	chargeId: string;
	/** `card_declined`, `insufficient_funds` … */
	code?: string;
}

/** A payment provider with a ledger of its own, reached by `payments` only through its port, as Stripe would be. */
export interface TestPaymentsActions {
	"test-payments.authorize": Action<
		{ orderId: string; amount: Money; token: string; idempotencyKey: string },
		ProviderAnswer
	>;
	"test-payments.capture": Action<
		{ orderId: string; amount: Money; chargeId: string; idempotencyKey: string },
		ProviderAnswer
	>;
	"test-payments.void": Action<{ orderId: string; chargeId: string; idempotencyKey: string }, ProviderAnswer>;
	"test-payments.refund": Action<
		{ orderId: string; amount: Money; chargeId: string; idempotencyKey: string },
		ProviderAnswer
	>;
	"test-payments.ledger": Action<{ orderId?: string }, { items: LedgerItem[] }>;
}

declare module "../../lib/contracts.ts" {
	interface ActionContracts extends TestPaymentsActions {}
}
