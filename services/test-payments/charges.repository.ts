import type { Model } from "mongoose";
import { backoffMs, errorLine, MAX_ATTEMPTS, type ParkedItem } from "../../lib/attempts.ts";
import type { Clock } from "../../lib/clock.ts";
import { newId } from "../../lib/ids.ts";
import type { Money } from "../../lib/money.ts";
import type { LedgerItem } from "../payments/payments.contract.ts";
import { behaviourOf, cardOf, type Settlement, CAPTURED_LATER as SLOW } from "./domain/cards.ts";
import type { ChargeDocument, ChargeState, WebhookDocument } from "./test-payments.model.ts";

const MAX_TIME_MS = 5_000;
const AFTER = { new: true, maxTimeMS: MAX_TIME_MS } as const;
const WEBHOOK_AFTER_MS = 300;
/** Longer than a webhook may take to be answered. */
const WEBHOOK_LEASE_MS = 6_000;
const MAX_LEDGER = 10_000;

export interface NewCharge {
	orderId: string;
	amount: Money;
	idempotencyKey: string;
	token: string;
}

export class ChargeRepository {
	readonly #charges: Model<ChargeDocument>;
	readonly #clock: Clock;

	constructor(charges: Model<ChargeDocument>, clock: Clock) {
		this.#charges = charges;
		this.#clock = clock;
	}

