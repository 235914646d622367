import { DomainError, notFound } from "../../lib/errors.ts";
import { createLoop, type Loop } from "../../lib/loop.ts";
import { amountRule, idRule } from "../../lib/rules.ts";
import { defineService } from "../../lib/typed.ts";
import { sign, testWebhookSecret } from "../../lib/webhook-signature.ts";
import { type DbVars, db } from "../../mixins/db.mixin.ts";
import { parking } from "../../mixins/parking.mixin.ts";
import { ChargeRepository } from "./charges.repository.ts";
import { behaviourOf } from "./domain/cards.ts";
import type { ProviderAnswer, ProviderCharge } from "./test-payments.contract.ts";
import { type ChargeDocument, chargeModels, type WebhookDocument } from "./test-payments.model.ts";

const WEBHOOK_EVERY_MS = 200;
const WEBHOOK_TIMEOUT_MS = 5_000;
/** Answers of the receiver that another try will not change. */
const isFinal = (status: number): boolean => status >= 400 && status < 500 && ![404, 408, 425, 429].includes(status);

interface Vars extends DbVars<typeof chargeModels> {
	repository: ChargeRepository;
	webhooks: Loop;
}
interface Methods {
	sendDueWebhooks(): Promise<void>;
	/** @returns the receiver's status */
	post(charge: ChargeDocument, webhook: WebhookDocument): Promise<number>;
	/** What a movement that did not happen means: it was done before, or it is refused. */
	explain(chargeId: string, idempotencyKey: string, what: string): Promise<ProviderAnswer>;
}

const base = { orderId: idRule(), idempotencyKey: { type: "string", max: 200 } };
const movement = { ...base, chargeId: idRule() };

