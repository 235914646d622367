import { DomainError } from "../../../lib/errors.ts";
import type { OrderHistoryEntry, OrderStatus } from "../orders.contract.ts";

/** Which status may follow which: the only place that says so. */
export const ORDER_TRANSITIONS: Readonly<Record<OrderStatus, readonly OrderStatus[]>> = {
	pending: ["paid", "awaiting_payment", "failed"],
	awaiting_payment: ["paid", "cancelled"],
	paid: ["partially_shipped", "shipped", "cancelled"],
	partially_shipped: ["shipped"],
	shipped: ["delivered"],
	delivered: [],
	failed: [],
	cancelled: [],
};

export const INITIAL_STATUS: OrderStatus = "pending";

/** The statuses in which the customer's money may be at the shop. */
export const REFUNDABLE: readonly OrderStatus[] = ["paid", "partially_shipped", "shipped", "delivered", "cancelled"];

export const canMove = (from: OrderStatus, to: OrderStatus): boolean => ORDER_TRANSITIONS[from].includes(to);

/** @throws INVALID_TRANSITION with the moves that are allowed */
export function assertMove(from: OrderStatus, to: OrderStatus): void {
	if (canMove(from, to)) return;
	throw new DomainError("INVALID_TRANSITION", `An order that is ${from} cannot become ${to}`, {
		details: { from, to, allowed: ORDER_TRANSITIONS[from] },
	});
}

/** One move for the history: who did it, and why. */
export function historyEntry(
	from: OrderStatus | null,
	to: OrderStatus,
	at: Date,
	actor: string,
	cause: string,
): OrderHistoryEntry {
	if (from !== null) assertMove(from, to);
	return { from, to, at: at.toISOString(), actor, cause };
}
