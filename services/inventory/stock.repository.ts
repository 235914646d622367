import type { AnyBulkWriteOperation, Model } from "mongoose";
import { isDuplicateKey } from "../../lib/errors.ts";
import { newId } from "../../lib/ids.ts";
import { UNDONE } from "./domain/book.ts";
import type { JournalEntry } from "./domain/ledger.ts";
import { type Hold, type LineAtLocation, stockId, TOMBSTONE_TTL_MS, type Tombstone } from "./domain/stock.ts";
import type { StockLine } from "./inventory.contract.ts";
import type { StockDocument } from "./inventory.model.ts";
import { type Cause, ending, entry, held, type StockUpdate } from "./stock.updates.ts";

const MAX_TIME_MS = 5_000;
/** Ledger entries a stock document may owe; beyond it its commands wait for the ledger. */
const MAX_JOURNAL = 1_000;

type Update = AnyBulkWriteOperation<StockDocument>;

/** What a SKU's location says of a reference: the answer to 'why did the update not match?'. */
export interface Look extends LineAtLocation {
	_id: string;
	sku: string;
	/** When the document was read: it grows with each change. */
	version: number;
	/** Entries of the reference that are on their way to the ledger. */
	journal: JournalEntry[];
	isJournalFull: boolean;
}

export type StockHead = Pick<StockDocument, "_id" | "sku" | "location">;

/**
 * The stock documents. Every change is one conditional update that also leaves its ledger entry (`journal`) and, where
 * a step of a reference ends, its tombstone (`ended`).
 */
export class StockRepository {
	readonly #stock: Model<StockDocument>;

	constructor(stock: Model<StockDocument>) {
		this.#stock = stock;
	}

