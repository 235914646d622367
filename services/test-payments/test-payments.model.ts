import { Schema } from "mongoose";
import type { Money } from "../../lib/money.ts";
import { defineModel } from "../../mixins/db.mixin.ts";
import type { LedgerItem } from "../payments/payments.contract.ts";
import type { Settlement } from "./domain/cards.ts";

export type ChargeState = "pending" | "authorized" | "captured" | "voided" | "declined";

export interface LedgerEntryDocument {
	kind: LedgerItem["kind"];
	amount: Money;
	key: string;
	at: Date;
}

export interface WebhookDocument {
	eventId: string;
	outcome: Settlement;
	/** When it is sent (again); null when it was given up. */
	nextAt: Date | null;
	/** How often it was sent, and the epoch of whoever sends it. */
	attempts: number;
	error: string | null;
	parkedAt: Date | null;
}

/** One charge with all its movements of money: the provider's own truth. */
export interface ChargeDocument {
	_id: string;
	orderId: string;
	/** The idempotency key of its authorisation. */
	authorizeKey: string;
	amount: Money;
	state: ChargeState;
	code: string | null;
	refunded: number;
	entries: LedgerEntryDocument[];
	/** How often its authorisation was asked for. */
	attempts: number;
	/** Which token it was charged with: what it does later depends on it. */
	card: string;
	/** Refunds that were asked for and answered `pending`, by their keys. */
	refundsAsked: string[];
	/** How many of its card's settlements were told. */
	settled: number;
	/** The webhook that tells its next settlement; null when there is none to send. */
	webhook: WebhookDocument | null;
	createdAt: Date;
}

const chargeSchema = new Schema<ChargeDocument>(
	{
		_id: { type: String, required: true },
		orderId: { type: String, required: true },
		authorizeKey: { type: String, required: true },
		amount: { type: Schema.Types.Mixed, required: true },
		state: { type: String, required: true },
		code: { type: String, default: null },
		refunded: { type: Number, default: 0 },
		entries: { type: Schema.Types.Mixed, default: [] },
		attempts: { type: Number, default: 0 },
		card: { type: String, default: "unknown" },
		refundsAsked: { type: [String], default: [] },
		settled: { type: Number, default: 0 },
		webhook: { type: Schema.Types.Mixed, default: null },
		createdAt: { type: Date, required: true },
	},
	{ versionKey: false },
);
chargeSchema.index({ authorizeKey: 1 }, { unique: true });
chargeSchema.index({ orderId: 1, createdAt: 1 });
chargeSchema.index({ createdAt: 1, _id: 1 });
chargeSchema.index({ "webhook.nextAt": 1 }, { partialFilterExpression: { "webhook.nextAt": { $type: "date" } } });
chargeSchema.index({ "webhook.parkedAt": 1 }, { partialFilterExpression: { "webhook.parkedAt": { $type: "date" } } });

export const chargeModels = { charges: defineModel("charges", chargeSchema) };
