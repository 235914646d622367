import { DomainError, errorType } from "../../../lib/errors.ts";
import { newEvent } from "../../../lib/events.ts";
import { historyEntry } from "../domain/order-states.ts";
import { tooBusy } from "../orders.repository.ts";
import { type CancelDeps, cancelOrder } from "./cancel-order.ts";
import { about, STALE } from "./saga.ts";

/**
 * A payment that settled later: the order is paid, or cancelled when the money did not come. An order that does not
 * wait for it any more has taken care of the money itself.
 */
export async function settlePayment(
	deps: CancelDeps,
	{ orderId, status }: { orderId: string; status: "captured" | "failed" },
): Promise<void> {
	const order = await deps.orders.find(orderId);
	// The checkout has not written that it waits: the event comes again.
	if (!order || order.status === "pending") throw tooBusy();
	if (order.status !== "awaiting_payment") return;
	if (status === "failed") {
		await cancelOrder(deps, order, { actor: "payments", reason: "the payment failed" });
		return;
	}
	try {
		await deps.orders.write(order, current => {
			const now = deps.clock.now();
			const event = { orderId, number: current.number, total: current.totals.total };
			return {
				status: "paid",
				payment: { ...current.payment, status: "captured", captured: current.payment.amount.amount },
				history: [...current.history, historyEntry(current.status, "paid", now, "payments", "payment settled")],
				outbox: [newEvent("order.placed", event, about(deps, current.version + 1, now))],
				lease: "keep",
			};
		});
	} catch (error) {
		throw errorType(error) === STALE ? new DomainError("SERVICE_UNAVAILABLE", "The order changed meanwhile") : error;
	}
}
