import { DomainError, errorMessage } from "../../../lib/errors.ts";
import { isDefinite } from "../../../lib/not-yet.ts";
import { standing } from "../domain/payment-states.ts";
import type { PaymentDocument } from "../payments.model.ts";
import { type Deps, keyOf } from "./deps.ts";

const BATCH = 20;
/** The charge is not over, and the provider cannot end it: a transfer that is on its way. */
const STILL_OPEN = "The charge is still under way";

/**
 * Makes sure that nothing of a closed payment stands at the provider. What was captured all the same is written down
 * and told to the order, which pays it back: only then is this over.
 */
export async function cleanUp(deps: Deps, payment: PaymentDocument): Promise<void> {
	try {
		await (payment.captured > 0 ? remind(deps, payment) : end(deps, payment));
	} catch (error) {
		const kind = errorMessage(error) === STILL_OPEN ? "waiting" : isDefinite(error) ? "final" : "failed";
		await deps.payments.postponeCleanUp(payment, error, kind);
		throw error;
	}
}

async function end(deps: Deps, payment: PaymentDocument): Promise<void> {
	const { orderId, amount, method } = payment;
	const charge = await deps.providerOf(method).void({
		orderId,
		amount,
		authorizeKey: keyOf(orderId, "authorize"),
		key: keyOf(orderId, "void"),
	});
	const chargeId = charge.chargeId ?? payment.chargeId;
	if (charge.captured > 0 && chargeId) {
		const told = await deps.payments.settle(payment, "captured", { chargeId, captured: charge.captured });
		if (told) deps.onEvent(told._id);
		return;
	}
	if (charge.state !== "ended") throw new DomainError("SERVICE_UNAVAILABLE", STILL_OPEN);
	await deps.payments.cleanedUp(payment, chargeId);
}

/** The money is known to stand, and the order was told: it is told again until it has paid it back. */
async function remind(deps: Deps, payment: PaymentDocument): Promise<void> {
	if (payment.refunded >= payment.captured) {
		await deps.payments.cleanedUp(payment, payment.chargeId);
		return;
	}
	if (standing(payment) <= 0) {
		// What is left is on its way back: the provider is waited for.
		await deps.payments.postponeCleanUp(payment, new Error("The provider has not paid back yet"), "waiting");
		return;
	}
	const reminded = await deps.payments.tellAgain(payment);
	if (!reminded) return;
	deps.onEvent(payment._id);
	await deps.payments.postponeCleanUp(reminded, new Error("The order has not paid the money back"), "failed");
}

/** Everything that is due, the longest due first. A failure puts one off and holds up no other. */
export async function cleanUpDue(deps: Deps): Promise<void> {
	for (;;) {
		const due = await deps.payments.dueCleanUps(BATCH);
		await Promise.all(
			due.map(async found => {
				const payment = await deps.payments.takeCleanUp(found);
				if (payment) await cleanUp(deps, payment).catch(error => deps.onDelay(payment.orderId, error));
			}),
		);
		if (due.length < BATCH) return;
	}
}
