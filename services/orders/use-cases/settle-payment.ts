import { newEvent } from "../../../lib/events.ts";
import { NotYet } from "../../../lib/not-yet.ts";
import type { Payment } from "../../payments/payments.contract.ts";
import { historyEntry } from "../domain/order-states.ts";
import { bookedFrom } from "../domain/payment-book.ts";
import type { OrderDocument } from "../orders.model.ts";
import { tooBusy } from "../orders.repository.ts";
import { type CancelDeps, cancelOrder } from "./cancel-order.ts";
import { withLease } from "./checkout-saga.ts";
import { doneAfterAll, makeSureOfMoney } from "./money.ts";
import { about, runSaga, type Saga } from "./saga.ts";

/**
 * A payment settled outside of a call. The event only says that it is time to look: it may come late, twice, and before
 * or after another one of the same charge, so the payment itself is asked. An order that has ended sends the money back.
 */
export async function settlePayment(deps: CancelDeps, orderId: string): Promise<void> {
	const order = await deps.orders.find(orderId);
	if (!order || order.status === "pending") throw new NotYet("the checkout has not written that it waits");
	if (order.status === "awaiting_payment") return settleFrom(deps, order, await deps.payments.get(orderId));
	if (order.status !== "cancelled" && order.status !== "failed") return;
	if (order.lease) throw new NotYet("what ends the order still runs");
	await unwind(deps, order);
}

/** Moves an order that waits for its payment to where the payment says that it belongs. */
export async function settleFrom(deps: CancelDeps, order: OrderDocument, payment: Payment): Promise<void> {
	if (payment.status === "pending" || payment.status === "authorized") return;
	if (payment.status === "failed" || payment.status === "voided") {
		await cancelOrder(deps, order, { actor: "payments", reason: "the payment failed" });
		return;
	}
	await deps.orders.write(order, current => {
		const now = deps.clock.now();
		const event = { orderId: current._id, number: current.number, total: current.totals.total };
		return {
			status: "paid",
			payment: bookedFrom(current.payment, payment),
			payBy: null,
			asking: null,
			history: [...current.history, historyEntry(current.status, "paid", now, "payments", "payment settled")],
			outbox: [newEvent("order.placed", event, about(deps, current.version + 1, now))],
			lease: "keep",
		};
	});
}

/** Money that came after its order had ended goes back. */
async function unwind(deps: CancelDeps, order: OrderDocument): Promise<void> {
	const payment = await deps.payments.void(order._id);
	const { captured, refunded, refunding } = payment;
	const isKept = captured.amount - refunded.amount - refunding.amount > 0;
	if (!isKept && doneAfterAll(order, payment).length === 0) return;
	await finishUnwind(deps, await runSaga("orders.unwind", unwindSaga(deps), order, deps.failpoints, { to: "mark" }));
}

/** @param order under a lease of the caller */
export const finishUnwind = (deps: CancelDeps, order: OrderDocument): Promise<OrderDocument> =>
	withLease(deps, order, () => runSaga("orders.unwind", unwindSaga(deps), order, deps.failpoints, { from: "money" }));

const unwindSaga = (deps: CancelDeps): Saga<"orders.unwind", OrderDocument> => ({
	async mark(order) {
		const marked = await deps.orders.begin(order, { position: "unwinding" });
		if (!marked) throw tooBusy();
		return marked;
	},
	money: order => makeSureOfMoney(deps, order, "late"),
	settle: order => deps.orders.write(order, () => ({ position: "done", lease: "end" })),
});
