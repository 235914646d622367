import { asDomainError, DomainError } from "../../../lib/errors.ts";
import { newEvent } from "../../../lib/events.ts";
import { inProgress, keyReused, type Outcome, refusal, success } from "../../../lib/idempotency.ts";
import { assertMove, historyEntry } from "../domain/order-states.ts";
import { assertRoom, keptCommands } from "../keys.ts";
import type { CommandDocument, OrderDocument } from "../orders.model.ts";
import type { OrderRepository } from "../orders.repository.ts";
import { tooBusy } from "../orders.repository.ts";
import { toOrder } from "../orders.views.ts";
import { withLease } from "./checkout-saga.ts";
import { makeSureOfMoney } from "./money.ts";
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

/** Takes an order back before it ships: the goods return to stock, the money to the customer, each once. */
export async function cancelOrder(deps: CancelDeps, order: OrderDocument, cancel: Cancel): Promise<Ended> {
	const known = cancel.command && order.commands.find(command => command.keyHash === cancel.command?.keyHash);
	if (known) {
		if (known.requestHash !== cancel.command?.requestHash) throw keyReused();
		if (known.outcome) return { outcome: known.outcome, isReplay: true };
		const taken = await deps.orders.takeLease(order._id);
		if (!taken) throw inProgress();
		return ended(await finishCancel(deps, taken).catch(stillRunning), cancel);
	}
	const refused = refusedMove(order);
	if (refused) return refuse(deps, order, cancel, refused);
	if (cancel.command) assertRoom(order, deps.clock.nowMs());
	return ended(await run(deps, order, cancel), cancel);
}

function refusedMove({ status }: OrderDocument): DomainError | undefined {
	try {
		assertMove(status, "cancelled");
		return undefined;
	} catch (error) {
		return asDomainError(error);
	}
}

/** The refusal is the answer of this key from now on; not while a saga runs, since the order may become another one. */
async function refuse(deps: CancelDeps, order: OrderDocument, { command }: Cancel, error: DomainError): Promise<Ended> {
	if (order.lease) throw new DomainError(error.type, error.message, { ...error.data, retryAfterSeconds: 1 });
	const outcome = refusal(error, deps.requestId);
	if (!command || !outcome) throw error;
	assertRoom(order, deps.clock.nowMs());
	if (!(await deps.orders.refunds.refuse(order._id, { ...command, refundId: null, outcome: null }, outcome)))
		throw tooBusy();
	return { outcome, isReplay: false };
}

/** What a crash left of a cancellation. @param order under a lease of the caller */
export const finishCancel = (deps: CancelDeps, order: OrderDocument): Promise<OrderDocument> =>
	withLease(deps, order, () => runSaga("orders.cancel", cancelSaga(deps), order, deps.failpoints, { from: "restock" }));

async function run(deps: CancelDeps, order: OrderDocument, cancel: Cancel): Promise<OrderDocument> {
	const marked = await runSaga("orders.cancel", cancelSaga(deps, cancel), order, deps.failpoints, { to: "mark" });
	return finishCancel(deps, marked).catch(stillRunning);
}

/** Once it is marked, a cancellation is not refused any more: what went wrong is a recovery's. */
function stillRunning(): never {
	throw new DomainError("SERVICE_UNAVAILABLE", "The order is being cancelled", { retryAfterSeconds: 2 });
}

function cancelSaga(deps: CancelDeps, cancel?: Cancel): Saga<"orders.cancel", OrderDocument> {
	const { orders, stock, clock } = deps;
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
		refund: order => makeSureOfMoney(deps, order, "cancel"),
		settle: order =>
			orders.write(order, current => {
				const now = clock.now();
				const next = { ...current, version: current.version + 1 };
				const outcome = success(toOrder(next));
				const event = { orderId: current._id, reason: current.cancelReason ?? "" };
				return {
					position: "done",
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
	return {
		status: "cancelled",
		position: "cancelling",
		cancelReason: reason,
		history: [...order.history, historyEntry(order.status, "cancelled", now, actor, reason)],
		payBy: null,
		asking: null,
		commands: command
			? [...keptCommands(order.commands, now.getTime()), { ...command, refundId: null, outcome: null, at: now }]
			: order.commands,
	};
}

function ended(order: OrderDocument, { command }: Cancel): Ended {
	const own = command && order.commands.find(({ keyHash }) => keyHash === command.keyHash);
	const outcome = own?.outcome ?? success(toOrder(order));
	if (order.position !== "done") return stillRunning();
	return { outcome, isReplay: false };
}
