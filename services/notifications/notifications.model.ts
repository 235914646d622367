import { Schema } from "mongoose";
import { defineModel } from "../../mixins/db.mixin.ts";

/**
 * One message to one recipient because of one event: its `_id` comes from the three, so it exists once. The address
 * is kept only as a hash.
 */
export interface DeliveryDocument {
	_id: string;
	eventId: string;
	template: string;
	channel: "email";
	messageId: string;
	status: "sending" | "sent" | "failed";
	attempts: number;
	lastError: string | null;
	createdAt: Date;
	sentAt: Date | null;
	/** What the message is about: the order, the registration. */
	aboutId: string;
	/** Counts the claims. Whoever sends writes only while this is still the number of theirs. */
	epoch: number;
	/** Until then nobody else sends it. */
	leaseUntil?: Date;
	/** Given up after too many tries: it waits for an operator. */
	parkedAt?: Date;
}

const KEEP_SECONDS = 90 * 86_400;

const deliverySchema = new Schema<DeliveryDocument>(
	{
		_id: { type: String, required: true },
		eventId: { type: String, required: true },
		template: { type: String, required: true },
		channel: { type: String, required: true },
		messageId: { type: String, required: true },
		status: { type: String, required: true },
		attempts: { type: Number, default: 0 },
		lastError: { type: String, default: null },
		createdAt: { type: Date, required: true },
		sentAt: { type: Date, default: null },
		aboutId: String,
		epoch: { type: Number, default: 0 },
		leaseUntil: Date,
		parkedAt: Date,
	},
	{ versionKey: false },
);
deliverySchema.index({ createdAt: -1, _id: -1 });
deliverySchema.index({ status: 1, createdAt: -1, _id: -1 });
deliverySchema.index({ parkedAt: 1, _id: 1 }, { sparse: true });
deliverySchema.index({ sentAt: 1 }, { expireAfterSeconds: KEEP_SECONDS });

export const notificationModels = { deliveries: defineModel("deliveries", deliverySchema) };