/** A payment provider in miniature: its own database, its own truth, the ways of the real ones. */
export default defineService<Record<string, unknown>, Methods, Vars>()({
	name: "test-payments",
	mixins: [
		parking<Vars, Methods>({
			webhook: {
				list(limit) {
					return this.repository.parkedWebhooks(limit);
				},
				count() {
					return this.repository.countParkedWebhooks();
				},
				resume(id) {
					return this.repository.resumeWebhook(id);
				},
			},
		}),
		db(chargeModels),
	],
	actions: {
		authorize: {
			visibility: "public",
			params: { ...base, amount: amountRule(), token: { type: "string", max: 200 } },
			async handler(ctx) {
				const { orderId, amount, token, idempotencyKey } = ctx.params;
				const card = behaviourOf(token);
				if (card.delayMs) await wait(card.delayMs);
				if (card.isBroken) throw new DomainError("INTERNAL", "The provider is broken");
				const charge = await this.repository.authorize({ orderId, amount, idempotencyKey, token });
				// The caller's patience ends long before this does.
				if (card.isSilentAtFirst && charge.attempts === 1) await wait(8_000);
				return answerOf(charge);
			},
		},
		capture: {
			visibility: "public",
			params: { ...movement, amount: amountRule() },
			async handler(ctx) {
				const { chargeId, amount, idempotencyKey } = ctx.params;
				const done = await this.repository.capture(chargeId, amount, idempotencyKey);
				if (!done && (await this.repository.captureLater(chargeId))) return { status: "pending" as const, chargeId };
				return done ? answerOf(done) : this.explain(chargeId, idempotencyKey, "captured");
			},
		},
		void: {
			visibility: "public",
			params: { ...base, amount: amountRule(), authorizeKey: { type: "string", max: 200 } },
			async handler(ctx) {
				const { orderId, amount, authorizeKey, idempotencyKey } = ctx.params;
				return standingOf(await this.repository.end(orderId, amount, authorizeKey, idempotencyKey));
			},
		},
		find: {
			visibility: "public",
			isIdempotent: true,
			params: { orderId: idRule(), authorizeKey: { type: "string", max: 200 } },
			async handler(ctx) {
				const charge = await this.repository.findByKey(ctx.params.authorizeKey);
				return charge && standingOf(charge);
			},
		},
		refund: {
			visibility: "public",
			params: { ...movement, amount: amountRule() },
			async handler(ctx) {
				const { chargeId, amount, idempotencyKey } = ctx.params;
				const { refunds } = behaviourOf((await this.repository.find(chargeId))?.card ?? "");
				if (refunds === "refused") throw new DomainError("CONFLICT", "This card takes no refunds");
				if (refunds === "later" && (await this.repository.askRefund(chargeId, idempotencyKey)))
					return { status: "pending" as const, chargeId };
				const done = await this.repository.refund(chargeId, amount, idempotencyKey);
				return done ? answerOf(done) : this.explain(chargeId, idempotencyKey, "refunded");
			},
		},
		ledger: {
			visibility: "public",
			isIdempotent: true,
			params: { orderId: idRule({ optional: true }) },
			async handler(ctx) {
				return { items: await this.repository.ledger(ctx.params.orderId) };
			},
		},
	},
	methods: {
		async explain(chargeId, idempotencyKey, what) {
			const charge = await this.repository.find(chargeId);
			if (!charge) throw notFound("The charge");
			if (charge.entries.some(entry => entry.key === idempotencyKey)) return answerOf(charge);
			throw new DomainError("CONFLICT", `A charge that is ${charge.state} cannot be ${what} so`);
		},
		async sendDueWebhooks() {
			for (;;) {
				const charge = await this.repository.takeDueWebhook();
				if (!charge) return;
				const { _id, state, card, webhook } = charge;
				// A charge that was voided meanwhile has nothing to tell, and some webhooks get lost.
				const isTold = state === webhook.outcome && !behaviourOf(card).isMute;
				const answer = isTold ? await this.post(charge, webhook).catch((error: unknown) => ({ error })) : 200;
				if (typeof answer === "object") await this.repository.failWebhook(_id, webhook, answer.error, false);
				else if (answer >= 300)
					await this.repository.failWebhook(_id, webhook, new Error(`answered ${answer}`), isFinal(answer));
				else await this.repository.endWebhook(charge);
			}
		},
		async post(charge, webhook) {
			const { config, secret, clock, publicUrl } = this.broker.stoa;
			const body = JSON.stringify({
				id: webhook.eventId,
				type: webhook.outcome === "captured" ? "charge.captured" : "charge.failed",
				orderId: charge.orderId,
				chargeId: charge._id,
			});
			const answer = await fetch(`${publicUrl}/api/v1/payments/webhooks/test`, {
				method: "POST",
				headers: {
					"content-type": "application/json",
					"stoa-signature": sign(testWebhookSecret(config.testPaymentWebhookSecret, secret), body, clock.nowMs()),
				},
				body,
				signal: AbortSignal.timeout(WEBHOOK_TIMEOUT_MS),
			});
			await answer.body?.cancel();
			return answer.status;
		},
	},
	created() {
		this.repository = new ChargeRepository(this.models.charges, this.broker.stoa.database.clockOf(this.name));
	},
	started() {
		const onError = (error: unknown) => this.logger.warn("Webhooks could not be sent yet", error);
		this.webhooks = createLoop(WEBHOOK_EVERY_MS, () => this.sendDueWebhooks(), onError);
		this.webhooks.start();
	},
	async stopped() {
		await this.webhooks.stop();
	},
});

const wait = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms).unref());

function answerOf({ _id, state, code }: ChargeDocument): ProviderAnswer {
	const isDeclined = state === "declined" || state === "voided";
	const status = isDeclined ? "declined" : state === "pending" ? "pending" : "succeeded";
	return { status, chargeId: _id, ...(code ? { code } : {}) };
}

const STANDING = {
	pending: "open",
	authorized: "held",
	captured: "captured",
	voided: "ended",
	declined: "ended",
} as const;

const standingOf = ({ _id, state, amount }: ChargeDocument): ProviderCharge => ({
	chargeId: _id,
	state: STANDING[state],
	captured: state === "captured" ? amount.amount : 0,
});
