import type { Model } from "mongoose";
import type { Clock } from "../../lib/clock.ts";
import type { CheckoutAttempt, LinePrice } from "./carts.contract.ts";
import {
	type CartDocument,
	type CartLineDocument,
	MAX_LINES,
	MAX_PIECES,
	MAX_QUANTITY,
	MAX_REMEMBERED,
} from "./carts.model.ts";

const MAX_TIME_MS = 5_000;
const AFTER = { returnDocument: "after", maxTimeMS: MAX_TIME_MS } as const;

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
		const isSame = { $eq: ["$$this.sku", line.sku] };
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
		const hasRoom = { $or: [{ $lt: [{ $size: "$lines" }, MAX_LINES] }, { $in: [line.sku, "$lines.sku"] }] };
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

	/** Takes an open cart for an order; a key that ended before, or another checkout, keeps it out. */
	claim(
		id: string,
		userId: string | null,
		checkout: { orderId: string; keyHash: string },
	): Promise<CartDocument | null> {
		return this.#carts
			.findOneAndUpdate(
				{ _id: id, userId, status: "open", checkout: null, "attempts.keyHash": { $ne: checkout.keyHash } },
				{
					$set: { checkout: { ...checkout, at: this.#clock.now() }, updatedAt: this.#clock.now() },
					$inc: { version: 1 },
				},
				{ new: true, maxTimeMS: MAX_TIME_MS },
			)
			.lean<CartDocument>();
	}

	async free(
		id: string,
		orderId: string,
		attempt: CheckoutAttempt | undefined,
		prices: readonly LinePrice[],
	): Promise<void> {
		const remembered = attempt ? [attempt] : [];
		// A price in another currency never enters a cart: that line keeps the old one, and its problem is shown.
		const isNow = {
			$and: [{ $eq: ["$$this.sku", "$$line.sku"] }, { $eq: ["$$this.unitPrice.currency", "$currency"] }],
		};
		const repriced = {
			$map: {
				input: "$lines",
				as: "line",
				in: {
					$mergeObjects: [
						"$$line",
						{
							$first: {
								$map: {
									input: { $filter: { input: { $literal: prices }, cond: isNow } },
									in: { unitPrice: "$$this.unitPrice", title: "$$this.title" },
								},
							},
						},
					],
				},
			},
		};
		await this.#carts.collection.updateOne({ _id: id as never, status: "open", "checkout.orderId": orderId }, [
			{
				$set: {
					checkout: null,
					attempts: { $slice: [{ $concatArrays: ["$attempts", { $literal: remembered }] }, -MAX_REMEMBERED] },
					...(prices.length > 0 ? { lines: repriced } : {}),
					version: { $add: ["$version", 1] },
				},
			},
		]);
	}

	async finish(id: string, orderId: string): Promise<void> {
		await this.#carts.updateOne(
			{ _id: id, status: "open", "checkout.orderId": orderId },
			{ $set: { status: "ordered", updatedAt: this.#clock.now() }, $inc: { version: 1 } },
		);
	}

	/** Carts held for longer than any checkout lives. */
	staleClaims(olderThan: Date, limit: number): Promise<CartDocument[]> {
		return this.#carts
			.find({ status: "open", "checkout.at": { $lt: olderThan } })
			.limit(limit)
			.maxTimeMS(MAX_TIME_MS)
			.lean<CartDocument[]>();
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
			...(seed === undefined ? {} : { applied: { $ne: seed } }),
			...also,
		};
		const applied =
			seed === undefined ? {} : { applied: { $slice: [{ $concatArrays: ["$applied", [seed]] }, -MAX_REMEMBERED] } };
		const changed = await this.#carts.collection.findOneAndUpdate(
			filter as never,
			[{ $set: { lines, ...applied, version: { $add: ["$version", 1] }, updatedAt: this.#clock.now() } }],
			AFTER,
		);
		return changed as CartDocument | null;
	}
}
