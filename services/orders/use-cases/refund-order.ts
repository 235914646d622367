import { errorLine, MAX_ATTEMPTS } from "../../../lib/attempts.ts";
import { DomainError, errorType, notFound } from "../../../lib/errors.ts";
import { newEvent } from "../../../lib/events.ts";
import { inProgress, keyReused, type Outcome, refusal, success } from "../../../lib/idempotency.ts";
import { newId } from "../../../lib/ids.ts";
import { isDefinite } from "../../../lib/not-yet.ts";
import type { Payment } from "../../payments/payments.contract.ts";
import { REFUNDABLE } from "../domain/order-states.ts";
import { bookedFrom } from "../domain/payment-book.ts";
import { type RefundRequest, shareOf } from "../domain/refunds.ts";
import { assertRoom } from "../keys.ts";
import type { CommandDocument, OrderDocument, RefundDocument } from "../orders.model.ts";
import { tooBusy } from "../orders.repository.ts";
import { toOrder } from "../orders.views.ts";
import { MAX_REFUNDS } from "../refunds.repository.ts";
import type { CancelDeps, Ended } from "./cancel-order.ts";
import { about, runSaga, type Saga, STALE, StaleLease } from "./saga.ts";

const WRITE_ATTEMPTS = 20;

export interface Refund extends RefundRequest {
	reason: string;
	command: Pick<CommandDocument, "keyHash" | "requestHash">;
}

interface State {
	order: OrderDocument;
	refund: RefundDocument;
	payment?: Payment;
}

/** Pays back an amount or lines, once per key, never more than was captured and is not refunded. */
export async function refundOrder(deps: CancelDeps, order: OrderDocument, input: Refund): Promise<Ended> {
	try {
		const known = order.commands.find(({ keyHash }) => keyHash === input.command.keyHash);
		return await (known ? resume(deps, order, known, input) : begin(deps, order, input));
	} catch (error) {
		throw errorType(error) === STALE ? inProgress() : error;
	}
}

async function begin(deps: CancelDeps, order: OrderDocument, input: Refund): Promise<Ended> {
	let state: State;
	try {
		state = { order, refund: refundOf(deps, order, input, newId("ref", deps.clock.nowMs())) };
		state = await runSaga("orders.refund", refundSaga(deps, input), state, deps.failpoints, { to: "mark" });
	} catch (error) {
		// Nothing was set aside: the refusal is the answer of this key from now on.
		const refused = errorType(error) === "CONFLICT" ? refusal(error, deps.requestId) : undefined;
		if (!refused) throw error;
		const kept = { ...input.command, refundId: null, outcome: null };
		assertRoom(order, deps.clock.nowMs());
		if (!(await deps.orders.refunds.refuse(order._id, kept, refused))) throw tooBusy();
		return { outcome: refused, isReplay: false };
	}
	return end(await payBack(deps, state), state.refund.id);
}

/** What a crash or a pause left of a refund. @param order as the refund was taken by the caller */
export async function finishRefund(deps: CancelDeps, order: OrderDocument, refundId: string): Promise<OrderDocument> {
	const state = asState(order, refundId);
	if ((state.refund.attempts ?? 0) <= MAX_ATTEMPTS) return payBack(deps, state);
	await deps.orders.refunds.postpone(order._id, state.refund, "Whoever worked on it died, again and again");
	throw inProgress();
}

async function resume(
	deps: CancelDeps,
	order: OrderDocument,
	known: CommandDocument,
	{ command }: Refund,
): Promise<Ended> {
	if (known.requestHash !== command.requestHash) throw keyReused();
	if (known.outcome) return { outcome: known.outcome, isReplay: true };
	const refundId = known.refundId ?? "";
	const taken = await deps.orders.refunds.take(order._id, refundId);
	if (!taken) throw inProgress();
	return end(await finishRefund(deps, taken, refundId), refundId);
}

function asState(order: OrderDocument, refundId: string): State {
	const refund = order.refunds.find(({ id }) => id === refundId);
	if (!refund) throw new DomainError("NOT_FOUND", "The refund was not found");
	return { order, refund };
}

async function payBack(deps: CancelDeps, state: State): Promise<OrderDocument> {
	const { order, refund } = state;
	try {
		const done = await runSaga("orders.refund", refundSaga(deps), state, deps.failpoints, { from: "pay" });
		return done.order;
	} catch (error) {
		// Only the payment's own refusal ends a refund; everything else is tried again by a recovery.
		const refused = isDefinite(error) ? refusal(error, deps.requestId) : undefined;
		if (refused) return settle(deps, state, "failed", refused);
		if (errorType(error) !== STALE) await deps.orders.refunds.postpone(order._id, refund, errorLine(error));
		throw error;
	}
}

