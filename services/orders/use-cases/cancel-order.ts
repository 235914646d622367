import { DomainError } from "../../../lib/errors.ts";
import { newEvent } from "../../../lib/events.ts";
import { inProgress, keyReused, type Outcome, success } from "../../../lib/idempotency.ts";
import { assertMove, historyEntry } from "../domain/order-states.ts";
import { assertRoom, keptCommands } from "../keys.ts";
import type { CommandDocument, OrderDocument } from "../orders.model.ts";
import type { OrderRepository } from "../orders.repository.ts";
import { tooBusy } from "../orders.repository.ts";
import { toOrder } from "../orders.views.ts";
import { withLease } from "./checkout-saga.ts";
import type { Deps } from "./ports.ts";
import { about, runSaga, type Saga } from "./saga.ts";

export interface CancelDeps extends Deps {
	orders: OrderRepository;
}

export interface Cancel {
	actor: string;
	reason: string;
	/** Absent when no client asked: a payment that failed cancels its order. */
	command?: Pick<CommandDocument, "keyHash" | "requestHash">;
}

export interface Ended {
	outcome: Outcome;
	isReplay: boolean;
}

const refundIdOf = (order: OrderDocument): string => `${order._id}_cancel`;

/** Takes an order back before it ships: the goods return to stock, the money to the customer, each once. */
export async function cancelOrder(deps: CancelDeps, order: OrderDocument, cancel: Cancel): Promise<Ended> {
	const known = cancel.command && order.commands.find(command => command.keyHash === cancel.command?.keyHash);
	if (known) {
		if (known.requestHash !== cancel.command?.requestHash) throw keyReused();
		if (known.outcome) return { outcome: known.outcome, isReplay: true };
		const taken = await deps.orders.takeLease(order._id);
		if (!taken) throw inProgress();
		return ended(await finishCancel(deps, taken), cancel);
	}
	assertMove(order.status, "cancelled");
	if (cancel.command) assertRoom(order, deps.clock.nowMs());
	return ended(await run(deps, order, cancel), cancel);
}

/** What a crash left of a cancellation. @param order under a lease of the caller */
export const finishCancel = (deps: CancelDeps, order: OrderDocument): Promise<OrderDocument> =>
	withLease(deps, order, () => runSaga("orders.cancel", cancelSaga(deps), order, deps.failpoints, { from: "restock" }));

async function run(deps: CancelDeps, order: OrderDocument, cancel: Cancel): Promise<OrderDocument> {
	const marked = await runSaga("orders.cancel", cancelSaga(deps, cancel), order, deps.failpoints, { to: "mark" });
	return finishCancel(deps, marked);
}

function cancelSaga(deps: CancelDeps, cancel?: Cancel): Saga<"orders.cancel", OrderDocument> {
	const { orders, stock, payments, clock } = deps;
	return {
		async mark(order) {
			if (!cancel) throw new Error("A cancellation that was marked before is not marked again");
			const marked = await orders.begin(order, markOf(order, cancel, clock.now()));
			if (!marked) throw tooBusy();
			return marked;
		},
		async restock(order) {
			await stock.giveBack(
				order._id,
				order.lines.map(({ sku, quantity }) => ({ sku, quantity })),
			);
			return order;
		},
		async refund(order) {
			const refund = order.refunds.find(({ id }) => id === refundIdOf(order));
			const payment = refund
				? await payments.refund({ orderId: order._id, refundId: refund.id, amount: refund.amount })
				: await payments.void(order._id);
			return { ...order, payment: { ...order.payment, status: payment?.status ?? "voided" } };
		},
		settle: order =>
			orders.write(order, current => {
				const now = clock.now();
				const refunds = current.refunds.map(refund =>
					refund.id === refundIdOf(current) ? { ...refund, status: "done" as const } : refund,
				);
				const next = { ...current, refunds, version: current.version + 1 };
				const outcome = success(toOrder(next));
				const event = { orderId: current._id, reason: current.cancelReason ?? "" };
				return {
					position: "done",
					payment: current.payment,
					refunds,
					commands: current.commands.map(command =>
						command.outcome || command.refundId ? command : { ...command, outcome },
					),
					outbox: [newEvent("order.cancelled", event, about(deps, next.version, now))],
					lease: "end",
				};
			}),
	};
}

function markOf(order: OrderDocument, { actor, reason, command }: Cancel, now: Date): Partial<OrderDocument> {
	const rest = order.payment.captured - order.refundTotal;
	const refund = {
		id: refundIdOf(order),
		amount: { amount: rest, currency: order.payment.amount.currency },
		reason: "cancelled",
		status: "pending" as const,
		createdAt: now.toISOString(),
	};
	return {
		status: "cancelled",
		position: "cancelling",
		cancelReason: reason,
		history: [...order.history, historyEntry(order.status, "cancelled", now, actor, reason)],
		refunds: rest > 0 ? [...order.refunds, refund] : order.refunds,
		refundTotal: order.payment.captured,
		commands: command
			? [...keptCommands(order.commands, now.getTime()), { ...command, refundId: null, outcome: null, at: now }]
			: order.commands,
	};
}

function ended(order: OrderDocument, { command }: Cancel): Ended {
	const known = command && order.commands.find(({ keyHash }) => keyHash === command.keyHash);
	const outcome = known?.outcome ?? success(toOrder(order));
	if (order.position !== "done")
		throw new DomainError("SERVICE_UNAVAILABLE", "The order is being cancelled", { retryAfterSeconds: 2 });
	return { outcome, isReplay: false };
}
