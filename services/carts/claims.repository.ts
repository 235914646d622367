import type { Model } from "mongoose";
import { backoffMs, MAX_ATTEMPTS, type ParkedItem } from "../../lib/attempts.ts";
import type { LinePrice } from "./carts.contract.ts";
import { type CartDocument, type Claim, MAX_ATTEMPTS_KNOWN, STALE_CLAIM_MS } from "./carts.model.ts";

const MAX_TIME_MS = 5_000;
const AFTER = { returnDocument: "after", maxTimeMS: MAX_TIME_MS } as const;
const LOOK_AGAIN_MS = 5_000;

/** A cart with the claim that holds it. */
export type Held = Pick<CartDocument, "_id"> & { checkout: Claim };

/** Carts that attempts at a checkout hold. All times are the database's. */
export class ClaimRepository {
	readonly #carts: Model<CartDocument>;

	constructor(carts: Model<CartDocument>) {
		this.#carts = carts;
	}

	/** Takes an open cart that nobody holds; null when it is not, or when this key is remembered and `isNew` is not set. */
	async take(
		id: string,
		userId: string | null,
		{ orderId, keyHash }: { orderId: string; keyHash: string },
		isNew: boolean,
	): Promise<CartDocument | null> {
		const claim = {
			orderId: { $literal: orderId },
			keyHash: { $literal: keyHash },
			at: "$$NOW",
			lookAt: { $add: ["$$NOW", STALE_CLAIM_MS] },
			looks: 0,
			failures: 0,
		};
		const others = { $filter: { input: "$attempts", cond: { $ne: ["$$this.keyHash", { $literal: keyHash }] } } };
		const taken = await this.#carts.collection.findOneAndUpdate(
			{
				_id: id as never,
				userId,
				status: "open",
				checkout: null,
				...(isNew ? {} : { "attempts.keyHash": { $ne: keyHash } }),
			},
			[{ $set: { checkout: claim, attempts: others, version: { $add: ["$version", 1] }, updatedAt: "$$NOW" } }],
			AFTER,
		);
		return taken as unknown as CartDocument | null;
	}

	/** Opens the cart again, if this attempt still holds it. @param keptKey the key whose refusal the register keeps */
	async free(id: string, orderId: string, keptKey: string | undefined, prices: readonly LinePrice[]): Promise<void> {
		const remembered = keptKey === undefined ? [] : [{ keyHash: keptKey, orderId }];
		await this.#carts.collection.updateOne({ _id: id as never, status: "open", "checkout.orderId": orderId }, [
			{
				$set: {
					checkout: null,
					attempts: { $slice: [{ $concatArrays: ["$attempts", { $literal: remembered }] }, -MAX_ATTEMPTS_KNOWN] },
					...(prices.length > 0 ? { lines: repriced(prices) } : {}),
					version: { $add: ["$version", 1] },
				},
			},
		]);
	}

	async finish(id: string, orderId: string): Promise<void> {
		await this.#carts.updateOne({ _id: id, status: "open", "checkout.orderId": orderId }, [
			{ $set: { status: "ordered", updatedAt: "$$NOW", version: { $add: ["$version", 1] } } },
		]);
	}

	/**
	 * Carts that an earlier version left: their claims do not say when they are looked at, nor what was applied to them
	 * when. Safe to run on every node, at every start.
	 */
	async adopt(): Promise<void> {
		const applied = { $cond: [{ $eq: [{ $type: "$$this" }, "string"] }, { seed: "$$this", at: "$$NOW" }, "$$this"] };
		const look = { lookAt: "$$NOW", looks: 0, failures: 0 };
		const isHeld = { "checkout.at": { $type: "date" as const }, "checkout.lookAt": { $exists: false } };
		await this.#carts.collection.updateMany({ status: "open", $or: [isHeld, { applied: { $type: "string" } }] }, [
			{
				$set: {
					applied: { $map: { input: "$applied", in: applied } },
					checkout: {
						$cond: [{ $eq: [{ $type: "$checkout.at" }, "date"] }, { $mergeObjects: [look, "$checkout"] }, null],
					},
				},
			},
		]);
	}

	/** Held carts that are due to be looked at, the longest due first. */
	due(now: Date, limit: number): Promise<Held[]> {
		return this.#carts
			.find({ status: "open", "checkout.lookAt": { $type: "date", $lte: now } }, { checkout: 1 })
			.sort({ "checkout.lookAt": 1 })
			.limit(limit)
			.maxTimeMS(MAX_TIME_MS)
			.lean<Held[]>();
	}

	/** Takes this look, once among all nodes, and plans the next after a longer pause. */
	async takeLook({ _id, checkout: { orderId, looks } }: Held): Promise<boolean> {
		const pause = backoffMs(looks + 1, LOOK_AGAIN_MS);
		const { matchedCount } = await this.#carts.collection.updateOne(
			{
				_id: _id as never,
				status: "open",
				"checkout.orderId": orderId,
				"checkout.looks": looks,
				$expr: { $lte: ["$checkout.lookAt", "$$NOW"] },
			},
			[{ $set: { "checkout.looks": looks + 1, "checkout.lookAt": { $add: ["$$NOW", pause] } } }],
		);
		return matchedCount > 0;
	}

	/** A look that failed; after too many the claim is parked. */
	async lookFailed({ _id, checkout: { orderId, failures } }: Held, error: string): Promise<void> {
		const isLast = failures + 1 >= MAX_ATTEMPTS;
		await this.#carts.collection.updateOne(
			{ _id: _id as never, status: "open", "checkout.orderId": orderId, "checkout.failures": failures },
			[
				{
					$set: {
						"checkout.failures": failures + 1,
						"checkout.error": { $literal: error },
						...(isLast ? { "checkout.lookAt": null, "checkout.parkedAt": "$$NOW" } : {}),
					},
				},
			],
		);
	}

	async parked(limit: number): Promise<ParkedItem[]> {
		const carts = await this.#carts
			.find(PARKED, { checkout: 1 })
			.sort({ "checkout.parkedAt": 1 })
			.limit(limit)
			.maxTimeMS(MAX_TIME_MS)
			.lean<Held[]>();
		return carts.map(({ _id, checkout: { orderId, failures, error = "", parkedAt } }) => ({
			id: _id,
			attempts: failures,
			error,
			parkedAt: parkedAt ?? new Date(0),
			about: `held for ${orderId}`,
		}));
	}

	countParked(): Promise<number> {
		return this.#carts.countDocuments(PARKED).maxTimeMS(MAX_TIME_MS);
	}

	async resume(id: string): Promise<boolean> {
		const { matchedCount } = await this.#carts.collection.updateOne({ ...PARKED, _id: id as never }, [
			{ $set: { "checkout.lookAt": "$$NOW", "checkout.looks": 0, "checkout.failures": 0 } },
			{ $unset: "checkout.parkedAt" },
		]);
		return matchedCount > 0;
	}
}

const PARKED = { status: "open" as const, "checkout.parkedAt": { $type: "date" as const } };

/** The lines at the prices of now. One in another currency never enters a cart: its line keeps the old, and says so. */
function repriced(prices: readonly LinePrice[]) {
	const isNow = {
		$and: [{ $eq: ["$$this.sku", "$$line.sku"] }, { $eq: ["$$this.unitPrice.currency", "$currency"] }],
	};
	return {
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
}
