import type { Config } from "../../lib/config.ts";
import { DomainError, errorType } from "../../lib/errors.ts";
import type { AppBroker } from "../../lib/typed.ts";
import { isSigned } from "../../lib/webhook-signature.ts";
import type { PaymentProvider, ProviderAnswer, ProviderEvent } from "./use-cases/ports.ts";

const TIMEOUT_MS = 3_000;
const MAX_ATTEMPTS = 3;
/** What the provider says for sure; everything else means that it did not say. */
const CERTAIN = new Set(["CONFLICT", "NOT_FOUND", "VALIDATION_ERROR"]);

/** Its tokens buy for nothing: in production only a shop that accepts embedded engines has it. */
export const isTestProviderAllowed = ({
	isProduction,
	allowEmbedded,
}: Pick<Config, "isProduction" | "allowEmbedded">): boolean => !isProduction || allowEmbedded;

/** The test provider behind the port. An attempt that stays unanswered is repeated under the same key. */
export function testProvider(broker: AppBroker, webhookSecret: string): PaymentProvider {
	const options = { timeout: TIMEOUT_MS };
	return {
		authorize: ({ key, ...charge }) =>
			ask(() => broker.call("test-payments.authorize", { ...charge, idempotencyKey: key }, options)),
		capture: ({ key, ...charge }) =>
			ask(() => broker.call("test-payments.capture", { ...charge, idempotencyKey: key }, options)),
		void: ({ key, ...charge }) =>
			ask(() => broker.call("test-payments.void", { ...charge, idempotencyKey: key }, options)),
		refund: ({ key, ...charge }) =>
			ask(() => broker.call("test-payments.refund", { ...charge, idempotencyKey: key }, options)),
		parseWebhook(body, signature) {
			const text = body.toString("utf8");
			if (!isSigned(webhookSecret, text, signature, broker.stoa.clock.nowMs())) {
				throw new DomainError("BAD_REQUEST", "The signature is missing, wrong or older than five minutes");
			}
			return eventOf(text);
		},
	};
}

async function ask(call: () => Promise<ProviderAnswer>): Promise<ProviderAnswer> {
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

function eventOf(text: string): ProviderEvent {
	const malformed = () => new DomainError("BAD_REQUEST", "The webhook's body is not an event of this provider");
	let event: Partial<Record<keyof ProviderEvent, unknown>>;
	try {
		event = JSON.parse(text);
	} catch {
		throw malformed();
	}
	const { id, type, orderId, chargeId } = event;
	const isKnown = type === "charge.captured" || type === "charge.failed";
	if (typeof id !== "string" || typeof orderId !== "string" || typeof chargeId !== "string" || !isKnown)
		throw malformed();
	return { id, type, orderId, chargeId };
}
