import type { Model } from "mongoose";
import { isDuplicateKey } from "../../lib/errors.ts";
import type { DeliveryDocument } from "./notifications.model.ts";

const MAX_TIME_MS = 5_000;

/** Renewed while the message is on its way. */
export const LEASE_MS = 10_000;
const later = (now: Date): Date => new Date(now.getTime() + LEASE_MS);

type NewDelivery = Pick<DeliveryDocument, "_id" | "eventId" | "template" | "messageId" | "createdAt" | "aboutId">;

export interface Claim {
	id: string;
	epoch: number;
	/** This one included. */
	attempts: number;
}

export class DeliveryRepository {
	readonly #deliveries: Model<DeliveryDocument>;

	constructor(deliveries: Model<DeliveryDocument>) {
		this.#deliveries = deliveries;
	}

	/**
	 * Claims a delivery before it is sent, so that a crash leaves a trace and nobody else sends it meanwhile.
	 * @returns the claim; `over` when it was sent or parked; `taken` while somebody else sends it
	 */
	async claim(
		{ _id, aboutId, ...fields }: NewDelivery,
		now: Date,
		isResumed: boolean,
	): Promise<Claim | "over" | "taken"> {
		const open = { status: { $ne: "sent" }, ...(isResumed ? {} : { parkedAt: { $exists: false } }) };
		const free = { $or: [{ leaseUntil: { $exists: false } }, { leaseUntil: { $lte: now } }] };
		try {
			const claimed = await this.#deliveries
				.findOneAndUpdate(
					{ _id, ...open, ...free },
					{
						$setOnInsert: { ...fields, channel: "email", lastError: null, sentAt: null },
						// An earlier version did not write what it is about; without it a parked one could not be resumed.
						$set: { status: "sending", leaseUntil: later(now), aboutId },
						$inc: { attempts: 1, epoch: 1 },
					},
					{ upsert: !isResumed, returnDocument: "after", maxTimeMS: MAX_TIME_MS },
				)
				.lean<DeliveryDocument>();
			if (claimed) return { id: _id, epoch: claimed.epoch, attempts: claimed.attempts };
		} catch (error) {
			// It is there, and not to be had.
			if (!isDuplicateKey(error)) throw error;
		}
		const found = await this.byId(_id);
		return !found || found.status === "sent" || (found.parkedAt && !isResumed) ? "over" : "taken";
	}

	async renew(claim: Claim, now: Date): Promise<boolean> {
		return this.#write(claim, { $set: { leaseUntil: later(now) } });
	}

	/** False when the lease ran out and somebody else has claimed it meanwhile. So are the others. */
	async sent(claim: Claim, at: Date): Promise<boolean> {
		return this.#write(claim, {
			$set: { status: "sent", sentAt: at, lastError: null },
			$unset: { leaseUntil: 1, parkedAt: 1 },
		});
	}

	/** @param parkedAt when it is given up */
	async failed(claim: Claim, lastError: string, parkedAt: Date | undefined): Promise<boolean> {
		return this.#write(claim, {
			$set: { status: "failed", lastError, ...(parkedAt ? { parkedAt } : {}) },
			$unset: { leaseUntil: 1 },
		});
	}

	byId(id: string): Promise<DeliveryDocument | null> {
		return this.#deliveries.findOne({ _id: id }).maxTimeMS(MAX_TIME_MS).lean<DeliveryDocument>();
	}

	parked(limit: number): Promise<DeliveryDocument[]> {
		return this.#deliveries
			.find({ parkedAt: { $type: "date" } })
			.sort({ parkedAt: 1, _id: 1 })
			.limit(limit)
			.maxTimeMS(MAX_TIME_MS)
			.lean<DeliveryDocument[]>();
	}

	countParked(): Promise<number> {
		return this.#deliveries.countDocuments({ parkedAt: { $type: "date" } }, { maxTimeMS: MAX_TIME_MS });
	}

	async #write({ id, epoch }: Claim, changes: object): Promise<boolean> {
		const { matchedCount } = await this.#deliveries.updateOne({ _id: id, epoch, status: "sending" }, changes, {
			maxTimeMS: MAX_TIME_MS,
		});
		return matchedCount > 0;
	}

	page(
		status: string | undefined,
		after: { createdAt: Date; id: string } | undefined,
		limit: number,
	): Promise<DeliveryDocument[]> {
		const older = after && {
			$or: [{ createdAt: { $lt: after.createdAt } }, { createdAt: after.createdAt, _id: { $lt: after.id } }],
		};
		return this.#deliveries
			.find({ ...(status ? { status } : {}), ...(after ? { createdAt: { $lte: after.createdAt } } : {}), ...older })
			.sort({ createdAt: -1, _id: -1 })
			.limit(limit)
			.maxTimeMS(MAX_TIME_MS)
			.lean<DeliveryDocument[]>();
	}
}
