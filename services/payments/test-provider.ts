import { DomainError, errorType } from "../../lib/errors.ts";
import type { AppBroker } from "../../lib/typed.ts";
import { isSigned } from "../../lib/webhook-signature.ts";
import { createProviderGuard } from "./provider-breaker.ts";
import type { PaymentProvider, ProviderEvent } from "./use-cases/ports.ts";

const TIMEOUT_MS = 3_000;
const PING_TIMEOUT_MS = 1_000;
const MAX_ATTEMPTS = 3;
/** What the provider says for sure; everything else means that it did not say. */
const CERTAIN = new Set(["CONFLICT", "NOT_FOUND", "VALIDATION_ERROR"]);

/** The test provider behind the port. An attempt that stays unanswered is repeated under the same key. */
export function testProvider(broker: AppBroker, webhookSecret: string): PaymentProvider {
	const options = { timeout: TIMEOUT_MS };
	const guard = createProviderGuard(() =>
		broker.call("test-payments.ledger", { orderId: "ord_nobody" }, { timeout: PING_TIMEOUT_MS }),
	);
	const ask = <T>(call: () => Promise<T>) => insist(() => guard(call));
	return {
		authorize: ({ key, ...charge }) =>
			ask(() => broker.call("test-payments.authorize", { ...charge, idempotencyKey: key }, options)),
		capture: ({ key, ...charge }) =>
			ask(() => broker.call("test-payments.capture", { ...charge, idempotencyKey: key }, options)),
		void: ({ key, ...charge }) =>
			ask(() => broker.call("test-payments.void", { ...charge, idempotencyKey: key }, options)),
		refund: ({ key, ...charge }) =>
			ask(() => broker.call("test-payments.refund", { ...charge, idempotencyKey: key }, options)),
		find: charge => ask(() => broker.call("test-payments.find", charge, options)),
		signatureHeader: "stoa-signature",
		isWebhookGenuine: (body, signature) =>
			isSigned(webhookSecret, body.toString("utf8"), signature, broker.stoa.clock.nowMs()),
		parseWebhook: body => eventOf(body.toString("utf8")),
	};
}

async function insist<T>(call: () => Promise<T>): Promise<T> {
	for (let attempt = 1; ; attempt++) {
		try {
			return await call();
		} catch (error) {
			const type = errorType(error);
			if (type !== undefined && CERTAIN.has(type)) throw error;
			if (type === "INTERNAL" || attempt >= MAX_ATTEMPTS) {
				throw new DomainError(
					"SERVICE_UNAVAILABLE",
					"The payment provider did not answer; nothing is decided yet, try again",
					{
						retryAfterSeconds: 5,
					},
				);
			}
		}
	}
}

function eventOf(text: string): ProviderEvent | undefined {
	const malformed = () => new DomainError("BAD_REQUEST", "The webhook's body is not an event of this provider");
	let event: unknown;
	try {
		event = JSON.parse(text);
	} catch {
		throw malformed();
	}
	if (typeof event !== "object" || event === null) throw malformed();
	const { id, type, orderId, chargeId }: Partial<Record<keyof ProviderEvent, unknown>> = event;
	if (typeof id !== "string" || typeof type !== "string") throw malformed();
	if (type !== "charge.captured" && type !== "charge.failed") return undefined;
	if (typeof orderId !== "string" || typeof chargeId !== "string") throw malformed();
	return { id, type, orderId, chargeId };
}
