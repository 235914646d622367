import type { OrderDocument } from "../orders.model.ts";
import { type CancelDeps, cancelOrder } from "./cancel-order.ts";
import { settleFrom } from "./settle-payment.ts";

const BATCH = 20;

/**
 * Asks about the payments that orders wait for, ever more rarely, so that nothing depends on a provider's webhook or on
 * one event. An order whose deadline is over is cancelled; money that comes after that is sent back.
 */
export async function askAboutPayments(
	deps: CancelDeps,
	onError: (orderId: string, error: unknown) => void,
): Promise<void> {
	const now = deps.clock.now();
	const due = await deps.orders.dueAskings(now, BATCH);
	await Promise.all(
		due.map(async found => {
			const order = await deps.orders.takeAsking(found, now);
			if (!order) return;
			await ask(deps, order, now).catch(async error => {
				await deps.orders.noteAsking(order, error);
				onError(order._id, error);
			});
		}),
	);
}

async function ask(deps: CancelDeps, order: OrderDocument, now: Date): Promise<void> {
	const isOver = order.payBy !== null && order.payBy !== undefined && order.payBy <= now;
	try {
		const payment = await deps.payments.sync(order._id);
		if (payment.status !== "pending" && payment.status !== "authorized") return await settleFrom(deps, order, payment);
	} catch (error) {
		// A provider that does not answer keeps no order waiting past its deadline: the cancellation makes sure of the money.
		if (!isOver) throw error;
	}
	if (isOver) await cancelOrder(deps, order, { actor: "orders", reason: "the payment did not come in time" });
}