	/** The charge of this key, made by whoever asks first; `attempts` says how often it was asked for. */
	authorize({ orderId, amount, idempotencyKey, token }: NewCharge): Promise<ChargeDocument> {
		const { outcome, code = null, settles = [] } = behaviourOf(token);
		const now = this.#clock.now();
		const entries =
			outcome === "authorized" ? [{ kind: "authorize" as const, amount, key: idempotencyKey, at: now }] : [];
		const webhook = settles[0] ? this.#webhook(settles[0]) : null;
		return this.#upsert(
			idempotencyKey,
			{ orderId, amount, state: outcome, code, entries, webhook, card: cardOf(token) },
			1,
		);
	}

	/**
	 * Ends the charge of a key. One that was never made is written as ended, so that whoever comes late with its
	 * authorisation finds that. What was captured stays, and a transfer that is on its way goes on.
	 */
	async end(orderId: string, amount: Money, authorizeKey: string, key: string): Promise<ChargeDocument> {
		const none = {
			orderId,
			amount,
			state: "voided" as const,
			code: "voided",
			entries: [],
			webhook: null,
			card: "none",
		};
		const charge = await this.#upsert(authorizeKey, none, 0);
		if (charge.state === "pending" && behaviourOf(charge.card).isUnstoppable) return charge;
		const entry = { kind: "void" as const, amount: charge.amount, key };
		const ended = await this.move(charge._id, ["authorized", "pending"], "voided", entry);
		return ended ?? (await this.find(charge._id)) ?? charge;
	}

	find(chargeId: string): Promise<ChargeDocument | null> {
		return this.#charges.findById(chargeId).maxTimeMS(MAX_TIME_MS).lean<ChargeDocument>();
	}

	findByKey(authorizeKey: string): Promise<ChargeDocument | null> {
		return this.#charges.findOne({ authorizeKey }).maxTimeMS(MAX_TIME_MS).lean<ChargeDocument>();
	}

	/** Moves a charge from one state to another and writes the movement; null when it is not in that state. */
	move(
		chargeId: string,
		from: ChargeState[],
		to: ChargeState,
		entry: { kind: LedgerItem["kind"]; amount: Money; key: string },
		also: object = {},
	): Promise<ChargeDocument | null> {
		return this.#charges
			.findOneAndUpdate(
				{ _id: chargeId, state: { $in: from }, "entries.key": { $ne: entry.key }, ...also },
				{ $set: { state: to }, $push: { entries: { ...entry, at: this.#clock.now() } } },
				AFTER,
			)
			.lean<ChargeDocument>();
	}

	/** Takes what was authorised, if its card settles at once. */
	capture(chargeId: string, amount: Money, key: string): Promise<ChargeDocument | null> {
		return this.move(chargeId, ["authorized"], "captured", { kind: "capture", amount, key }, { card: { $nin: SLOW } });
	}

	/** The capture of a card that settles later is told by a webhook. @returns whether it is such a one */
	async captureLater(chargeId: string): Promise<boolean> {
		const charge = await this.find(chargeId);
		if (charge?.state !== "authorized" || !SLOW.includes(charge.card)) return false;
		const webhook = this.#webhook("captured");
		await this.#charges.updateOne({ _id: chargeId, state: "authorized", webhook: null }, { $set: { webhook } });
		return true;
	}

	/** Pays back once per key, never more than was captured. */
	refund(chargeId: string, amount: Money, key: string): Promise<ChargeDocument | null> {
		return this.#charges
			.findOneAndUpdate(
				{
					_id: chargeId,
					state: "captured",
					"amount.currency": amount.currency,
					"entries.key": { $ne: key },
					$expr: { $lte: [{ $add: ["$refunded", amount.amount] }, "$amount.amount"] },
				},
				{
					$inc: { refunded: amount.amount },
					$push: { entries: { kind: "refund", amount, key, at: this.#clock.now() } },
				},
				AFTER,
			)
			.lean<ChargeDocument>();
	}

	/** Remembers that a refund was asked for. @returns whether that was new */
	async askRefund(chargeId: string, key: string): Promise<boolean> {
		const asked = await this.#charges.updateOne({ _id: chargeId }, { $addToSet: { refundsAsked: key } });
		return asked.modifiedCount === 1;
	}

	/**
	 * Takes one webhook that is due: settles its charge, and puts the next try off, in case this process dies. The number
	 * of the attempt is its epoch: who was overtaken ends nothing.
	 */
	async takeDueWebhook(): Promise<(ChargeDocument & { webhook: WebhookDocument }) | null> {
		const now = this.#clock.now();
		const due = await this.#charges
			.findOneAndUpdate(
				{ "webhook.nextAt": { $lte: now } },
				{ $set: { "webhook.nextAt": new Date(now.getTime() + WEBHOOK_LEASE_MS) }, $inc: { "webhook.attempts": 1 } },
				{ ...AFTER, sort: { "webhook.nextAt": 1 } },
			)
			.lean<ChargeDocument>();
		if (!due?.webhook) return null;
		// One of an earlier version does not say it: its charges were only ever captured.
		const webhook = { ...due.webhook, outcome: due.webhook.outcome ?? "captured" };
		return { ...((await this.#settle(due, webhook.outcome)) ?? due), webhook };
	}

	#settle(charge: ChargeDocument, outcome: Settlement): Promise<ChargeDocument | null> {
		const at = this.#clock.now();
		const { amount, authorizeKey, state } = charge;
		const kinds = state === "authorized" ? (["capture"] as const) : (["authorize", "capture"] as const);
		const entries = kinds.map(kind => ({ kind, amount, key: `${authorizeKey}:${kind}`, at }));
		const from = outcome === "captured" ? ["pending", "authorized", "declined"] : ["pending", "authorized"];
		return this.#charges
			.findOneAndUpdate(
				{ _id: charge._id, state: state, $and: [{ state: { $in: from } }] },
				{
					$set: { state: outcome },
					...(outcome === "captured" ? { $push: { entries: { $each: entries } } } : {}),
				},
				AFTER,
			)
			.lean<ChargeDocument>();
	}

	/** Told: the card's next settlement, if it has one, is told after it. */
	async endWebhook({ _id, card, settled, webhook }: ChargeDocument & { webhook: WebhookDocument }): Promise<void> {
		const next = behaviourOf(card).settles?.[settled + 1];
		await this.#charges.updateOne(sentBy(_id, webhook), {
			$set: { webhook: next ? this.#webhook(next) : null },
			$inc: { settled: 1 },
		});
	}

	/** Puts a webhook off, further each time; after too many tries, or a refusal, it is parked. */
	async failWebhook(_id: string, webhook: WebhookDocument, error: unknown, isFinal: boolean): Promise<void> {
		const isOver = isFinal || webhook.attempts >= MAX_ATTEMPTS;
		const now = this.#clock.nowMs();
		await this.#charges.updateOne(sentBy(_id, webhook), {
			$set: {
				"webhook.nextAt": isOver ? null : new Date(now + backoffMs(webhook.attempts)),
				"webhook.parkedAt": isOver ? new Date(now) : null,
				"webhook.error": errorLine(error),
			},
		});
	}

	async parkedWebhooks(limit: number): Promise<ParkedItem[]> {
		const parked = await this.#charges
			.find({ "webhook.parkedAt": { $type: "date" } })
			.sort({ "webhook.parkedAt": 1 })
			.limit(limit)
			.maxTimeMS(MAX_TIME_MS)
			.lean<ChargeDocument[]>();
		return parked.map(({ _id, webhook }) => ({
			id: _id,
			attempts: webhook?.attempts ?? 0,
			error: webhook?.error ?? "",
			parkedAt: webhook?.parkedAt ?? new Date(0),
			about: `charge.${webhook?.outcome}`,
		}));
	}

	countParkedWebhooks(): Promise<number> {
		return this.#charges.countDocuments({ "webhook.parkedAt": { $type: "date" } }).maxTimeMS(MAX_TIME_MS);
	}

	async resumeWebhook(chargeId: string): Promise<boolean> {
		const resumed = await this.#charges.updateOne(
			{ _id: chargeId, "webhook.parkedAt": { $type: "date" } },
			{ $set: { "webhook.parkedAt": null, "webhook.attempts": 0, "webhook.nextAt": this.#clock.now() } },
		);
		return resumed.modifiedCount === 1;
	}

	/** All movements of money, oldest charge first. */
	async ledger(orderId: string | undefined): Promise<LedgerItem[]> {
		const charges = await this.#charges
			.find(orderId === undefined ? { createdAt: { $gt: new Date(0) } } : { orderId }, { orderId: 1, entries: 1 })
			.sort({ createdAt: 1 })
			.limit(MAX_LEDGER)
			.maxTimeMS(MAX_TIME_MS)
			.lean<Pick<ChargeDocument, "orderId" | "entries">[]>();
		return charges.flatMap(charge =>
			charge.entries.map(({ kind, amount, key, at }) => ({
				orderId: charge.orderId,
				kind,
				amount,
				idempotencyKey: key,
				at: at.toISOString(),
			})),
		);
	}

	async #upsert(
		authorizeKey: string,
		fresh: Pick<ChargeDocument, "orderId" | "amount" | "state" | "code" | "entries" | "webhook" | "card">,
		attempts: 0 | 1,
	): Promise<ChargeDocument> {
		const document = { ...fresh, _id: newId("chg"), refunded: 0, refundsAsked: [], settled: 0 };
		const charge = await this.#charges
			.findOneAndUpdate(
				{ authorizeKey },
				{ $setOnInsert: { ...document, createdAt: this.#clock.now() }, $inc: { attempts } },
				{ ...AFTER, upsert: true },
			)
			.lean<ChargeDocument>();
		if (!charge) throw new Error("The charge was neither made nor found");
		return charge;
	}

	#webhook(outcome: Settlement): WebhookDocument {
		const nextAt = new Date(this.#clock.nowMs() + WEBHOOK_AFTER_MS);
		return { eventId: newId("evt"), outcome, nextAt, attempts: 0, error: null, parkedAt: null };
	}
}

/** Only who sent it last says how that ended. */
const sentBy = (_id: string, { eventId, attempts }: WebhookDocument) => ({
	_id,
	"webhook.eventId": eventId,
	"webhook.attempts": attempts,
});
