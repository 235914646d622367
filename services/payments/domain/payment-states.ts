import type { PaymentStatus } from "../payments.contract.ts";

/**
 * Which status may follow which: the only place that says so. The provider's truth wins over ours: a charge that failed
 * may succeed at a second try, and money may move although it was voided; neither may be overlooked.
 */
export const PAYMENT_TRANSITIONS: Readonly<Record<PaymentStatus, readonly PaymentStatus[]>> = {
	pending: ["authorized", "captured", "failed", "voided"],
	authorized: ["captured", "failed", "voided"],
	captured: ["partially_refunded", "refunded"],
	partially_refunded: ["partially_refunded", "refunded"],
	refunded: [],
	voided: ["captured"],
	failed: ["captured"],
};

/** The statuses from which `to` may be reached: the precondition of the update that writes it. */
export const sourcesOf = (to: PaymentStatus): PaymentStatus[] =>
	(Object.keys(PAYMENT_TRANSITIONS) as PaymentStatus[]).filter(from => PAYMENT_TRANSITIONS[from].includes(to));

interface Books {
	captured: number;
	refunded: number;
	refunding: number;
}

/** What the shop still has of the customer's money and has not begun to pay back. */
export const standing = ({ captured, refunded, refunding }: Books): number => captured - refunded - refunding;
