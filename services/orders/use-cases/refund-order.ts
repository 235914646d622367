import { DomainError, errorType } from "../../../lib/errors.ts";
import { newEvent } from "../../../lib/events.ts";
import { inProgress, keyReused, type Outcome, refusal, success } from "../../../lib/idempotency.ts";
import { newId } from "../../../lib/ids.ts";
import { type Money, sum, times } from "../../../lib/money.ts";
import type { Payment } from "../../payments/payments.contract.ts";
import { REFUNDABLE } from "../domain/order-states.ts";
import type { CommandDocument, OrderDocument, RefundDocument } from "../orders.model.ts";
import { tooBusy } from "../orders.repository.ts";
import { toOrder } from "../orders.views.ts";
import type { CancelDeps, Ended } from "./cancel-order.ts";
import { about, runSaga, type Saga, STALE } from "./saga.ts";

const WRITE_ATTEMPTS = 20;

export interface Refund {
	amount?: Money;
	lines?: { sku: string; quantity: number }[];
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
	const known = order.commands.find(command => command.keyHash === input.command.keyHash);
	if (known) return resume(deps, order, known, input);
	const refund: RefundDocument = {
		id: newId("ref", deps.clock.nowMs()),
		amount: amountOf(order, input),
		reason: input.reason,
		status: "pending",
		createdAt: deps.clock.now().toISOString(),
	};
	return end(await payBack(deps, { order, refund }, input.command), refund.id);
}

/** What a crash left of a refund. @param order under a lease of the caller on this refund */
export async function finishRefund(deps: CancelDeps, order: OrderDocument, refundId: string): Promise<OrderDocument> {
	const refund = order.refunds.find(({ id }) => id === refundId);
	if (!refund) throw new DomainError("NOT_FOUND", "The refund was not found");
	return payBack(deps, { order, refund });
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
	const taken = await deps.orders.takeRefund(order._id, refundId);
	if (!taken) throw inProgress();
	return end(await finishRefund(deps, taken, refundId), refundId);
}

async function payBack(deps: CancelDeps, state: State, command?: Refund["command"]): Promise<OrderDocument> {
	const saga = refundSaga(deps, command);
	try {
		const done = await runSaga("orders.refund", saga, state, deps.failpoints, command ? {} : { from: "pay" });
		return done.order;
	} catch (error) {
		// Only the payment's own refusal ends a refund; everything else is tried again by a recovery.
		if (errorType(error) !== "CONFLICT" || state.order.refunds.every(({ id }) => id !== state.refund.id)) throw error;
		return settle(deps, state, "failed", refusal(error));
	}
}

function refundSaga(deps: CancelDeps, command: Refund["command"] | undefined): Saga<"orders.refund", State> {
	return {
		async mark(state) {
			if (!command) throw new Error("A refund that was marked before is not marked again");
			const { _id } = state.order;
			const kept = { ...command, refundId: state.refund.id, outcome: null };
			const order = await deps.orders.startRefund(_id, state.refund, kept, REFUNDABLE);
			if (!order) throw await refusalOf(deps, _id, command);
			return { ...state, order };
		},
		async pay(state) {
			const { order, refund } = state;
			const payment = await deps.payments.refund({ orderId: order._id, refundId: refund.id, amount: refund.amount });
			return { ...state, payment };
		},
		async settle(state) {
			return { ...state, order: await settle(deps, state, "done") };
		},
	};
}

/** Writes how a refund ended, whatever else changes the order at the same time. */
async function settle(
	deps: CancelDeps,
	{ order, refund, payment }: State,
	status: "done" | "failed",
	refused?: Outcome,
): Promise<OrderDocument> {
	for (let attempt = 1; attempt <= WRITE_ATTEMPTS; attempt++) {
		const current = attempt === 1 ? order : await deps.orders.find(order._id);
		if (!current) break;
		try {
			return await deps.orders.write(current, () => settled(deps, current, refund, payment, status, refused));
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
	status: "done" | "failed",
	refused: Outcome | undefined,
) {
	const { leaseUntil: _, ...known } = current.refunds.find(({ id }) => id === refund.id) ?? refund;
	const refunds = current.refunds.map(entry => (entry.id === refund.id ? { ...known, status } : entry));
	const refundTotal = status === "failed" ? current.refundTotal - refund.amount.amount : current.refundTotal;
	const paymentStatus = payment ? { ...current.payment, status: payment.status } : current.payment;
	const next = { ...current, refunds, refundTotal, payment: paymentStatus, version: current.version + 1 };
	const outcome = refused ?? success(toOrder(next), 201);
	const event = { orderId: current._id, refundId: refund.id, amount: refund.amount };
	return {
		refunds,
		refundTotal,
		payment: paymentStatus,
		commands: current.commands.map(command => (command.refundId === refund.id ? { ...command, outcome } : command)),
		...(status === "done"
			? { outbox: [newEvent("order.refunded", event, about(deps, next.version, deps.clock.now()))] }
			: {}),
		lease: "keep" as const,
	};
}

/** Why a refund could not be set aside. */
async function refusalOf(deps: CancelDeps, id: string, command: Refund["command"]): Promise<DomainError> {
	const order = await deps.orders.find(id);
	if (!order) return new DomainError("NOT_FOUND", "The order was not found");
	if (order.commands.some(({ keyHash }) => keyHash === command.keyHash)) return inProgress();
	const refundable = {
		amount: Math.max(0, order.payment.captured - order.refundTotal),
		currency: order.payment.amount.currency,
	};
	return new DomainError("CONFLICT", "That is more than was captured and is not refunded yet", {
		details: { refundable },
	});
}

function end(order: OrderDocument, refundId: string): Ended {
	const outcome = order.commands.find(command => command.refundId === refundId)?.outcome;
	return { outcome: outcome ?? success(toOrder(order), 201), isReplay: false };
}

function amountOf(order: OrderDocument, { amount, lines }: Refund): Money {
	const { currency } = order.payment.amount;
	if (amount && lines) throw invalid("lines", "Say an amount or lines, not both");
	if (amount && amount.currency !== currency) throw invalid("amount.currency", `The order was paid in ${currency}`);
	if (amount?.amount === 0) throw invalid("amount.amount", "There is nothing to refund in 0");
	if (amount) return amount;
	if (!lines) return { amount: Math.max(0, order.payment.captured - order.refundTotal), currency };
	return sum(
		lines.map(({ sku, quantity }) => {
			const line = order.lines.find(ordered => ordered.sku === sku);
			if (!line || quantity > line.quantity) throw invalid("lines", `The order has no ${quantity} of ${sku}`);
			return times(line.unitPrice, quantity);
		}),
		currency,
	);
}

const invalid = (field: string, message: string): DomainError =>
	new DomainError("VALIDATION_ERROR", message, { errors: [{ field, code: "invalid", message }] });
