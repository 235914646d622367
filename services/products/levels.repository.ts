import type { Model } from "mongoose";
import { isDuplicateKey } from "../../lib/errors.ts";
import type { LevelChange } from "../inventory/inventory.contract.ts";
import type { LevelDocument } from "./products.model.ts";

/** The last level inventory told of each SKU, whether a product has it yet or not. */
export class LevelsRepository {
	readonly #levels: Model<LevelDocument>;

	constructor(levels: Model<LevelDocument>) {
		this.#levels = levels;
	}

	/** What is older than what is known changes nothing. */
	async note(changes: readonly LevelChange[]): Promise<void> {
		if (changes.length === 0) return;
		try {
			await this.#levels.collection.bulkWrite(
				changes.map(({ sku, level, sequence }) => ({
					updateOne: {
						filter: { _id: sku, sequence: { $lt: sequence } },
						update: { $set: { level, sequence } },
						upsert: true,
					},
				})) as never[],
				{ ordered: false },
			);
		} catch (error) {
			// The upsert of what is older met the id of what is newer.
			if (!isDuplicateKey(error)) throw error;
		}
	}

	async of(skus: readonly string[]): Promise<LevelChange[]> {
		const found = await this.#levels.find({ _id: { $in: skus } }).lean<LevelDocument[]>();
		return found.map(({ _id, level, sequence }) => ({ sku: _id, level, sequence }));
	}
}