	/** @returns how many lines are held now that were not before */
	reserve(lines: readonly StockLine[], hold: Omit<Hold, "quantity">, cause: Cause, now: Date): Promise<number> {
		return this.#write(
			lines.map(({ sku, quantity }) => ({
				filter: {
					sku,
					available: { $gte: quantity },
					"reservations.ref": { $ne: hold.ref },
					"ended.ref": { $ne: hold.ref },
					[`journal.${MAX_JOURNAL - 1}`]: { $exists: false },
				},
				update: {
					$inc: { available: -quantity, reserved: quantity, version: 1 },
					$push: { reservations: { ...hold, quantity }, journal: entry("reserve", -quantity, cause, now, hold.call) },
					$min: { dirtyAt: now, nextExpiryAt: hold.expiresAt },
				},
			})),
		);
	}

	/** Takes back what one call of `reserve` took, as if it had never been: no tombstone stays. */
	async undo(lines: readonly StockLine[], { ref, call }: Pick<Hold, "ref" | "call">, now: Date): Promise<void> {
		const cause = { reference: ref, reason: UNDONE, actor: null };
		await this.#write(
			lines.map(({ sku, quantity }) => ({
				filter: { sku, reservations: { $elemMatch: { ref, call, quantity } } },
				update: {
					$inc: { available: quantity, reserved: -quantity, version: 1 },
					$pull: { reservations: { ref } },
					$push: { journal: entry("release", quantity, cause, now, call) },
					$min: { dirtyAt: now },
				},
			})),
		);
	}

	/** Held → sold. @returns how many lines this call changed */
	commit(lines: readonly StockLine[], cause: Cause, now: Date): Promise<number> {
		return this.#write(
			lines.map(({ sku, quantity }) => ({
				filter: { sku, ...held(cause.reference, quantity) },
				update: {
					$inc: { reserved: -quantity, sold: quantity, version: 1 },
					$pull: { reservations: { ref: cause.reference } },
					...ending("committed", now, entry("commit", quantity, cause, now, newId("led"))),
				},
			})),
		);
	}

	/** Changes that were made from a look, each under the conditions it carries. @returns how many happened */
	apply(updates: readonly StockUpdate[]): Promise<number> {
		return updates.length === 0 ? Promise.resolve(0) : this.#write(updates);
	}

	/** Those that were there already, or that met another upsert, change nothing: see `remembering`. */
	receive(items: readonly (StockLine & Cause & { location: string })[], now: Date): Promise<number> {
		return this.#write(
			items.map(({ sku, location, quantity, ...cause }) => ({
				filter: { _id: stockId(sku, location), "ended.ref": { $ne: cause.reference } },
				update: {
					$setOnInsert: { sku, location, reserved: 0, sold: 0, returned: 0, adjusted: 0, reservations: [] },
					$inc: { available: quantity, received: quantity, version: 1 },
					...ending("received", now, entry("receive", quantity, cause, now)),
				},
				upsert: true,
			})),
		);
	}

	/** @returns whether it was done: not when it would take what is available below zero */
	async adjust(id: string, delta: number, cause: Cause, now: Date): Promise<boolean> {
		const { modifiedCount } = await this.#stock.updateOne(
			{ _id: id, available: { $gte: -delta }, "ended.ref": { $ne: cause.reference } },
			{
				$inc: { available: delta, adjusted: delta, version: 1 },
				...ending("adjusted", now, entry("adjust", delta, cause, now)),
			},
		);
		return modifiedCount === 1;
	}

	/** Ends one hold whose time is up. @returns whether this call did it */
	async expire(stock: StockHead, { ref, quantity, expiresAt, call }: Hold, now: Date): Promise<boolean> {
		const cause = { reference: ref, reason: "expired", actor: null };
		const { modifiedCount } = await this.#stock.updateOne(
			{ _id: stock._id, reservations: { $elemMatch: { ref, quantity, expiresAt } } },
			{
				$inc: { available: quantity, reserved: -quantity, version: 1 },
				$pull: { reservations: { ref } },
				...ending("expired", now, entry("release", quantity, cause, now, call)),
			},
		);
		return modifiedCount === 1;
	}

	/** Stock documents in which a hold may be over, soonest first. */
	due(now: Date, limit: number): Promise<(StockHead & Pick<StockDocument, "reservations">)[]> {
		return this.#stock
			.find({ nextExpiryAt: { $lte: now } }, { sku: 1, location: 1, reservations: 1 })
			.sort({ nextExpiryAt: 1 })
			.limit(limit)
			.maxTimeMS(MAX_TIME_MS)
			.lean<(StockHead & Pick<StockDocument, "reservations">)[]>();
	}

	/** Sets the next look at a document's holds to when the first of them ends. */
	async reschedule(id: string): Promise<void> {
		await this.#stock.updateOne({ _id: id }, [
			{ $set: { nextExpiryAt: { $ifNull: [{ $min: "$reservations.expiresAt" }, "$$REMOVE"] } } },
		]);
	}

	/** What every location of these SKUs says of a reference. */
	async look(skus: readonly string[], reference: string): Promise<Look[]> {
		const ofReference = (array: string, field = "ref") => ({
			$filter: { input: { $ifNull: [array, []] }, cond: { $eq: [`$$this.${field}`, reference] } },
		});
		const found = await this.#stock
			.aggregate<Omit<Look, "hold" | "ends"> & { holds: Hold[]; ended: Tombstone[] }>([
				{ $match: { sku: { $in: skus } } },
				{
					$project: {
						sku: 1,
						available: 1,
						version: 1,
						holds: ofReference("$reservations"),
						ended: ofReference("$ended"),
						journal: ofReference("$journal", "reference"),
						isJournalFull: { $gte: [{ $size: { $ifNull: ["$journal", []] } }, MAX_JOURNAL] },
					},
				},
			])
			.option({ maxTimeMS: MAX_TIME_MS });
		return found.map(({ holds: [hold], ended, ...rest }) => ({
			...rest,
			...(hold ? { hold } : {}),
			ends: ended.map(({ step }) => step),
		}));
	}

	/** Which of these documents remember their reference, as `<reference>:<id>`. */
	async remembering(pairs: readonly { id: string; reference: string }[]): Promise<Set<string>> {
		const references = new Map(pairs.map(({ id, reference }) => [id, reference]));
		const found = await this.#stock
			.find({ _id: { $in: [...references.keys()] } }, { ended: 1 })
			.maxTimeMS(MAX_TIME_MS)
			.lean<Pick<StockDocument, "_id" | "ended">[]>();
		return new Set(found.flatMap(({ _id, ended }) => ended.map(({ ref }) => `${ref}:${_id}`)));
	}

	/** Every location of a SKU, with its counters. */
	locations(
		sku: string,
	): Promise<(Omit<StockDocument, "reservations" | "ended" | "journal" | "dirtyAt" | "nextExpiryAt"> & StockHead)[]> {
		return this.#stock
			.find({ sku }, { reservations: 0, ended: 0, journal: 0, dirtyAt: 0, nextExpiryAt: 0 })
			.sort({ sku: 1, location: 1 })
			.maxTimeMS(MAX_TIME_MS)
			.lean<StockDocument[]>();
	}

	/** Documents whose journal waits: those named, or all that wait since `since`. */
	dirty(
		filter: { skus: string[] } | { since: Date },
		limit: number,
	): Promise<(StockHead & Pick<StockDocument, "journal">)[]> {
		const where =
			"skus" in filter
				? { sku: { $in: filter.skus }, dirtyAt: { $gt: new Date(0) } }
				: { dirtyAt: { $lte: filter.since } };
		return this.#stock
			.find(where, { sku: 1, location: 1, journal: 1 })
			.limit(limit)
			.maxTimeMS(MAX_TIME_MS)
			.lean<(StockHead & Pick<StockDocument, "journal">)[]>();
	}

	/** Sum of what is available and of the versions, per SKU over its locations. */
	async sums(skus: readonly string[]): Promise<Map<string, { available: number; version: number }>> {
		const found = await this.#stock
			.find({ sku: { $in: skus } }, { sku: 1, available: 1, version: 1 })
			.maxTimeMS(MAX_TIME_MS)
			.lean<Pick<StockDocument, "sku" | "available" | "version">[]>();
		const sums = new Map<string, { available: number; version: number }>();
		for (const { sku, available, version } of found) {
			const sum = sums.get(sku) ?? { available: 0, version: 0 };
			sums.set(sku, { available: sum.available + available, version: sum.version + version });
		}
		return sums;
	}

	/** Takes entries that are in the ledger off their documents, and the tombstones whose time is over with them. */
	async clean(written: readonly { id: string; entries: readonly string[] }[], now: Date): Promise<void> {
		const cutoff = new Date(now.getTime() - TOMBSTONE_TTL_MS);
		const operations = written.flatMap(({ id, entries }): Update[] => [
			{
				updateOne: {
					filter: { _id: id },
					update: { $pull: { journal: { id: { $in: entries } }, ended: { at: { $lt: cutoff } } } },
				},
			},
			{ updateOne: { filter: { _id: id, journal: { $size: 0 } }, update: { $unset: { dirtyAt: 1 } } } },
		]);
		if (operations.length > 0) await this.#stock.collection.bulkWrite(operations as never[], { ordered: true });
	}

	/**
	 * All updates in one round trip. A duplicate key means that the reference is there already (or that two upserts
	 * met): that update did nothing, and the caller looks why.
	 * @returns how many documents changed, −1 when that is unknown
	 */
	async #write(updates: readonly (StockUpdate & { upsert?: boolean })[]): Promise<number> {
		try {
			const { modifiedCount, upsertedCount } = await this.#stock.collection.bulkWrite(
				updates.map(updateOne => ({ updateOne })) as never[],
				{ ordered: false, maxTimeMS: MAX_TIME_MS },
			);
			return modifiedCount + upsertedCount;
		} catch (error) {
			if (isDuplicateKey(error)) return -1;
			throw error;
		}
	}
}
