import type { Model } from "mongoose";
import type { Clock } from "../../lib/clock.ts";
import type { CheckoutAttempt, LinePrice } from "./carts.contract.ts";
import { type CartDocument, type CartLineDocument, MAX_LINES, MAX_QUANTITY, MAX_REMEMBERED } from "./carts.model.ts";

const MAX_TIME_MS = 5_000;
const AFTER = { returnDocument: "after", maxTimeMS: MAX_TIME_MS } as const;

type Expression = Record<string, unknown>;

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

	/** Adds to the line of the same SKU, or appends one, within the limits of a cart. */
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
								{ $mergeObjects: ["$$this", { quantity: { $add: ["$$this.quantity", line.quantity] } }] },
								"$$this",
							],
						},
					},
				},
			],
		};
		const hasRoom = { $or: [{ $lt: [{ $size: "$lines" }, MAX_LINES] }, { $in: [line.sku, "$lines.sku"] }] };
		const already = { $sum: { $map: { input: sameSku, in: "$$this.quantity" } } };
		const isAllowed = { $and: [hasRoom, { $lte: [{ $add: [already, line.quantity] }, MAX_QUANTITY] }] };
		return this.#change(guard, added, { $expr: isAllowed, currency: line.unitPrice.currency }, seed);
	}

	setQuantity(guard: Guard, lineId: string, quantity: number, seed: string | undefined): Promise<CartDocument | null> {
		const isLine = { $eq: ["$$this.id", lineId] };
		const lines =
			quantity === 0
				? { $filter: { input: "$lines", cond: { $not: [isLine] } } }
				: { $map: { input: "$lines", in: { $cond: [isLine, { $mergeObjects: ["$$this", { quantity }] }, "$$this"] } } };
		return this.#change(guard, lines, { "lines.id": lineId }, seed);
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
		const priced = {
			$map: {
				input: "$lines",
				as: "line",
				in: {
					$mergeObjects: [
						"$$line",
						{
							$first: {
								$map: {
									input: { $filter: { input: { $literal: prices }, cond: { $eq: ["$$this.sku", "$$line.sku"] } } },
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
					...(prices.length > 0 ? { lines: priced } : {}),
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
