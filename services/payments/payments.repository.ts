import type { Model } from "mongoose";
import { backoffMs, errorLine, MAX_ATTEMPTS, type ParkedItem } from "../../lib/attempts.ts";
import type { Clock } from "../../lib/clock.ts";
import { isDuplicateKey } from "../../lib/errors.ts";
import { newEvent } from "../../lib/events.ts";
import { newId } from "../../lib/ids.ts";
import type { Money } from "../../lib/money.ts";
import { hasOutboxRoom } from "../../mixins/outbox.mixin.ts";
import { sourcesOf } from "./domain/payment-states.ts";
import type { PaymentStatus } from "./payments.contract.ts";
import type { PaymentDocument } from "./payments.model.ts";

const MAX_TIME_MS = 5_000;
const AFTER = { returnDocument: "after", maxTimeMS: MAX_TIME_MS } as const;
const MAX_PROVIDER_EVENTS = 100;
/** Whoever closed a payment looks after it first, and may take so long. */
const CLEAN_UP_AFTER_MS = 15_000;
/** Waiting for a transfer that cannot be stopped is no failure: once an hour, for two weeks. */
const WAIT_MAX_MS = 3_600_000;
const MAX_WAITS = MAX_ATTEMPTS + 14 * 24;
/** What got on, or begins anew, has no tries in vain behind it. */
const NO_TRIES = { parkedAt: null, cleanUps: 0, cleanUpWaits: 0 } as const;

type Changes = Partial<Pick<PaymentDocument, "chargeId" | "failure" | "captured">>;

/** Every change names the statuses it may start from; null means that the payment is in none of them. */
export class PaymentRepository {
	readonly #payments: Model<PaymentDocument>;
	readonly #clock: Clock;

	constructor(payments: Model<PaymentDocument>, clock: Clock) {
		this.#payments = payments;
		this.#clock = clock;
	}

	/** @returns null when the order has a payment already */
	async create(input: {
		orderId: string;
		method: string;
		amount: Money;
		status: "pending" | "voided";
	}): Promise<PaymentDocument | null> {
		const document: PaymentDocument = {
			_id: newId("pay", this.#clock.nowMs()),
			...input,
			chargeId: null,
			failure: null,
			captured: 0,
			refunded: 0,
			refunding: 0,
			refunds: [],
			isClosed: input.status === "voided",
			cleanUpAt: null,
			cleanUps: 0,
			cleanUpWaits: 0,
			cleanUpError: null,
			parkedAt: null,
			providerEvents: [],
			version: 1,
		};
		try {
			await this.#payments.insertMany([document], { lean: true });
			return document;
		} catch (error) {
			if (isDuplicateKey(error)) return null;
			throw error;
		}
	}

	find(orderId: string): Promise<PaymentDocument | null> {
		return this.#payments.findOne({ orderId }).maxTimeMS(MAX_TIME_MS).lean<PaymentDocument>();
	}

	/** The next status of a payment that its order still wants. */
	move(orderId: string, to: PaymentStatus, changes: Changes = {}, also: object = {}): Promise<PaymentDocument | null> {
		return this.#update(
			{ orderId, status: { $in: sourcesOf(to) }, isClosed: { $ne: true }, ...also },
			{ $set: { ...changes, status: to } },
		);
	}

	/** The answer to an authorisation that settles later. */
	awaitSettlement(orderId: string, chargeId: string): Promise<PaymentDocument | null> {
		return this.#update({ orderId, status: "pending", isClosed: { $ne: true } }, { $set: { chargeId } });
	}

