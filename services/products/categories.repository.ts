import type { Model } from "mongoose";
import { DomainError } from "../../lib/errors.ts";
import type { Categories } from "./domain/categories.ts";
import type { Category } from "./products.contract.ts";
import type { CategoriesDocument } from "./products.model.ts";

const TREE = "tree";
const MAX_TRIES = 20;

/** The tree of categories: one document, changed by compare-and-set on its version. */
export class CategoriesRepository {
	readonly #trees: Model<CategoriesDocument>;

	constructor(trees: Model<CategoriesDocument>) {
		this.#trees = trees;
	}

	async all(): Promise<Categories> {
		return (await this.#read()).categories;
	}

	/**
	 * Applies a change to the tree as it is, unless it gives the same tree back; when another came first, to the tree as that one left it.
	 * @param moved a category whose products must be put under its new path
	 */
	async change(apply: (categories: Categories) => Categories, moved?: string): Promise<Categories> {
		for (let tries = 0; tries < MAX_TRIES; tries++) {
			const { categories, version } = await this.#read();
			const next = apply(categories);
			if (next === categories) return next;
			const { modifiedCount } = await this.#trees.updateOne(
				{ _id: TREE, version },
				{
					$set: { categories: [...next] },
					$inc: { version: 1 },
					...(moved === undefined ? {} : { $addToSet: { moved } }),
				},
			);
			if (modifiedCount === 1) return next;
		}
		throw new DomainError("SERVICE_UNAVAILABLE", "The categories are changing too fast, try again");
	}

	async moved(): Promise<{ slugs: string[]; categories: Categories; version: number }> {
		const { moved, categories, version } = await this.#read();
		return { slugs: moved, categories, version };
	}

	/** Unless the tree changed meanwhile: then the next round does it again. */
	async settle(slugs: readonly string[], version: number): Promise<void> {
		await this.#trees.updateOne({ _id: TREE, version }, { $pull: { moved: { $in: [...slugs] } } });
	}

	async #read(): Promise<CategoriesDocument> {
		const known = await this.#trees.findOne({ _id: TREE }).lean<CategoriesDocument>();
		if (known) return known;
		const empty = { categories: [] as Category[], moved: [], version: 0 };
		await this.#trees.updateOne({ _id: TREE }, { $setOnInsert: empty }, { upsert: true });
		return { _id: TREE, ...empty };
	}
}
