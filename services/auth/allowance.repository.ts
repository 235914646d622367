import type { Model } from "mongoose";
import { isDuplicateKey } from "../../lib/errors.ts";
import type { AllowanceDocument } from "./auth.model.ts";
import type { Allowances } from "./domain/ports.ts";

const MAX_TIME_MS = 5_000;
const DAY_MS = 86_400_000;

/** Counters of a day, by the database's clock; one update counts and starts a new day where one is due. */
export class AllowanceRepository implements Allowances {
	readonly #model: Model<AllowanceDocument>;
	readonly #idOf: (about: string) => string;

	/** @param idOf a keyed hash: nobody learns from the database about whom was counted */
	constructor(model: Model<AllowanceDocument>, idOf: (about: string) => string) {
		this.#model = model;
		this.#idOf = idOf;
	}

	async take(about: string, max: number): Promise<boolean> {
		const isToday = { $gt: ["$endsAt", "$$NOW"] };
		const count = () =>
			this.#model.collection.findOneAndUpdate(
				{ _id: this.#idOf(about) as never },
				[
					{
						$set: {
							count: { $cond: [isToday, { $add: ["$count", 1] }, 1] },
							endsAt: { $cond: [isToday, "$endsAt", { $add: ["$$NOW", DAY_MS] }] },
						},
					},
				],
				{ upsert: true, returnDocument: "after", maxTimeMS: MAX_TIME_MS },
			);
		// Two that count the first at once: one of them inserts, the other finds it.
		const counted = await count().catch((error: unknown) => {
			if (!isDuplicateKey(error)) throw error;
			return count();
		});
		return Number(counted?.["count"]) <= max;
	}
}
