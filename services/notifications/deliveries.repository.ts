import type { Model } from "mongoose";
import type { DeliveryDocument } from "./notifications.model.ts";

const MAX_TIME_MS = 5_000;

export class DeliveryRepository {
	readonly #deliveries: Model<DeliveryDocument>;

	constructor(deliveries: Model<DeliveryDocument>) {
		this.#deliveries = deliveries;
	}

	/** Claims a delivery before it is sent, so that a crash leaves a trace. @returns null when it was sent */
	async claim(
		delivery: Pick<DeliveryDocument, "_id" | "eventId" | "template" | "messageId" | "createdAt">,
	): Promise<DeliveryDocument | null> {
		const { _id, ...fields } = delivery;
		const claimed = await this.#deliveries
			.findOneAndUpdate(
				{ _id },
				{
					$setOnInsert: { ...fields, channel: "email", status: "sending", lastError: null, sentAt: null },
					$inc: { attempts: 1 },
				},
				{ upsert: true, new: true, maxTimeMS: MAX_TIME_MS },
			)
			.lean<DeliveryDocument>();
		return claimed?.status === "sent" ? null : claimed;
	}

	async sent(id: string, at: Date): Promise<void> {
		await this.#deliveries.updateOne({ _id: id }, { $set: { status: "sent", sentAt: at, lastError: null } });
	}

	async failed(id: string, lastError: string): Promise<void> {
		await this.#deliveries.updateOne({ _id: id, status: { $ne: "sent" } }, { $set: { status: "failed", lastError } });
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
