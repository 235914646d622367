import { MAX_ATTEMPTS } from "../../../lib/attempts.ts";
import { errorType } from "../../../lib/errors.ts";
import type { OrderDocument } from "../orders.model.ts";
import { type CancelDeps, finishCancel } from "./cancel-order.ts";
import { runCheckout, undo } from "./checkout-saga.ts";
import { RECOVERED } from "./place-order.ts";
import { finishRefund } from "./refund-order.ts";
import { STALE } from "./saga.ts";
import { finishUnwind } from "./settle-payment.ts";

const BATCH = 20;

/**
 * Goes on with what dead processes left: orders and refunds whose lease ran out. Before the point of no return a
 * checkout is undone (its payment token is gone with its request), after it the order is completed. Any node may do
 * it; the lease decides who does. Tries are counted in the order, come after growing pauses, and have an end: then the
 * order is parked, in the way of no other, and waits for an operator.
 */
export async function recover(deps: CancelDeps, onError: (orderId: string, error: unknown) => void): Promise<void> {
	const attempt = async (orderId: string, work: () => Promise<unknown>) => {
		try {
			await work();
		} catch (error) {
			if (errorType(error) !== STALE) onError(orderId, error);
		}
	};
	const sagas = await deps.orders.dueSagas(deps.clock.now(), BATCH);
	await Promise.all(sagas.map(({ _id }) => attempt(_id, () => recoverSaga(deps, _id))));
	const refunds = await deps.orders.refunds.due(deps.clock.now(), BATCH);
	await Promise.all(refunds.map(order => attempt(order._id, () => recoverRefunds(deps, order))));
}

async function recoverSaga(deps: CancelDeps, id: string): Promise<unknown> {
	const order = await deps.orders.takeLease(id, "recovery");
	if (order && (order.recovery?.attempts ?? 0) > MAX_ATTEMPTS)
		return deps.orders.giveUp(order, new Error("Whoever worked on it died, again and again"));
	switch (order?.position) {
		case "started":
			return undo(deps, order, RECOVERED);
		case "declining":
			return undo(deps, order, order.failure ?? RECOVERED, order.status === "failed" ? "free" : "void");
		case "confirmed":
			return runCheckout(deps, { order, token: "" }, "sell");
		case "cancelling":
			return finishCancel(deps, order);
		case "unwinding":
			return finishUnwind(deps, order);
		case "done":
			// The last step before the lease was given back: freeing the cart of a failed checkout.
			return undo(deps, order, order.failure ?? RECOVERED, "free");
		default:
			return undefined;
	}
}

async function recoverRefunds(deps: CancelDeps, { _id, refunds }: OrderDocument): Promise<void> {
	for (const refund of refunds.filter(({ status, leaseUntil }) => status === "pending" && leaseUntil)) {
		const order = await deps.orders.refunds.take(_id, refund.id);
		if (order) await finishRefund(deps, order, refund.id);
	}
}
