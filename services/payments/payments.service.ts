import { DomainError, notFound } from "../../lib/errors.ts";
import { createLoop, type Loop } from "../../lib/loop.ts";
import { amountRule, idRule } from "../../lib/rules.ts";
import { defineService } from "../../lib/typed.ts";
import { testWebhookSecret } from "../../lib/webhook-signature.ts";
import { type DbVars, db } from "../../mixins/db.mixin.ts";
import { type OutboxVars, outbox } from "../../mixins/outbox.mixin.ts";
import { parking } from "../../mixins/parking.mixin.ts";
import { adoptPayments } from "./adopt.ts";
import type { Payment } from "./payments.contract.ts";
import { type PaymentDocument, paymentModels } from "./payments.model.ts";
import { PaymentRepository } from "./payments.repository.ts";
import { testProvider } from "./test-provider.ts";
import { cleanUpDue } from "./use-cases/clean-up.ts";
import type { Deps } from "./use-cases/deps.ts";
import { authorize, capture, refund, sync, voidPayment } from "./use-cases/payments.ts";
import type { PaymentProvider } from "./use-cases/ports.ts";
import { settleFromEvent } from "./use-cases/webhook.ts";

const CLEAN_UP_EVERY_MS = 2_000;
/** Longer than the provider's own timeouts together. */
const PROVIDER_TIMEOUT_MS = 12_000;

interface Vars extends DbVars<typeof paymentModels>, OutboxVars {
	deps: Deps;
	providers: ReadonlyMap<string, PaymentProvider>;
	cleaning: Loop;
}

const orderParams = { orderId: idRule() };
const methodRule = { type: "string", max: 50 };

export default defineService<Record<string, unknown>, object, Vars>()({
	name: "payments",
	mixins: [
		parking<Vars>({
			cleanUp: {
				list(limit) {
					return this.deps.payments.parkedCleanUps(limit);
				},
				count() {
					return this.deps.payments.countParkedCleanUps();
				},
				resume(id) {
					return this.deps.payments.resumeCleanUp(id);
				},
			},
		}),
		outbox(["payments"]),
		db(paymentModels),
	],
	actions: {
		get: {
			visibility: "public",
			isIdempotent: true,
			params: orderParams,
			async handler(ctx) {
				const payment = await this.deps.payments.find(ctx.params.orderId);
				if (!payment) throw notFound("The payment");
				return toPayment(payment);
			},
		},
		authorize: {
			visibility: "public",
			timeout: PROVIDER_TIMEOUT_MS,
			params: {
				...orderParams,
				amount: amountRule(),
				method: { type: "string", max: 50 },
				token: { type: "string", max: 200 },
			},
			async handler(ctx) {
				return toPayment(await authorize(this.deps, ctx.params));
			},
		},
		capture: {
			visibility: "public",
			timeout: PROVIDER_TIMEOUT_MS,
			params: { ...orderParams, method: methodRule, chargeId: idRule(), amount: amountRule() },
			async handler(ctx) {
				return toPayment(await capture(this.deps, ctx.params));
			},
		},
		void: {
			visibility: "public",
			timeout: PROVIDER_TIMEOUT_MS,
			params: orderParams,
			async handler(ctx) {
				return toPayment(await voidPayment(this.deps, ctx.params.orderId));
			},
		},
		sync: {
			visibility: "public",
			timeout: PROVIDER_TIMEOUT_MS,
			params: orderParams,
			async handler(ctx) {
				return toPayment(await sync(this.deps, ctx.params.orderId));
			},
		},
		refund: {
			visibility: "public",
			timeout: PROVIDER_TIMEOUT_MS,
			params: { ...orderParams, refundId: { type: "string", max: 100 }, amount: amountRule({}) },
			async handler(ctx) {
				const { orderId, refundId, amount } = ctx.params;
				return toPayment(await refund(this.deps, orderId, refundId, amount));
			},
		},
		webhook: {
			visibility: "published",
			rest: { route: "POST /payments/webhooks/:provider", body: "raw" },
			permissions: "anyone",
			openapi: { summary: "What a payment provider has to tell; signed by it", response: { type: "object" } },
			params: {
				provider: { type: "string", max: 50 },
				body: { type: "string", max: 400_000 },
				headers: { type: "record", key: "string", value: { type: "string", max: 16_384 } },
			},
			async handler(ctx) {
				const provider = this.providers.get(ctx.params.provider);
				if (!provider) throw notFound("The payment provider");
				const body = Buffer.from(ctx.params.body, "base64");
				if (!provider.isWebhookGenuine(body, ctx.params.headers[provider.signatureHeader] ?? "")) {
					const about = { about: ctx.params.provider, requestId: ctx.requestID ?? undefined };
					this.broker.stoa.security.record("webhook_forged", { ...about, address: ctx.meta.clientAddress });
					throw new DomainError("BAD_REQUEST", "The signature is missing, wrong or older than five minutes");
				}
				const event = provider.parseWebhook(body);
				if (event) await settleFromEvent(this.deps, event, ctx.requestID ?? undefined);
				return { received: true as const };
			},
		},
		testLedger: {
			visibility: "published",
			rest: "GET /admin/payments/test/ledger",
			permissions: ["payments:read"],
			openapi: { summary: "Every movement of money at the test provider", response: "PaymentLedger" },
			isIdempotent: true,
			params: { orderId: idRule({ optional: true }) },
			handler(ctx) {
				return ctx.call("test-payments.ledger", ctx.params);
			},
		},
	},
	created() {
		const { config, secret, database } = this.broker.stoa;
		const secretOfTest = testWebhookSecret(config.testPaymentWebhookSecret, secret);
		this.providers = new Map(config.testPayments ? [["test", testProvider(this.broker, secretOfTest)]] : []);
		this.deps = {
			payments: new PaymentRepository(this.models.payments, database.clockOf(this.name)),
			providerOf: method => {
				const provider = this.providers.get(method);
				if (!provider) throw unknownMethod(method, [...this.providers.keys()]);
				return provider;
			},
			onEvent: paymentId => this.outbox.hint("payments", paymentId),
			onDelay: (orderId, error) => this.logger.warn(`The provider is asked again about ${orderId}`, error),
		};
	},
	async started() {
		await adoptPayments(this.models.payments);
		const onError = (error: unknown) => this.logger.warn("Voided payments could not be cleaned up yet", error);
		this.cleaning = createLoop(CLEAN_UP_EVERY_MS, () => cleanUpDue(this.deps), onError);
		this.cleaning.start();
	},
	async stopped() {
		await this.cleaning.stop();
	},
});

const unknownMethod = (method: string, known: readonly string[]): DomainError =>
	new DomainError("VALIDATION_ERROR", `${method} is no payment method of this shop`, {
		errors: [{ field: "payment.method", code: "enum", message: `one of ${known.join(", ")}` }],
	});

function toPayment(payment: PaymentDocument): Payment {
	const { currency } = payment.amount;
	return {
		id: payment._id,
		orderId: payment.orderId,
		method: payment.method,
		status: payment.status,
		amount: payment.amount,
		captured: { amount: payment.captured, currency },
		refunded: { amount: payment.refunded, currency },
		refunding: { amount: payment.refunding, currency },
		refunds: payment.refunds.map(({ id, amount, status }) => ({ id, amount: { amount, currency }, status })),
		isClosed: payment.isClosed,
		failure: payment.failure,
		chargeId: payment.chargeId,
		version: payment.version,
	};
}
