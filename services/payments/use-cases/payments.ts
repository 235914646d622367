import { DomainError, errorType, notFound } from "../../../lib/errors.ts";
import { isEqual, type Money } from "../../../lib/money.ts";
import type { PaymentDocument } from "../payments.model.ts";
import type { PaymentRepository } from "../payments.repository.ts";
import type { PaymentProvider, ProviderAnswer } from "./ports.ts";

export interface Deps {
	payments: PaymentRepository;
	/** @throws VALIDATION_ERROR for a method the shop does not take */
	providerOf(method: string): PaymentProvider;
	/** The provider was not to be reached for something that will be tried again. */
	onDelay(orderId: string, error: unknown): void;
}

/** Fixed per logical step of an order: what makes a repeat after a crash move no money twice. */
export const keyOf = (orderId: string, step: "authorize" | "capture" | "void"): string => `${orderId}:${step}`;

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
	const created = await deps.payments.create({ orderId, amount, method, token, status: "pending" });
	const known = created ?? (await need(deps, orderId));
	if (known.status === "voided") throw isOver(orderId);
	if (!isEqual(known.amount, amount))
		throw new DomainError("CONFLICT", `The payment of ${orderId} is over another amount`);
	if (known.status !== "pending" || known.chargeId) return known;

	const answer = await provider.authorize({
		orderId,
		amount,
		token: known.token ?? token,
		key: keyOf(orderId, "authorize"),
	});
	const updated = await record(deps, orderId, answer);
	if (updated) return updated;
	// Someone else recorded the same answer, or the payment was voided while the provider thought.
	const now = await need(deps, orderId);
	if (now.status !== "voided") return now;
	await cleanUp(deps, now);
	throw isOver(orderId);
}

function record({ payments }: Deps, orderId: string, answer: ProviderAnswer): Promise<PaymentDocument | null> {
	const { chargeId, code = "declined" } = answer;
	if (answer.status === "pending") return payments.awaitSettlement(orderId, chargeId);
	if (answer.status === "succeeded") return payments.move(orderId, "authorized", { chargeId, token: null });
	const failure = { code, message: DECLINED[code] ?? "The payment was declined" };
	return payments.move(orderId, "failed", { chargeId, token: null, failure });
}

const DECLINED: Readonly<Record<string, string>> = {
	card_declined: "The card was declined",
	insufficient_funds: "The card has insufficient funds",
	invalid_token: "The payment token is not valid",
};

/** Takes what was authorised: one call to the provider, one write. */
export async function capture(
	deps: Deps,
	{ orderId, method, chargeId, amount }: { orderId: string; method: string; chargeId: string; amount: Money },
): Promise<PaymentDocument> {
	await deps.providerOf(method).capture({ orderId, chargeId, amount, key: keyOf(orderId, "capture") });
	const captured = await deps.payments.move(orderId, "captured", { captured: amount.amount }, { chargeId });
	if (captured) return captured;
	const known = await need(deps, orderId);
	if (known.status === "voided") throw isOver(orderId);
	return known;
}

/** Ends the payment of an order. From here on every authorisation and capture of it is refused, and undone. */
export async function voidPayment(deps: Deps, orderId: string): Promise<PaymentDocument | null> {
	const before = await deps.payments.voidOpen(orderId);
	if (before) {
		// The tombstone is what the caller needs; what the provider does not say now, the sweep asks for again.
		await cleanUp(deps, before).catch(error => deps.onDelay(orderId, error));
		return deps.payments.find(orderId);
	}
	const known = await deps.payments.find(orderId);
	if (known) return known;
	const created = await deps.payments.create({
		orderId,
		method: "none",
		amount: { amount: 0, currency: "EUR" },
		token: null,
		status: "voided",
	});
	return created ?? voidPayment(deps, orderId);
}

/** Makes sure that nothing of a voided payment stands at the provider. Repeats until it is known. */
export async function cleanUp(deps: Deps, payment: PaymentDocument): Promise<void> {
	const { orderId, amount, token, method } = payment;
	if (payment.status === "failed" || (!payment.chargeId && !token)) {
		await deps.payments.cleanedUp(orderId, payment.chargeId);
		return;
	}
	const provider = deps.providerOf(method);
	let chargeId = payment.chargeId;
	if (!chargeId && token) {
		// The authorisation may or may not have reached the provider: the same key tells, without a second charge.
		const answer = await provider.authorize({ orderId, amount, token, key: keyOf(orderId, "authorize") });
		chargeId = answer.status === "declined" ? null : answer.chargeId;
	}
	if (chargeId) await undo(provider, orderId, chargeId, amount);
	await deps.payments.cleanedUp(orderId, chargeId);
}

/** Voids a charge; one that was captured meanwhile is paid back. */
export async function undo(provider: PaymentProvider, orderId: string, chargeId: string, amount: Money): Promise<void> {
	try {
		await provider.void({ orderId, chargeId, key: keyOf(orderId, "void") });
	} catch (error) {
		if (errorType(error) !== "CONFLICT") throw error;
		await provider.refund({ orderId, chargeId, amount, key: `${keyOf(orderId, "void")}:refund` });
	}
}

/** Pays back, once per refund id, never above what was captured and is not refunded. */
export async function refund(deps: Deps, orderId: string, refundId: string, amount: Money): Promise<PaymentDocument> {
	const started = await deps.payments.startRefund(orderId, refundId, amount.amount);
	const payment = started ?? (await need(deps, orderId));
	const entry = payment.refunds.find(known => known.id === refundId);
	if (entry?.status === "done") return payment;
	if (!entry || entry.status === "failed" || !payment.chargeId) {
		throw new DomainError("CONFLICT", "That is more than was captured and is not refunded yet", {
			details: { refundable: { amount: payment.captured - payment.refunded, currency: payment.amount.currency } },
		});
	}
	try {
		await deps.providerOf(payment.method).refund({ orderId, chargeId: payment.chargeId, amount, key: refundId });
	} catch (error) {
		if (errorType(error) === "CONFLICT") await deps.payments.failRefund(orderId, refundId, amount.amount);
		throw error;
	}
	return (await deps.payments.endRefund(orderId, refundId)) ?? need(deps, orderId);
}

async function need({ payments }: Deps, orderId: string): Promise<PaymentDocument> {
	const payment = await payments.find(orderId);
	if (!payment) throw notFound("The payment");
	return payment;
}
