import type { PaymentStatus } from "../payments.contract.ts";

/** Which status may follow which: the only place that says so. */
export const PAYMENT_TRANSITIONS: Readonly<Record<PaymentStatus, readonly PaymentStatus[]>> = {
	pending: ["authorized", "captured", "failed", "voided"],
	authorized: ["captured", "voided"],
	captured: ["partially_refunded", "refunded"],
	partially_refunded: ["partially_refunded", "refunded"],
	refunded: [],
	voided: [],
	failed: ["voided"],
};

/** The statuses from which `to` may be reached: the precondition of the update that writes it. */
export const sourcesOf = (to: PaymentStatus): PaymentStatus[] =>
	(Object.keys(PAYMENT_TRANSITIONS) as PaymentStatus[]).filter(from => PAYMENT_TRANSITIONS[from].includes(to));