	/** Ends a payment, once; whatever may stand at the provider is due to be looked after. */
	async close(orderId: string): Promise<PaymentDocument | null> {
		const isKept = { $gt: ["$captured", { $add: ["$refunded", "$refunding"] }] };
		const isUnknown = { $in: ["$status", ["pending", "authorized", "failed"]] };
		const isOpen = { $in: ["$status", sourcesOf("voided")] };
		const closed = await this.#payments.collection.findOneAndUpdate(
			{ orderId, isClosed: { $ne: true } },
			[
				{
					$set: {
						isClosed: true,
						status: { $cond: [isOpen, "voided", "$status"] },
						cleanUpAt: { $cond: [{ $or: [isUnknown, isKept] }, { $add: ["$$NOW", CLEAN_UP_AFTER_MS] }, null] },
						version: { $add: ["$version", 1] },
					},
				},
			],
			AFTER,
		);
		return closed as PaymentDocument | null;
	}

	/** An authorisation that came back after its payment was closed: its charge is looked after again. */
	reopenCleanUp(orderId: string, chargeId: string): Promise<PaymentDocument | null> {
		return this.#update(
			{ orderId, isClosed: true },
			{ $set: { chargeId, cleanUpAt: this.#in(CLEAN_UP_AFTER_MS), ...NO_TRIES } },
		);
	}

	/** Nothing of it stands at the provider. */
	cleanedUp({ orderId, version }: PaymentDocument, chargeId: string | null): Promise<PaymentDocument | null> {
		return this.#update({ orderId, version }, { $set: { cleanUpAt: null, cleanUpError: null, ...NO_TRIES, chargeId } });
	}

	/** Closed payments whose time has come, the longest due first. */
	dueCleanUps(limit: number): Promise<PaymentDocument[]> {
		return this.#payments
			.find({ cleanUpAt: { $lte: this.#clock.now() } })
			.sort({ cleanUpAt: 1 })
			.limit(limit)
			.maxTimeMS(MAX_TIME_MS)
			.lean<PaymentDocument[]>();
	}

	/** Takes one clean-up for this process: null when another was faster, or the payment changed since. */
	takeCleanUp({ orderId, version, cleanUps }: PaymentDocument): Promise<PaymentDocument | null> {
		const pause = Math.max(CLEAN_UP_AFTER_MS, backoffMs(cleanUps + 1));
		return this.#update(
			{ orderId, version, cleanUpAt: { $type: "date" } },
			{ $set: { cleanUpAt: this.#in(pause) }, $inc: { cleanUps: 1 } },
		);
	}

	/**
	 * Puts a clean-up off, further each time; parks it when there is no use in trying again. To wait for the provider is no
	 * failed try, and has an end of its own.
	 */
	postponeCleanUp(
		{ orderId, version, cleanUps, cleanUpWaits }: PaymentDocument,
		error: unknown,
		kind: "failed" | "waiting" | "final",
	): Promise<PaymentDocument | null> {
		const isWaiting = kind === "waiting";
		const waits = (cleanUpWaits ?? 0) + (isWaiting ? 1 : 0);
		const isOver = kind === "final" || (isWaiting ? waits >= MAX_WAITS : cleanUps >= MAX_ATTEMPTS);
		const pause = isWaiting ? backoffMs(waits, 1_000, WAIT_MAX_MS) : backoffMs(cleanUps);
		return this.#update(
			{ orderId, version, cleanUpAt: { $type: "date" } },
			{
				$set: {
					cleanUpAt: isOver ? null : this.#in(pause),
					parkedAt: isOver ? this.#clock.now() : null,
					cleanUpError: errorLine(error),
					cleanUpWaits: waits,
					...(isWaiting ? { cleanUps: 0 } : {}),
				},
			},
		);
	}

	async parkedCleanUps(limit: number): Promise<ParkedItem[]> {
		const parked = await this.#payments
			.find({ parkedAt: { $type: "date" } })
			.sort({ parkedAt: 1 })
			.limit(limit)
			.maxTimeMS(MAX_TIME_MS)
			.lean<PaymentDocument[]>();
		return parked.map(({ orderId, cleanUps, cleanUpWaits = 0, cleanUpError, parkedAt, status }) => ({
			id: orderId,
			attempts: cleanUps + cleanUpWaits,
			error: cleanUpError ?? "",
			parkedAt: parkedAt ?? new Date(0),
			about: status,
		}));
	}

	countParkedCleanUps(): Promise<number> {
		return this.#payments.countDocuments({ parkedAt: { $type: "date" } }).maxTimeMS(MAX_TIME_MS);
	}

	async resumeCleanUp(orderId: string): Promise<boolean> {
		const resumed = await this.#update(
			{ orderId, parkedAt: { $type: "date" } },
			{ $set: { ...NO_TRIES, cleanUpAt: this.#clock.now() } },
		);
		return resumed !== null;
	}

	/**
	 * Sets an amount aside for a refund, once per id and never above what was captured and is not paid back. One that was
	 * refused stays so: its order has told that, and whoever comes late with the same id must not move money for it.
	 */
	async startRefund(orderId: string, refundId: string, amount: number): Promise<PaymentDocument | null> {
		const entry = { id: refundId, amount, status: "pending" };
		const started = await this.#payments.collection.findOneAndUpdate(
			{
				orderId,
				status: { $in: ["captured", "partially_refunded"] },
				"refunds.id": { $ne: refundId },
				$expr: { $lte: [{ $add: ["$refunded", "$refunding", amount] }, "$captured"] },
			},
			[
				{
					$set: {
						refunding: { $add: ["$refunding", amount] },
						refunds: { $concatArrays: ["$refunds", [{ $literal: entry }]] },
						version: { $add: ["$version", 1] },
					},
				},
			],
			AFTER,
		);
		return started as PaymentDocument | null;
	}

	/** Writes how a refund ended: only what is done counts as refunded, and ends what a closed payment waits for. */
	async endRefund(
		orderId: string,
		{ id, amount }: { id: string; amount: number },
		status: "done" | "failed",
	): Promise<PaymentDocument | null> {
		const refunded = status === "done" ? { $add: ["$refunded", amount] } : "$refunded";
		const isAll = { $gte: [refunded, "$captured"] };
		const dueAgain = { $cond: ["$isClosed", { $add: ["$$NOW", CLEAN_UP_AFTER_MS] }, null] };
		const changed = await this.#payments.collection.findOneAndUpdate(
			{ orderId, refunds: { $elemMatch: { id, status: "pending" } } },
			[
				{
					$set: {
						refunds: {
							$map: {
								input: "$refunds",
								in: { $cond: [{ $eq: ["$$this.id", id] }, { $mergeObjects: ["$$this", { status }] }, "$$this"] },
							},
						},
						refunded,
						refunding: { $subtract: ["$refunding", amount] },
						...(status === "done" ? { status: { $cond: [isAll, "refunded", "partially_refunded"] } } : {}),
						cleanUpAt: { $cond: [isAll, null, dueAgain] },
						...(status === "done" ? NO_TRIES : {}),
						version: { $add: ["$version", 1] },
					},
				},
			],
			AFTER,
		);
		return changed as PaymentDocument | null;
	}

	/**
	 * What the provider says about a payment, told on as an event of our own. The version guards it: whoever asked the
	 * provider writes only if nothing was written since.
	 */
	settle(
		payment: PaymentDocument,
		outcome: "captured" | "failed",
		{ chargeId, captured, eventId, requestId }: Settlement,
	): Promise<PaymentDocument | null> {
		const { orderId, version, amount, isClosed } = payment;
		const sources = sourcesOf(outcome).filter(status => status !== "voided" || isClosed);
		return this.#update(
			{
				orderId,
				version,
				status: { $in: sources },
				...(eventId ? { providerEvents: { $ne: eventId } } : {}),
				...hasOutboxRoom,
			},
			{
				$set: {
					status: outcome,
					chargeId,
					captured: outcome === "captured" ? (captured ?? amount.amount) : 0,
					...(isClosed ? { cleanUpAt: this.#in(CLEAN_UP_AFTER_MS), ...NO_TRIES } : {}),
				},
				$push: {
					outbox: this.#settled(payment, outcome, requestId),
					...(eventId ? { providerEvents: { $each: [eventId], $slice: -MAX_PROVIDER_EVENTS } } : {}),
				},
			},
		);
	}

	/** Tells again that money stands which nobody may keep. */
	tellAgain(payment: PaymentDocument): Promise<PaymentDocument | null> {
		const { orderId, version } = payment;
		return this.#update(
			{ orderId, version, ...hasOutboxRoom },
			{ $push: { outbox: this.#settled(payment, "captured", undefined) } },
		);
	}

	#settled({ _id, orderId, version }: PaymentDocument, status: "captured" | "failed", requestId: string | undefined) {
		const about = { sequence: version + 1, now: this.#clock.now(), ...(requestId ? { requestId } : {}) };
		return newEvent("payment.settled", { paymentId: _id, orderId, status }, about);
	}

	#in(ms: number): Date {
		return new Date(this.#clock.nowMs() + ms);
	}

	#update(filter: object, update: { $set?: object; $inc?: object; $push?: object }): Promise<PaymentDocument | null> {
		return this.#payments
			.findOneAndUpdate(
				filter,
				{ ...update, $inc: { version: 1, ...update.$inc } },
				{ new: true, maxTimeMS: MAX_TIME_MS },
			)
			.lean<PaymentDocument>();
	}
}

export interface Settlement {
	chargeId: string;
	/** Absent: all of it. */
	captured?: number;
	/** The provider's event, when one told it. */
	eventId?: string;
	requestId?: string;
}
