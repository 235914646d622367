import type { Model } from "mongoose";
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
const MAX_PROVIDER_EVENTS = 100;
const CLEAN_UP_RETRY_MS = 5_000;
const CLEAN_UP_MAX_MS = 3_600_000;

type Changes = Partial<Pick<PaymentDocument, "chargeId" | "failure" | "captured" | "token" | "cleanUpAt">>;

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
		token: string | null;
		status: "pending" | "voided";
	}): Promise<PaymentDocument | null> {
		const document: PaymentDocument = {
			_id: newId("pay", this.#clock.nowMs()),
			...input,
			chargeId: null,
			failure: null,
			captured: 0,
			refunded: 0,
			refunds: [],
			cleanUpAt: null,
			cleanUps: 0,
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

	move(orderId: string, to: PaymentStatus, changes: Changes = {}, also: object = {}): Promise<PaymentDocument | null> {
		return this.#update({ orderId, status: { $in: sourcesOf(to) }, ...also }, { $set: { ...changes, status: to } });
	}

	/** The answer to an authorisation that settles later. */
	awaitSettlement(orderId: string, chargeId: string): Promise<PaymentDocument | null> {
		return this.#update({ orderId, status: "pending" }, { $set: { chargeId, token: null } });
	}

	/** The payment as it was *before* it was voided, so that the caller knows what there is to undo. */
	voidOpen(orderId: string): Promise<PaymentDocument | null> {
		return this.#payments
			.findOneAndUpdate(
				{ orderId, status: { $in: sourcesOf("voided") } },
				{ $set: { status: "voided", cleanUpAt: this.#clock.now() }, $inc: { version: 1 } },
				{ new: false, maxTimeMS: MAX_TIME_MS },
			)
			.lean<PaymentDocument>();
	}

	cleanedUp(orderId: string, chargeId: string | null): Promise<PaymentDocument | null> {
		return this.#update({ orderId }, { $set: { cleanUpAt: null, token: null, chargeId } });
	}

	/** A voided payment whose charge may still stand; puts the next look off, further each time. */
	async takeCleanUp(): Promise<PaymentDocument | null> {
		const now = this.#clock.nowMs();
		const due = await this.#payments
			.findOne({ cleanUpAt: { $lte: new Date(now - CLEAN_UP_RETRY_MS) } })
			.maxTimeMS(MAX_TIME_MS)
			.lean<PaymentDocument>();
		if (!due) return null;
		const later = new Date(now + Math.min(CLEAN_UP_RETRY_MS * 2 ** due.cleanUps, CLEAN_UP_MAX_MS));
		return this.#update(
			{ orderId: due.orderId, version: due.version },
			{ $set: { cleanUpAt: later }, $inc: { cleanUps: 1 } },
		);
	}

	/** Sets an amount aside for a refund, once per id and never above what was captured and is not refunded. */
	startRefund(orderId: string, refundId: string, amount: number): Promise<PaymentDocument | null> {
		return this.#update(
			{
				orderId,
				status: { $in: ["captured", "partially_refunded"] },
				"refunds.id": { $ne: refundId },
				$expr: { $lte: [{ $add: ["$refunded", amount] }, "$captured"] },
			},
			{ $inc: { refunded: amount }, $push: { refunds: { id: refundId, amount, status: "pending" } } },
		);
	}

	async endRefund(orderId: string, refundId: string): Promise<PaymentDocument | null> {
		const isPending = { $elemMatch: { id: refundId, status: "pending" } };
		const changed = await this.#payments.collection.findOneAndUpdate(
			{ orderId, refunds: isPending },
			[
				{
					$set: {
						refunds: {
							$map: {
								input: "$refunds",
								in: {
									$cond: [
										{ $eq: ["$$this.id", refundId] },
										{ $mergeObjects: ["$$this", { status: "done" }] },
										"$$this",
									],
								},
							},
						},
						status: { $cond: [{ $gte: ["$refunded", "$captured"] }, "refunded", "partially_refunded"] },
						version: { $add: ["$version", 1] },
					},
				},
			],
			{ returnDocument: "after", maxTimeMS: MAX_TIME_MS },
		);
		return changed as PaymentDocument | null;
	}

	failRefund(orderId: string, refundId: string, amount: number): Promise<PaymentDocument | null> {
		return this.#update(
			{ orderId, refunds: { $elemMatch: { id: refundId, status: "pending" } } },
			{ $inc: { refunded: -amount }, $set: { "refunds.$.status": "failed" } },
		);
	}

	/** What a provider's event says about a payment that waits for it, told on as an event of our own. */
	settle(
		payment: PaymentDocument,
		providerEventId: string,
		outcome: "captured" | "failed",
		requestId?: string,
	): Promise<PaymentDocument | null> {
		const { _id, orderId, version, amount } = payment;
		const event = newEvent(
			"payment.settled",
			{ paymentId: _id, orderId, status: outcome },
			{
				sequence: version + 1,
				now: this.#clock.now(),
				...(requestId ? { requestId } : {}),
			},
		);
		return this.#update(
			{ orderId, status: "pending", version, providerEvents: { $ne: providerEventId }, ...hasOutboxRoom },
			{
				$set: { status: outcome, captured: outcome === "captured" ? amount.amount : 0, token: null },
				$push: { outbox: event, providerEvents: { $each: [providerEventId], $slice: -MAX_PROVIDER_EVENTS } },
			},
		);
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
