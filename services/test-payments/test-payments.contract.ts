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

/** What stands of a charge. */
export interface ProviderCharge {
	chargeId: string | null;
	state: "open" | "held" | "captured" | "ended";
	captured: number;
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
	/** Ends the charge of an authorisation's key, also one that is still to come; says what stands. Never refused. */
	"test-payments.void": Action<
		{ orderId: string; amount: Money; authorizeKey: string; idempotencyKey: string },
		ProviderCharge
	>;
	"test-payments.find": Action<{ orderId: string; authorizeKey: string }, ProviderCharge | null>;
	"test-payments.refund": Action<
		{ orderId: string; amount: Money; chargeId: string; idempotencyKey: string },
		ProviderAnswer
	>;
	"test-payments.ledger": Action<{ orderId?: string }, { items: LedgerItem[] }>;
}

declare module "../../lib/contracts.ts" {
	interface ActionContracts extends TestPaymentsActions {}
}
