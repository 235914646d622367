import { DomainError, notFound } from "../../../lib/errors.ts";
import { isEqual, type Money } from "../../../lib/money.ts";
import { isDefinite } from "../../../lib/not-yet.ts";
import { standing } from "../domain/payment-states.ts";
import type { PaymentDocument } from "../payments.model.ts";
import { cleanUp } from "./clean-up.ts";
import { type Deps, keyOf } from "./deps.ts";
import type { PaymentProvider, ProviderAnswer } from "./ports.ts";

const isOver = (orderId: string): DomainError => new DomainError("CONFLICT", `The payment of ${orderId} was voided`);

export interface Authorisation {
	orderId: string;
	amount: Money;
	method: string;
	token: string;
}

/** Asks for the money, once per order however often this runs. Two writes and one call to the provider. */
export async function authorize(deps: Deps, input: Authorisation): Promise<PaymentDocument> {
	const { orderId, amount, method, token } = input;
	const provider = deps.providerOf(method);
	const created = await deps.payments.create({ orderId, amount, method, status: "pending" });
	const known = created ?? (await need(deps, orderId));
	if (known.isClosed) throw isOver(orderId);
	if (!isEqual(known.amount, amount))
		throw new DomainError("CONFLICT", `The payment of ${orderId} is over another amount`);
	if (known.status !== "pending" || known.chargeId) return known;

	const answer = await provider.authorize({ orderId, amount, token, key: keyOf(orderId, "authorize") });
	const updated = await record(deps, orderId, answer);
	if (updated) return updated;
	// A webhook was faster than the answer, or the payment was closed while the provider thought.
	const now = await need(deps, orderId);
	if (!now.isClosed) return now;
	const closed = await deps.payments.reopenCleanUp(orderId, answer.chargeId);
	if (closed) await cleanUp(deps, closed);
	throw isOver(orderId);
}

function record({ payments }: Deps, orderId: string, answer: ProviderAnswer): Promise<PaymentDocument | null> {
	const { chargeId } = answer;
	if (answer.status === "pending") return payments.awaitSettlement(orderId, chargeId);
	if (answer.status === "succeeded") return payments.move(orderId, "authorized", { chargeId });
	// A charge that failed first and was captured at a second try stays captured.
	return payments.move(orderId, "failed", { chargeId, failure: failureOf(answer) }, { status: "pending" });
}

const failureOf = ({ code = "declined" }: ProviderAnswer) => ({
	code,
	message: DECLINED[code] ?? "The payment was declined",
});

const DECLINED: Readonly<Record<string, string>> = {
	card_declined: "The card was declined",
	insufficient_funds: "The card has insufficient funds",
	invalid_token: "The payment token is not valid",
};

/** Takes what was authorised: one call to the provider, one write. The status of the answer says how far that is. */
export async function capture(
	deps: Deps,
	{ orderId, method, chargeId, amount }: { orderId: string; method: string; chargeId: string; amount: Money },
): Promise<PaymentDocument> {
	const provider = deps.providerOf(method);
	const taken = await provider
		.capture({ orderId, chargeId, amount, key: keyOf(orderId, "capture") })
		.catch(error => (isDefinite(error) ? takenBefore(provider, orderId, error) : Promise.reject(error)));
	if (taken.status === "pending") return stillOpen(deps, orderId);
	const recorded =
		taken.status === "succeeded"
			? await deps.payments.move(orderId, "captured", { captured: amount.amount, chargeId })
			: await deps.payments.move(orderId, "failed", { chargeId, failure: failureOf(taken) });
	return recorded ?? stillOpen(deps, orderId);
}

/** A capture is refused when there is nothing to take any more: because it was taken before, under whatever key. */
async function takenBefore(provider: PaymentProvider, orderId: string, refused: unknown): Promise<ProviderAnswer> {
	const charge = await provider.find({ orderId, authorizeKey: keyOf(orderId, "authorize") });
	if (charge?.state !== "captured" || !charge.chargeId) throw refused;
	return { status: "succeeded", chargeId: charge.chargeId };
}

