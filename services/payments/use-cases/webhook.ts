import { DomainError, notFound } from "../../../lib/errors.ts";
import { sourcesOf } from "../domain/payment-states.ts";
import { cleanUp } from "./clean-up.ts";
import type { Deps } from "./deps.ts";
import type { ProviderEvent } from "./ports.ts";

/**
 * What a provider's event changes. It may come twice, late, or before the answer to the call that made its charge; a
 * failed charge may be captured at a second try. What the order does not want any more is paid back.
 */
export async function settleFromEvent(deps: Deps, event: ProviderEvent, requestId: string | undefined): Promise<void> {
	const { orderId, chargeId } = event;
	const payment = await deps.payments.find(orderId);
	if (!payment || (payment.chargeId && payment.chargeId !== chargeId)) throw notFound("The payment");
	const outcome = event.type === "charge.captured" ? "captured" : "failed";
	const isNews = sourcesOf(outcome).includes(payment.status) && !payment.providerEvents.includes(event.id);
	if (!isNews) return;
	if (payment.isClosed) {
		if (outcome === "captured") await lookAfter(deps, orderId, chargeId);
		return;
	}
	const about = { chargeId, eventId: event.id, ...(requestId ? { requestId } : {}) };
	const settled = await deps.payments.settle(payment, outcome, about);
	if (!settled) throw new DomainError("SERVICE_UNAVAILABLE", "The payment changed meanwhile; send it again");
	deps.onEvent(settled._id);
}

/** Written down first: the provider does not send its event again once this has answered. */
async function lookAfter(deps: Deps, orderId: string, chargeId: string): Promise<void> {
	const reopened = await deps.payments.reopenCleanUp(orderId, chargeId);
	if (reopened) await cleanUp(deps, reopened).catch(error => deps.onDelay(orderId, error));
}
