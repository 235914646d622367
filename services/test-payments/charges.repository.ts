import type { Model } from "mongoose";
import type { Clock } from "../../lib/clock.ts";
import { newId } from "../../lib/ids.ts";
import type { Money } from "../../lib/money.ts";
import type { LedgerItem } from "../payments/payments.contract.ts";
import type { ChargeDocument, ChargeState } from "./test-payments.model.ts";

const MAX_TIME_MS = 5_000;
const WEBHOOK_AFTER_MS = 300;
const MAX_LEDGER = 10_000;

export interface NewCharge {
	orderId: string;
	amount: Money;
	idempotencyKey: string;
	state: "authorized" | "declined" | "pending";
	code: string | null;
}

export class ChargeRepository {
	readonly #charges: Model<ChargeDocument>;
	readonly #clock: Clock;

	constructor(charges: Model<ChargeDocument>, clock: Clock) {
		this.#charges = charges;
		this.#clock = clock;
	}

	/** The charge of this key, made by whoever asks first; `attempts` says how often it was asked for. */
	async authorize({ orderId, amount, idempotencyKey, state, code }: NewCharge): Promise<ChargeDocument> {
		const now = this.#clock.now();
		const entries = state === "authorized" ? [{ kind: "authorize", amount, key: idempotencyKey, at: now }] : [];
		const webhook = { eventId: newId("evt"), nextAt: new Date(now.getTime() + WEBHOOK_AFTER_MS), attempts: 0 };
		const fresh = {
			_id: newId("chg"),
			orderId,
			amount,
			state,
			code,
			refunded: 0,
			entries,
			webhook: state === "pending" ? webhook : null,
			createdAt: now,
		};
		const charge = await this.#charges
			.findOneAndUpdate(
				{ authorizeKey: idempotencyKey },
				{ $setOnInsert: fresh, $inc: { attempts: 1 } },
				{ upsert: true, new: true, maxTimeMS: MAX_TIME_MS },
			)
			.lean<ChargeDocument>();
		if (!charge) throw new Error("The charge was neither made nor found");
		return charge;
	}

	find(chargeId: string): Promise<ChargeDocument | null> {
		return this.#charges.findById(chargeId).maxTimeMS(MAX_TIME_MS).lean<ChargeDocument>();
	}

	/** Moves a charge from one state to another and writes the movement; null when it is not in that state. */
	move(
		chargeId: string,
		from: ChargeState[],
		to: ChargeState,
		entry: { kind: LedgerItem["kind"]; amount: Money; key: string },
	): Promise<ChargeDocument | null> {
		return this.#charges
			.findOneAndUpdate(
				{ _id: chargeId, state: { $in: from }, "entries.key": { $ne: entry.key } },
				{ $set: { state: to }, $push: { entries: { ...entry, at: this.#clock.now() } } },
				{ new: true, maxTimeMS: MAX_TIME_MS },
			)
			.lean<ChargeDocument>();
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
				{ new: true, maxTimeMS: MAX_TIME_MS },
			)
			.lean<ChargeDocument>();
	}

	/** Takes one webhook that is due: settles its charge, and puts the next try off, in case this process dies. */
	async takeDueWebhook(retryMs: number): Promise<ChargeDocument | null> {
		const now = this.#clock.now();
		const due = await this.#charges
			.findOneAndUpdate(
				{ "webhook.nextAt": { $lte: now } },
				{ $set: { "webhook.nextAt": new Date(now.getTime() + retryMs) }, $inc: { "webhook.attempts": 1 } },
				{ sort: { "webhook.nextAt": 1 }, new: true, maxTimeMS: MAX_TIME_MS },
			)
			.lean<ChargeDocument>();
		if (due?.state !== "pending") return due;
		const at = this.#clock.now();
		const entries = (["authorize", "capture"] as const).map(kind => ({
			kind,
			amount: due.amount,
			key: `${due.authorizeKey}:${kind}`,
			at,
		}));
		const settled = await this.#charges
			.findOneAndUpdate(
				{ _id: due._id, state: "pending" },
				{ $set: { state: "captured" }, $push: { entries: { $each: entries } } },
				{ new: true },
			)
			.lean<ChargeDocument>();
		return settled ?? this.find(due._id);
	}

	async endWebhook(chargeId: string): Promise<void> {
		await this.#charges.updateOne({ _id: chargeId }, { $set: { webhook: null } });
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
}
