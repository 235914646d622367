import { DomainError } from "../../../lib/errors.ts";
import type { Money } from "../../../lib/money.ts";
import { isDefinite, NotYet } from "../../../lib/not-yet.ts";
import type { Payment } from "../../payments/payments.contract.ts";
import { bookedFrom } from "../domain/payment-book.ts";
import { MAX_WAIT_MS, refundableOf, shareOf } from "../domain/refunds.ts";
import type { OrderDocument, RefundDocument } from "../orders.model.ts";
import type { Deps } from "./ports.ts";

/** Why an order's money is sent back without anybody asking for a refund. */
export type Cause = "undo" | "cancel" | "late";
const REASONS: Readonly<Record<Cause, string>> = {
	undo: "the checkout could not be completed",
	cancel: "cancelled",
	late: "the money came after the order had ended",
};
/** More than one is only needed when others pay back at the same time. */
const MAX_ROUNDS = 5;

/**
 * Makes sure of the money of an order that ends: nothing may be kept. Every undo goes through here, and decides from
 * what the payment answers, not from what the order believed: a webhook may have been faster. What stands is paid back,
 * with its entry in the order before it is asked for, until the answer is that nothing stands. What the provider cannot
 * say yet is the payment's to find out; it tells the order then.
 */
export async function makeSureOfMoney(deps: Deps, order: OrderDocument, cause: Cause): Promise<OrderDocument> {
	let current = order;
	let refused: { amount: number; error: unknown } | undefined;
	for (let round = 0; round < MAX_ROUNDS; round++) {
		let open = current.refunds.find(refund => isOwn(current, refund) && refund.status === "pending");
		if (!open) {
			const payment = await deps.payments.void(current._id);
			const left = leftOf(current, payment);
			if (refused && left === refused.amount) throw refused.error;
			const booked = { ...current, payment: bookedFrom(current.payment, payment) };
			open = left > 0 ? entryOf(deps, booked, cause, { ...payment.captured, amount: left }) : undefined;
			current = await note(deps, current, payment, open);
			if (!open) return current;
		}
		const outcome = await payBack(deps, current, open);
		current = outcome.order;
		refused = outcome.error === undefined ? undefined : { amount: open.amount.amount, error: outcome.error };
	}
	throw new DomainError("SERVICE_UNAVAILABLE", "Others pay back at the same time");
}

/** What nobody has begun to pay back. A refund that the order has set aside already is on its way to the payment. */
function leftOf(order: OrderDocument, { captured, refunded, refunding }: Payment): number {
	const atPayment = captured.amount - refunded.amount - refunding.amount;
	return Math.max(0, Math.min(atPayment, captured.amount - order.refundTotal));
}

const isOwn = (order: OrderDocument, { id }: RefundDocument): boolean => id.startsWith(`${order._id}_`);

/** Its id is fixed per order and cause, so that a repeat pays back once; the next one counts on. */
function entryOf(deps: Deps, order: OrderDocument, cause: Cause, amount: Money): RefundDocument {
	const base = `${order._id}_${cause}`;
	const before = order.refunds.filter(({ id }) => id === base || id.startsWith(`${base}_`)).length;
	// All that is left is refunded line by line, as when staff refund it.
	const share = amount.amount === refundableOf(order).order ? shareOf(order, {}) : { amount };
	return {
		id: before === 0 ? base : `${base}_${before + 1}`,
		...share,
		reason: REASONS[cause],
		status: "pending",
		createdAt: deps.clock.now().toISOString(),
	};
}

/** The books of payments, and the entry for what is paid back next. */
const note = (deps: Deps, order: OrderDocument, payment: Payment, entry: RefundDocument | undefined) =>
	deps.orders.write(order, current => {
		const late = doneAfterAll(current, payment);
		const refunds = current.refunds.map(refund =>
			late.includes(refund) ? { ...refund, status: "done" as const } : refund,
		);
		const added = [...late, ...(entry ? [entry] : [])];
		return {
			payment: bookedFrom(current.payment, payment),
			refunds: entry ? [...refunds, entry] : refunds,
			refundTotal: added.reduce((sum, { amount }) => sum + amount.amount, current.refundTotal),
			lease: "keep",
		};
	});

/** What the order took for failed and payments say is done: a call that came late, or a provider's later word. */
export const doneAfterAll = ({ refunds }: OrderDocument, payment: Payment): RefundDocument[] =>
	refunds.filter(({ id, status }) => status === "failed" && stateOf(payment, id) === "done");

const stateOf = (payment: Payment, refundId: string) => payment.refunds.find(({ id }) => id === refundId)?.status;

async function payBack(
	deps: Deps,
	order: OrderDocument,
	{ id, amount, createdAt }: RefundDocument,
): Promise<{ order: OrderDocument; error?: unknown }> {
	const ended = (current: OrderDocument, status: "done" | "failed") =>
		current.refunds.map(refund => (refund.id === id ? { ...refund, status } : refund));
	try {
		const payment = await deps.payments.refund({ orderId: order._id, refundId: id, amount });
		if (payment.refunds.find(refund => refund.id === id)?.status !== "done") throw notPaidBack(deps, createdAt);
		return {
			order: await deps.orders.write(order, current => ({
				payment: bookedFrom(current.payment, payment),
				refunds: ended(current, "done"),
				lease: "keep",
			})),
		};
	} catch (error) {
		if (!isDefinite(error)) throw error;
		// The refusal may be of this call alone: another one of the same refund may have got through.
		const state = stateOf(await deps.payments.void(order._id), id);
		if (state === "pending" || state === "done")
			throw new DomainError("SERVICE_UNAVAILABLE", "Another call of this refund is under way");
		const failed = await deps.orders.write(order, current => ({
			refunds: ended(current, "failed"),
			refundTotal: current.refundTotal - amount.amount,
			lease: "keep",
		}));
		return { order: failed, error };
	}
}

/** To wait for a provider is no failed try, for some days. */
function notPaidBack({ clock }: Deps, createdAt: string): Error {
	const message = "The provider has not paid back yet";
	const isTooLong = clock.nowMs() - Date.parse(createdAt) > MAX_WAIT_MS;
	return isTooLong ? new DomainError("SERVICE_UNAVAILABLE", message) : new NotYet(message);
}