async function stillOpen(deps: Deps, orderId: string): Promise<PaymentDocument> {
	const known = await need(deps, orderId);
	if (known.isClosed) throw isOver(orderId);
	return known;
}

/** Asks the provider what became of a payment that settles later: nothing depends on its webhook. */
export async function sync(deps: Deps, orderId: string): Promise<PaymentDocument> {
	const payment = await need(deps, orderId);
	const { status, chargeId, method, amount, isClosed } = payment;
	if (isClosed) return payment;
	if (status === "authorized" && chargeId) return capture(deps, { orderId, method, chargeId, amount });
	if (status !== "pending" && status !== "failed") return payment;
	const found = await deps.providerOf(method).find({ orderId, authorizeKey: keyOf(orderId, "authorize") });
	if (!found?.chargeId) return payment;
	const about = { chargeId: found.chargeId, captured: found.captured };
	if (found.state === "held") {
		await deps.payments.move(orderId, "authorized", { chargeId: found.chargeId });
		return capture(deps, { orderId, method, chargeId: found.chargeId, amount });
	}
	const outcome = { captured: "captured", ended: "failed", open: undefined } as const;
	const ended = outcome[found.state];
	const settled = ended && ended !== status ? await deps.payments.settle(payment, ended, about) : null;
	if (settled) deps.onEvent(settled._id);
	return settled ?? need(deps, orderId);
}

/** Ends the payment of an order. From here on every authorisation and capture of it is refused, and undone. */
export async function voidPayment(deps: Deps, orderId: string): Promise<PaymentDocument> {
	const closed = (await deps.payments.close(orderId)) ?? (await deps.payments.find(orderId));
	if (!closed) {
		const amount = { amount: 0, currency: "EUR" };
		const created = await deps.payments.create({ orderId, method: "none", amount, status: "voided" });
		return created ?? voidPayment(deps, orderId);
	}
	if (closed.captured > 0 || closed.cleanUpAt === null) return closed;
	// That it is closed is what the caller needs; what the provider does not say now, the sweep asks for again.
	await cleanUp(deps, closed).catch(error => deps.onDelay(orderId, error));
	return need(deps, orderId);
}

/** Pays back, once per refund id, never above what was captured and is not paid back. */
export async function refund(deps: Deps, orderId: string, refundId: string, amount: Money): Promise<PaymentDocument> {
	const known = await need(deps, orderId);
	if (known.amount.currency !== amount.currency)
		throw new DomainError("CONFLICT", `The payment of ${orderId} is in ${known.amount.currency}`);
	const payment = (await deps.payments.startRefund(orderId, refundId, amount.amount)) ?? (await need(deps, orderId));
	const entry = payment.refunds.find(({ id }) => id === refundId);
	const isSame = entry?.amount === amount.amount;
	if (isSame && entry.status === "done") return payment;
	if (!isSame || entry.status === "failed") {
		throw new DomainError("CONFLICT", "That is more than was captured and is not refunded yet", {
			details: { refundable: { amount: standing(payment), currency: payment.amount.currency } },
		});
	}
	const answer = await askForRefund(deps, payment, refundId, amount).catch(async error => {
		if (isDefinite(error)) await deps.payments.endRefund(orderId, entry, "failed");
		throw error;
	});
	if (answer.status === "pending") return payment;
	return (await deps.payments.endRefund(orderId, entry, "done")) ?? need(deps, orderId);
}

async function askForRefund(deps: Deps, payment: PaymentDocument, key: string, amount: Money): Promise<ProviderAnswer> {
	const { orderId, method } = payment;
	const provider = deps.providerOf(method);
	const chargeId =
		payment.chargeId ?? (await provider.find({ orderId, authorizeKey: keyOf(orderId, "authorize") }))?.chargeId;
	if (!chargeId) throw new DomainError("CONFLICT", `The provider knows no charge of ${orderId}`);
	const answer = await provider.refund({ orderId, chargeId, amount, key });
	if (answer.status === "declined") throw new DomainError("CONFLICT", "The provider refused the refund");
	return answer;
}

export async function need({ payments }: Deps, orderId: string): Promise<PaymentDocument> {
	const payment = await payments.find(orderId);
	if (!payment) throw notFound("The payment");
	return payment;
}
