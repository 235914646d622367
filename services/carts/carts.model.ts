import { Schema } from "mongoose";
import { MAX_PRICE, type Money } from "../../lib/money.ts";
import { defineModel } from "../../mixins/db.mixin.ts";

export interface CartLineDocument {
	id: string;
	sku: string;
	productId: string;
	title: string;
	quantity: number;
	/** In the cart's currency, as it was when the line was last changed; the checkout compares it with the price then. */
	unitPrice: Money;
}

export interface Claim {
	orderId: string;
	keyHash: string;
	at: Date;
	/** While the cart is held: when to look whether its holder still lives. Null once it was looked at in vain too often. */
	lookAt: Date | null;
	looks: number;
	/** Looks that failed. */
	failures: number;
	error?: string;
	parkedAt?: Date;
}

export interface CartDocument {
	_id: string;
	/** Null for a guest: then the id is the key. */
	userId: string | null;
	currency: string;
	lines: CartLineDocument[];
	status: "open" | "ordered";
	/** The attempt at a checkout that holds the cart, or that became its order. */
	checkout: Claim | null;
	/**
	 * The last attempts that ended in a final refusal, as a hint: a repeat of their key is answered without taking the
	 * cart. What they ended in, and for how long that counts, only the register of orders knows.
	 */
	attempts: { keyHash: string; orderId: string }[];
	/** Commands whose effect is in the lines, by their seed: a repeat after a crash has none. Kept as long as keys are. */
	applied: { seed: string; at: Date }[];
	version: number;
	updatedAt: Date;
}

export const MAX_LINES = 200;
export const MAX_QUANTITY = 999;
/** Whatever they cost, and however their prices change: the sum stays an integer that a number holds exactly. */
export const MAX_PIECES = Math.floor(Number.MAX_SAFE_INTEGER / MAX_PRICE);
export const MAX_ATTEMPTS_KNOWN = 20;
/** Commands with a key that one cart takes in 24 h: beyond that they are refused, since none may be forgotten. */
export const MAX_APPLIED = 500;
/** Longer than the way from a claim to an order takes: then its process is taken for dead, and the register asked. */
export const STALE_CLAIM_MS = 15_000;
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
		applied: { type: Schema.Types.Mixed, default: [] },
		version: { type: Number, required: true },
		updatedAt: { type: Date, required: true },
	},
	{ versionKey: false },
);
cartSchema.index({ updatedAt: 1 }, { expireAfterSeconds: KEEP_SECONDS });
cartSchema.index(
	{ "checkout.lookAt": 1 },
	{ partialFilterExpression: { status: "open", "checkout.lookAt": { $type: "date" } } },
);
cartSchema.index(
	{ "checkout.parkedAt": 1 },
	{ partialFilterExpression: { status: "open", "checkout.parkedAt": { $type: "date" } } },
);

export const cartModels = { carts: defineModel("carts", cartSchema) };
