import { Schema } from "mongoose";
import type { OutboxEntry } from "../../lib/events.ts";
import type { Money } from "../../lib/money.ts";
import { defineModel } from "../../mixins/db.mixin.ts";
import { outboxFields, outboxIndex } from "../../mixins/outbox.mixin.ts";
import type { PaymentStatus } from "./payments.contract.ts";

export interface RefundDocument {
	id: string;
	amount: number;
	status: "pending" | "done" | "failed";
}

/** The payment of one order. A voided one stays: whoever comes late with an authorisation finds its end. */
export interface PaymentDocument {
	_id: string;
	orderId: string;
	method: string;
	amount: Money;
	status: PaymentStatus;
	/** The provider's token, kept until the authorisation is final: a void must be able to ask what became of it. */
	token: string | null;
	chargeId: string | null;
	failure: { code: string; message: string } | null;
	captured: number;
	/** Refunds that are done or under way. */
	refunded: number;
	refunds: RefundDocument[];
	/** Set while money the shop must not keep may still be at the provider. */
	cleanUpAt: Date | null;
	/** How often that was tried. */
	cleanUps: number;
	/** Provider events that were seen, the last few. */
	providerEvents: string[];
	version: number;
	outbox?: OutboxEntry[];
}

const paymentSchema = new Schema<PaymentDocument>(
	{
		_id: { type: String, required: true },
		orderId: { type: String, required: true },
		method: { type: String, required: true },
		amount: { type: Schema.Types.Mixed, required: true },
		status: { type: String, required: true },
		token: { type: String, default: null },
		chargeId: { type: String, default: null },
		failure: { type: Schema.Types.Mixed, default: null },
		captured: { type: Number, default: 0 },
		refunded: { type: Number, default: 0 },
		refunds: { type: Schema.Types.Mixed, default: [] },
		cleanUpAt: { type: Date, default: null },
		cleanUps: { type: Number, default: 0 },
		providerEvents: { type: [String], default: [] },
		version: { type: Number, required: true },
		...outboxFields,
	},
	{ versionKey: false },
);
paymentSchema.index({ orderId: 1 }, { unique: true });
paymentSchema.index({ cleanUpAt: 1 }, { partialFilterExpression: { cleanUpAt: { $type: "date" } } });

export const paymentModels = { payments: defineModel("payments", outboxIndex(paymentSchema)) };
