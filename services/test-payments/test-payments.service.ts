import { DomainError, notFound } from "../../lib/errors.ts";
import { createLoop, type Loop } from "../../lib/loop.ts";
import { amountRule, idRule } from "../../lib/rules.ts";
import { defineService } from "../../lib/typed.ts";
import { sign, testWebhookSecret } from "../../lib/webhook-signature.ts";
import { type DbVars, db } from "../../mixins/db.mixin.ts";
import { ChargeRepository } from "./charges.repository.ts";
import { behaviourOf } from "./domain/cards.ts";
import type { ProviderAnswer } from "./test-payments.contract.ts";
import { type ChargeDocument, chargeModels } from "./test-payments.model.ts";

const WEBHOOK_EVERY_MS = 200;
const WEBHOOK_TIMEOUT_MS = 5_000;
const WEBHOOK_RETRY_MS = 2_000;

interface Vars extends DbVars<typeof chargeModels> {
	repository: ChargeRepository;
	webhooks: Loop;
}
interface Methods {
	sendDueWebhooks(): Promise<void>;
	post(charge: ChargeDocument): Promise<boolean>;
	/** What a movement that did not happen means: it was done before, or it is refused. */
	explain(chargeId: string, idempotencyKey: string, what: string): Promise<ProviderAnswer>;
}

const base = { orderId: idRule(), idempotencyKey: { type: "string", max: 200 } };
const movement = { ...base, chargeId: idRule() };

/** A payment provider in miniature: its own database, its own truth, the ways of the real ones. */
export default defineService<Record<string, unknown>, Methods, Vars>()({
	name: "test-payments",
	mixins: [db(chargeModels)],
	actions: {
		authorize: {
			visibility: "public",
			params: { ...base, amount: amountRule(), token: { type: "string", max: 200 } },
			async handler(ctx) {
				const { orderId, amount, token, idempotencyKey } = ctx.params;
				const card = behaviourOf(token);
				if (card.delayMs) await wait(card.delayMs);
				if (card.isBroken) throw new DomainError("INTERNAL", "The provider is broken");
				const state = card.outcome;
				const charge = await this.repository.authorize({
					orderId,
					amount,
					idempotencyKey,
					state,
					code: card.code ?? null,
				});
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
				const done = await this.repository.move(chargeId, ["authorized"], "captured", {
					kind: "capture",
					amount,
					key: idempotencyKey,
				});
				return done ? answerOf(done) : this.explain(chargeId, idempotencyKey, "captured");
			},
		},
		void: {
			visibility: "public",
			params: movement,
			async handler(ctx) {
				const { chargeId, idempotencyKey } = ctx.params;
				const charge = await this.repository.find(chargeId);
				if (!charge) throw notFound("The charge");
				const entry = { kind: "void" as const, amount: charge.amount, key: idempotencyKey };
				const done = await this.repository.move(chargeId, ["authorized", "pending"], "voided", entry);
				return done ? answerOf(done) : this.explain(chargeId, idempotencyKey, "voided");
			},
		},
		refund: {
			visibility: "public",
			params: { ...movement, amount: amountRule() },
			async handler(ctx) {
				const { chargeId, amount, idempotencyKey } = ctx.params;
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
				const charge = await this.repository.takeDueWebhook(WEBHOOK_RETRY_MS);
				if (!charge) return;
				if (await this.post(charge)) await this.repository.endWebhook(charge._id);
			}
		},
		async post(charge) {
			const { config, secret, clock, publicUrl } = this.broker.stoa;
			const body = JSON.stringify({
				id: charge.webhook?.eventId,
				type: charge.state === "captured" ? "charge.captured" : "charge.failed",
				orderId: charge.orderId,
				chargeId: charge._id,
			});
			try {
				const answer = await fetch(`${publicUrl}/api/v1/payments/webhooks/test`, {
					method: "POST",
					headers: {
						"content-type": "application/json",
						"stoa-signature": sign(testWebhookSecret(config.testPaymentWebhookSecret, secret), body, clock.nowMs()),
					},
					body,
					signal: AbortSignal.timeout(WEBHOOK_TIMEOUT_MS),
				});
				return answer.ok;
			} catch (error) {
				this.logger.debug("The webhook was not delivered yet", error);
				return false;
			}
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
	const status = state === "declined" ? "declined" : state === "pending" ? "pending" : "succeeded";
	return { status, chargeId: _id, ...(code ? { code } : {}) };
}
