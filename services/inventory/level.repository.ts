import type { Model } from "mongoose";
import { isDuplicateKey } from "../../lib/errors.ts";
import { newEvent } from "../../lib/events.ts";
import { newId } from "../../lib/ids.ts";
import { levelOf } from "./domain/stock.ts";
import type { AnnouncementDocument, LevelDocument } from "./inventory.model.ts";

const MAX_TIME_MS = 5_000;

/** The level of each SKU over all its locations, and which crossings still have to be told. */
export class LevelRepository {
	readonly #levels: Model<LevelDocument>;
	readonly #announcements: Model<AnnouncementDocument>;

	constructor(levels: Model<LevelDocument>, announcements: Model<AnnouncementDocument>) {
		this.#levels = levels;
		this.#announcements = announcements;
	}

	/**
	 * Notes the levels that these sums make. The sum of versions only grows, so what was read earlier never overwrites
	 * what was read later.
	 */
	async note(sums: ReadonlyMap<string, { available: number; version: number }>): Promise<void> {
		const operations = [...sums].map(([sku, { available, version }]) => {
			const level = levelOf(available);
			const isSame = { $eq: [{ $ifNull: ["$level", "out_of_stock"] }, level] };
			return {
				updateOne: {
					filter: { _id: sku, seen: { $lt: version } },
					update: [
						{
							$set: {
								changed: { $cond: [isSame, { $ifNull: ["$changed", 0] }, version] },
								announced: { $ifNull: ["$announced", 0] },
								level,
								seen: version,
							},
						},
					],
					upsert: true,
				},
			};
		});
		if (operations.length === 0) return;
		try {
			await this.#levels.collection.bulkWrite(operations as never[], { ordered: false });
		} catch (error) {
			// A newer sum is noted: the upsert of the older one met its id.
			if (!isDuplicateKey(error)) throw error;
		}
	}

	/**
	 * Tells the crossings of these SKUs that were not told yet, all in one event. Two nodes may tell the same; the
	 * sequence says which is newer.
	 * @returns the announcement's id, for the relay
	 */
	async announce(skus: readonly string[], now: Date): Promise<string | undefined> {
		const levels = await this.#levels
			.find({ _id: { $in: skus } })
			.maxTimeMS(MAX_TIME_MS)
			.lean<LevelDocument[]>();
		const untold = levels.filter(({ changed, announced }) => changed > announced);
		if (untold.length === 0) return undefined;
		const changes = untold.map(({ _id, level, seen }) => ({ sku: _id, level, sequence: seen }));
		const event = newEvent("inventory.level_changed", { changes }, { sequence: 1, now });
		const _id = newId("evt", now.getTime());
		await this.#announcements.collection.insertOne({ _id, at: now, outbox: [event] } as never);
		await this.#levels.collection.bulkWrite(
			untold.map(({ _id: sku, changed }) => ({
				updateOne: { filter: { _id: sku }, update: { $max: { announced: changed } } },
			})) as never[],
			{ ordered: false },
		);
		return _id;
	}
}
