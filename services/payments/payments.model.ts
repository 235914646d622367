import { Schema } from "mongoose";
import type { OutboxEntry } from "../../lib/events.ts";
import type { Money } from "../../lib/money.ts";
import { defineModel } from "../../mixins/db.mixin.ts";
import { outboxFields, outboxIndex } from "../../mixins/outbox.mixin.ts";
import type { PaymentStatus } from "./payments.contract.ts";

export interface RefundDocument {
	id: string;
	amount: number;
	/** `pending`: asked for, and the provider has not said yet. `failed` may be asked for again under the same id. */
	status: "pending" | "done" | "failed";
}

/** The payment of one order. One that was ended stays: whoever comes late with an authorisation finds its end. */
export interface PaymentDocument {
	_id: string;
	orderId: string;
	method: string;
	amount: Money;
	status: PaymentStatus;
	chargeId: string | null;
	failure: { code: string; message: string } | null;
	captured: number;
	/** Refunds that are done. */
	refunded: number;
	/** Refunds that are under way. */
	refunding: number;
	refunds: RefundDocument[];
	/** Its order has ended without it: nothing is authorised or captured any more, and nothing may be kept. */
	isClosed: boolean;
	/** Set while money that the shop must not keep stands at the provider, or may: when that is looked at again. */
	cleanUpAt: Date | null;
	/** How often that was tried in vain. */
	cleanUps: number;
	/** How often the provider had not said or paid back yet: no failed try. */
	cleanUpWaits?: number;
	/** What the last try ended with. */
	cleanUpError: string | null;
	/** When it was given up: it waits for an operator. */
	parkedAt: Date | null;
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
		chargeId: { type: String, default: null },
		failure: { type: Schema.Types.Mixed, default: null },
		captured: { type: Number, default: 0 },
		refunded: { type: Number, default: 0 },
		refunding: { type: Number, default: 0 },
		refunds: { type: Schema.Types.Mixed, default: [] },
		isClosed: { type: Boolean, default: false },
		cleanUpAt: { type: Date, default: null },
		cleanUps: { type: Number, default: 0 },
		cleanUpWaits: { type: Number, default: 0 },
		cleanUpError: { type: String, default: null },
		parkedAt: { type: Date, default: null },
		providerEvents: { type: [String], default: [] },
		version: { type: Number, required: true },
		...outboxFields,
	},
	{ versionKey: false },
);
paymentSchema.index({ orderId: 1 }, { unique: true });
// Payments of an earlier version have none: they are found by it.
paymentSchema.index({ refunding: 1 });
// What is parked has no `cleanUpAt`: it is in the way of nothing that is due.
paymentSchema.index({ cleanUpAt: 1 }, { partialFilterExpression: { cleanUpAt: { $type: "date" } } });
paymentSchema.index({ parkedAt: 1 }, { partialFilterExpression: { parkedAt: { $type: "date" } } });

export const paymentModels = { payments: defineModel("payments", outboxIndex(paymentSchema)) };
