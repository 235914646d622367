import type { Model } from "mongoose";
import type { Clock } from "../../lib/clock.ts";
import { KEY_TTL_SECONDS } from "../../lib/idempotency.ts";
import type { LinePrice } from "./carts.contract.ts";
import {
	type CartDocument,
	type CartLineDocument,
	MAX_APPLIED,
	MAX_LINES,
	MAX_PIECES,
	MAX_QUANTITY,
} from "./carts.model.ts";

const MAX_TIME_MS = 5_000;
const AFTER = { returnDocument: "after", maxTimeMS: MAX_TIME_MS } as const;

const KEY_MS = KEY_TTL_SECONDS * 1000;
/** What was applied within the time that keys are kept. */
const STILL_KEPT = {
	$filter: { input: "$applied", cond: { $gt: ["$$this.at", { $subtract: ["$$NOW", KEY_MS] }] } },
};
const HAS_ROOM = { $lt: [{ $size: STILL_KEPT }, MAX_APPLIED] };

type Expression = Record<string, unknown>;

const priced = ({ unitPrice, title }: Pick<LinePrice, "unitPrice" | "title">) => ({
	unitPrice: { $literal: unitPrice },
	title: { $literal: title },
});

/** Whose cart it must be, and in which version, for a change to happen. */
export interface Guard {
	id: string;
	userId: string | null;
	ifMatch?: number | undefined;
}

/** Every change is one conditional update; null means that its condition did not hold. */
export class CartRepository {
	readonly #carts: Model<CartDocument>;
	readonly #clock: Clock;

	constructor(carts: Model<CartDocument>, clock: Clock) {
		this.#carts = carts;
		this.#clock = clock;
	}

	/** Makes a cart, or finds the one a repeat made. */
	async create(cart: Pick<CartDocument, "_id" | "userId" | "currency" | "lines">): Promise<CartDocument> {
		const { _id, ...fields } = cart;
		const made = await this.#carts.findOneAndUpdate(
			{ _id },
			{
				$setOnInsert: {
					...fields,
					status: "open",
					checkout: null,
					attempts: [],
					applied: [],
					version: 1,
					updatedAt: this.#clock.now(),
				},
			},
			{ upsert: true, new: true, lean: true, maxTimeMS: MAX_TIME_MS },
		);
		return made as CartDocument;
	}

	find(id: string): Promise<CartDocument | null> {
		return this.#carts.findById(id).maxTimeMS(MAX_TIME_MS).lean<CartDocument>();
	}

	/** Adds to the line of the same SKU, which gets the price of now, or appends one, within the limits of a cart. */
	addLine(guard: Guard, line: CartLineDocument, seed: string | undefined): Promise<CartDocument | null> {
		const isSame = { $eq: ["$$this.sku", { $literal: line.sku }] };
		const sameSku = { $filter: { input: "$lines", cond: isSame } };
		const added = {
			$cond: [
				{ $eq: [{ $size: sameSku }, 0] },
				{ $concatArrays: ["$lines", [{ $literal: line }]] },
				{
					$map: {
						input: "$lines",
						in: {
							$cond: [
								isSame,
								{
									$mergeObjects: [
										"$$this",
										{ quantity: { $add: ["$$this.quantity", line.quantity] }, ...priced(line) },
									],
								},
								"$$this",
							],
						},
					},
				},
			],
		};
		const hasRoom = {
			$or: [{ $lt: [{ $size: "$lines" }, MAX_LINES] }, { $in: [{ $literal: line.sku }, "$lines.sku"] }],
		};
		const already = { $sum: { $map: { input: sameSku, in: "$$this.quantity" } } };
		const isFew = { $lte: [{ $add: [{ $sum: "$lines.quantity" }, line.quantity] }, MAX_PIECES] };
		const isAllowed = { $and: [hasRoom, isFew, { $lte: [{ $add: [already, line.quantity] }, MAX_QUANTITY] }] };
		return this.#change(guard, added, { $expr: isAllowed, currency: line.unitPrice.currency }, seed);
	}

	/** @param now what the line costs now; not asked of a line that goes */
	setQuantity(
		guard: Guard,
		lineId: string,
		quantity: number,
		now: LinePrice | undefined,
		seed: string | undefined,
	): Promise<CartDocument | null> {
		const isLine = { $eq: ["$$this.id", lineId] };
		const changed = { quantity, ...(now ? priced(now) : {}) };
		const lines =
			quantity === 0
				? { $filter: { input: "$lines", cond: { $not: [isLine] } } }
				: { $map: { input: "$lines", in: { $cond: [isLine, { $mergeObjects: ["$$this", changed] }, "$$this"] } } };
		const others = { $filter: { input: "$lines", cond: { $ne: ["$$this.id", lineId] } } };
		const pieces = { $add: [{ $sum: { $map: { input: others, in: "$$this.quantity" } } }, quantity] };
		const isAllowed = {
			"lines.id": lineId,
			$expr: { $lte: [pieces, MAX_PIECES] },
			...(now ? { currency: now.unitPrice.currency } : {}),
		};
		return this.#change(guard, lines, isAllowed, seed);
	}

	/** Whether the cart takes no more commands with a key for now. */
	isFull({ applied }: CartDocument): boolean {
		const since = this.#clock.nowMs() - KEY_MS;
		return applied.filter(({ at }) => at.getTime() > since).length >= MAX_APPLIED;
	}

	async #change(
		guard: Guard,
		lines: Expression,
		also: Expression,
		seed: string | undefined,
	): Promise<CartDocument | null> {
		const { id, userId, ifMatch } = guard;
		const filter = {
			_id: id,
			userId,
			status: "open",
			checkout: null,
			...(ifMatch === undefined ? {} : { version: ifMatch }),
			...(seed === undefined ? {} : { "applied.seed": { $ne: seed }, $and: [{ $expr: HAS_ROOM }] }),
			...also,
		};
		const applied =
			seed === undefined
				? {}
				: { applied: { $concatArrays: [STILL_KEPT, [{ seed: { $literal: seed }, at: "$$NOW" }]] } };
		const changed = await this.#carts.collection.findOneAndUpdate(
			filter as never,
			[{ $set: { lines, ...applied, version: { $add: ["$version", 1] }, updatedAt: "$$NOW" } }],
			AFTER,
		);
		return changed as CartDocument | null;
	}
}
