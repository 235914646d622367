import { Schema } from "mongoose";
import { MAX_PRICE, type Money } from "../../lib/money.ts";
import { defineModel } from "../../mixins/db.mixin.ts";
import type { CheckoutAttempt } from "./carts.contract.ts";

export interface CartLineDocument {
	id: string;
	sku: string;
	productId: string;
	title: string;
	quantity: number;
	/** In the cart's currency, as it was when the line was last changed; the checkout compares it with the price then. */
	unitPrice: Money;
}

export interface CartDocument {
	_id: string;
	/** Null for a guest: then the id is the key. */
	userId: string | null;
	currency: string;
	lines: CartLineDocument[];
	status: "open" | "ordered";
	/** The checkout that holds the cart. */
	checkout: { orderId: string; keyHash: string; at: Date } | null;
	/** Ended checkouts without an order, by key; the last few. */
	attempts: CheckoutAttempt[];
	/** Commands whose effect is in the lines, by their seed: a repeat after a crash has none. */
	applied: string[];
	version: number;
	updatedAt: Date;
}

export const MAX_LINES = 200;
export const MAX_QUANTITY = 999;
/** Whatever they cost, and however their prices change: the sum stays an integer that a number holds exactly. */
export const MAX_PIECES = Math.floor(Number.MAX_SAFE_INTEGER / MAX_PRICE);
export const MAX_REMEMBERED = 50;
const KEEP_SECONDS = 30 * 86_400;

const cartSchema = new Schema<CartDocument>(
	{
		_id: { type: String, required: true },
		userId: { type: String, default: null },
		currency: { type: String, required: true },
		lines: { type: Schema.Types.Mixed, default: [] },
		status: { type: String, required: true },
		checkout: { type: Schema.Types.Mixed, default: null },
		attempts: { type: Schema.Types.Mixed, default: [] },
		applied: { type: [String], default: [] },
		version: { type: Number, required: true },
		updatedAt: { type: Date, required: true },
	},
	{ versionKey: false },
);
cartSchema.index({ updatedAt: 1 }, { expireAfterSeconds: KEEP_SECONDS });
cartSchema.index(
	{ "checkout.at": 1 },
	{ partialFilterExpression: { status: "open", "checkout.at": { $exists: true } } },
);

export const cartModels = { carts: defineModel("carts", cartSchema) };