function refundSaga(deps: CancelDeps, input?: Refund): Saga<"orders.refund", State> {
	return {
		async mark({ order, refund }) {
			if (!input) throw new Error("A refund that was marked before is not marked again");
			return asState(await setAside(deps, order, input, refund.id), refund.id);
		},
		async pay(state) {
			const { order, refund } = state;
			const payment = await deps.payments.refund({ orderId: order._id, refundId: refund.id, amount: refund.amount });
			return { ...state, payment };
		},
		async settle(state) {
			const status = stateOf(state.payment, state.refund.id);
			const order = await settle(deps, state, status);
			if (status === "pending") await deps.orders.refunds.wait(order._id, state.refund, deps.clock.now());
			return { ...state, order };
		},
	};
}

/** What payments say of one refund: what they do not tell as done is not. */
const stateOf = (payment: Payment | undefined, id: string) =>
	payment?.refunds.find(refund => refund.id === id)?.status === "done" ? "done" : "pending";

function refundOf({ clock }: CancelDeps, order: OrderDocument, input: Refund, id: string): RefundDocument {
	const share = shareOf(order, input);
	return { id, ...share, reason: input.reason, status: "pending", createdAt: clock.now().toISOString() };
}

/** Writes the refund down in its order; while others refund the same lines its share is worked out again. */
async function setAside(deps: CancelDeps, order: OrderDocument, input: Refund, id: string): Promise<OrderDocument> {
	const { command } = input;
	for (let attempt = 1; attempt <= WRITE_ATTEMPTS; attempt++) {
		const current = attempt === 1 ? order : await deps.orders.find(order._id);
		if (!current) throw notFound("The order");
		if (current.commands.some(({ keyHash }) => keyHash === command.keyHash)) throw inProgress();
		if (current.lease) throw tooBusy();
		assertRefundable(current);
		assertRoom(current, deps.clock.nowMs());
		const refund = refundOf(deps, current, input, id);
		const kept = { ...command, refundId: id, outcome: null };
		const marked = await deps.orders.refunds.start(current, refund, kept);
		if (marked) return marked;
	}
	throw tooBusy();
}

/**
 * Writes how a refund ended, whatever else changes the order at the same time. That it is done is true whoever finds it
 * out; that it failed only if nobody has tried again since.
 */
async function settle(
	deps: CancelDeps,
	{ order, refund, payment }: State,
	status: RefundDocument["status"],
	refused?: Outcome,
): Promise<OrderDocument> {
	for (let attempt = 1; attempt <= WRITE_ATTEMPTS; attempt++) {
		const current = attempt === 1 ? order : await deps.orders.find(order._id);
		const now = current?.refunds.find(({ id }) => id === refund.id);
		if (!current || !now) break;
		// Money that a late process has moved all the same is told, although the refund was taken for failed.
		if (now.status === "done" || (now.status === "failed" && status !== "done")) return current;
		if (status !== "done" && now.epoch !== refund.epoch) throw new StaleLease(order._id);
		try {
			return await deps.orders.write(current, () => settled(deps, current, now, payment, status, refused));
		} catch (error) {
			if (errorType(error) !== STALE) throw error;
		}
	}
	throw tooBusy();
}

function settled(
	deps: CancelDeps,
	current: OrderDocument,
	refund: RefundDocument,
	payment: Payment | undefined,
	status: RefundDocument["status"],
	refused: Outcome | undefined,
) {
	const { leaseUntil: _l, parkedAt: _p, error: _e, ...kept } = refund;
	const ended = status === "pending" ? refund : { ...kept, status };
	const refunds = current.refunds.map(entry => (entry.id === refund.id ? ended : entry));
	const given = (of: RefundDocument["status"]) => (of === "failed" ? 0 : refund.amount.amount);
	const refundTotal = current.refundTotal - given(refund.status) + given(status);
	const booked = payment ? bookedFrom(current.payment, payment) : current.payment;
	const next = { ...current, refunds, refundTotal, payment: booked, version: current.version + 1 };
	const outcome = refused ?? success(toOrder(next), 201);
	const event = { orderId: current._id, refundId: refund.id, amount: refund.amount };
	return {
		refunds,
		refundTotal,
		payment: booked,
		// What a key was answered stays its answer, also where the provider said `pending` first.
		commands: current.commands.map(command =>
			command.refundId === refund.id && !command.outcome ? { ...command, outcome } : command,
		),
		...(status === "done"
			? { outbox: [newEvent("order.refunded", event, about(deps, next.version, deps.clock.now()))] }
			: {}),
		lease: "keep" as const,
	};
}

function end(order: OrderDocument, refundId: string): Ended {
	const outcome = order.commands.find(command => command.refundId === refundId)?.outcome;
	return { outcome: outcome ?? success(toOrder(order), 201), isReplay: false };
}

function assertRefundable({ status, refunds }: OrderDocument): void {
	if (!REFUNDABLE.includes(status))
		throw new DomainError("CONFLICT", `An order that is ${status} has no money to refund`);
	if (refunds.length >= MAX_REFUNDS) throw new DomainError("CONFLICT", `An order has at most ${MAX_REFUNDS} refunds`);
}
