import type { Model } from "mongoose";
import { type DomainError, isDuplicateKey, notFound } from "../../lib/errors.ts";
import type { OutboxEntry } from "../../lib/events.ts";
import { hasOutboxRoom } from "../../mixins/outbox.mixin.ts";
import type { Derived, ProductState } from "./domain/product.ts";
import { skuInUse, slugInUse } from "./domain/product.ts";
import type { ProductQuery } from "./product-query.ts";
import type { Quote } from "./products.contract.ts";
import type { ProductDocument } from "./products.model.ts";

const MAX_TIME_MS = 5_000;
/** What answers are made of: not what lists are searched by. */
const SHOWN = { terms: 0, path: 0, outbox: 0, createdBy: 0 } as const;

export type NewProduct = Omit<ProductDocument, "status"> & { status: ProductState["status"]; outbox?: OutboxEntry[] };
export type LiveProduct = Omit<ProductDocument, "status"> & { status: ProductState["status"] };

export class ProductsRepository {
	readonly #products: Model<ProductDocument>;

	constructor(products: Model<ProductDocument>) {
		this.#products = products;
	}

	/** One page and one more, by which the caller knows that there is a next one. */
	async page({ branches, limit, compare }: ProductQuery): Promise<ProductDocument[]> {
		const found = await Promise.all(
			branches.map(({ filter, after, sort, hint }) =>
				this.#products
					.find({ $and: [filter, after] }, SHOWN)
					.sort(sort)
					.hint(hint)
					.limit(limit + 1)
					.maxTimeMS(MAX_TIME_MS)
					.lean<ProductDocument[]>(),
			),
		);
		const [only = []] = found;
		return found.length === 1
			? only
			: found
					.flat()
					.sort(compare)
					.slice(0, limit + 1);
	}

	/** No product is in two branches. */
	async count({ branches }: ProductQuery): Promise<number> {
		const counts = await Promise.all(
			branches.map(({ filter, hint }) => this.#products.countDocuments(filter).hint(hint).maxTimeMS(MAX_TIME_MS)),
		);
		return counts.reduce((a, b) => a + b, 0);
	}

	/** @param by an id or a slug: never both in one query */
	find(by: { _id: string } | { slug: string }): Promise<LiveProduct | null> {
		return this.#products
			.findOne({ ...by, status: { $ne: "deleted" } }, SHOWN)
			.maxTimeMS(MAX_TIME_MS)
			.lean<LiveProduct>();
	}

	/** Where a product on sale is by now that had this slug once. */
	async movedTo(slug: string): Promise<string | undefined> {
		const moved = await this.#products
			.findOne({ oldSlugs: slug, status: "published" }, { slug: 1 })
			.maxTimeMS(MAX_TIME_MS)
			.lean<Pick<LiveProduct, "slug">>();
		return moved?.slug;
	}

	/** The published ones of these SKUs, as they are now. */
	async quotes(skus: readonly string[]): Promise<Quote[]> {
		const wanted = new Set(skus);
		const fields = { title: 1, "variants.id": 1, "variants.sku": 1, "variants.title": 1, "variants.price": 1 };
		const found = await this.#products
			.find({ "variants.sku": { $in: [...wanted] }, status: "published" }, fields)
			.maxTimeMS(MAX_TIME_MS)
			.lean<Pick<ProductDocument, "_id" | "title" | "variants">[]>();
		return found.flatMap(({ _id, title, variants }) =>
			variants
				.filter(({ sku }) => wanted.has(sku))
				.map(variant => ({
					sku: variant.sku,
					productId: _id,
					variantId: variant.id,
					title: variant.title === title ? title : `${title} – ${variant.title}`,
					price: variant.price,
				})),
		);
	}

	/** @throws CONFLICT when the slug or a SKU is in use */
	async insert(product: NewProduct): Promise<void> {
		try {
			await this.#products.collection.insertOne(product as never);
		} catch (error) {
			throw isDuplicateKey(error) ? conflictOf(error, product.slug) : error;
		}
	}

	/**
	 * Replaces what is known of a product if nobody wrote to it since it was read.
	 * @returns whether it was so
	 * @throws CONFLICT when the slug or a SKU is in use
	 */
	async replace(
		{ _id, version, revision }: LiveProduct,
		next: ProductState & Derived & Pick<ProductDocument, "oldSlugs">,
		now: Date,
		event: OutboxEntry,
	): Promise<boolean> {
		try {
			// Not by the model, which would add empty objects for prices that a variant does not have.
			const { modifiedCount } = await this.#products.collection.updateOne(
				{ _id: _id as never, ...unchanged({ version, revision }), status: { $ne: "deleted" }, ...hasOutboxRoom },
				{ ...replacement(next, now), $push: { outbox: event } } as never,
			);
			return modifiedCount === 1;
		} catch (error) {
			throw isDuplicateKey(error) ? conflictOf(error, next.slug) : error;
		}
	}

	/** Frees its slug and SKUs at once; the id stays for its last events. @returns whether it was still in `version` */
	async remove(id: string, version: number, now: Date, event: OutboxEntry): Promise<boolean> {
		const gone = Object.fromEntries(
			["slug", "oldSlugs", "variants", "terms", "path", "brand", "titleKey", "prices", "attributes", "description"].map(
				field => [field, 1],
			),
		);
		const { modifiedCount } = await this.#products.updateOne(
			{ _id: id, version, status: { $ne: "deleted" } },
			{
				$set: { status: "deleted", deletedAt: now, updatedAt: now },
				$unset: gone as never,
				$inc: { version: 1, revision: 1 },
				$push: { outbox: event },
			},
		);
		return modifiedCount === 1;
	}

	async hasCategory(slug: string): Promise<boolean> {
		return (await this.#products.exists({ path: slug }).maxTimeMS(MAX_TIME_MS)) !== null;
	}

	/**
	 * Puts the products of a category that moved under its new path.
	 * @param tree the version of the tree it follows from: who was held up and has an older one changes nothing
	 */
	async repath(slug: string, pathOf: (categories: readonly string[]) => string[], tree: number): Promise<void> {
		const found = this.#products.find({ path: slug }, { categories: 1, path: 1 }).lean().cursor({ batchSize: 200 });
		for await (const product of found as AsyncIterable<Pick<ProductDocument, "_id" | "categories" | "path">>) {
			const path = pathOf(product.categories);
			const isSame = path.join() === product.path?.join();
			await this.#products.updateOne(
				{ _id: product._id, categories: product.categories, pathVersion: { $not: { $gt: tree } } },
				{ $set: { path, pathVersion: tree }, ...(isSame ? {} : { $inc: { revision: 1 } }) },
			);
		}
	}

	/**
	 * Writes down how available these SKUs are, unless something newer is known.
	 * @returns whether anything changed
	 */
	async setLevels(levels: readonly { sku: string; level: string; sequence: number }[]): Promise<boolean> {
		if (levels.length === 0) return false;
		const { modifiedCount } = await this.#products.collection.bulkWrite(
			levels.map(({ sku, level, sequence }) => ({
				updateOne: {
					filter: { "variants.sku": sku, variants: { $elemMatch: { sku, sequence: { $lt: sequence } } } },
					update: levelUpdate(sku, level, sequence),
				},
			})) as never[],
			{ ordered: false },
		);
		return modifiedCount > 0;
	}
}

export async function mustFind(found: Promise<LiveProduct | null>): Promise<LiveProduct> {
	const product = await found;
	if (!product) throw notFound("The product");
	return product;
}

/** The condition that nobody wrote to a product meanwhile, neither an edit nor anything else. */
export const unchanged = ({ version, revision }: Pick<ProductDocument, "version" | "revision">) => ({
	version,
	revision: revision ?? null,
});

/** The update that makes a product what it is to be. A path it no longer has must go: `$set` alone would keep it. */
export const replacement = (next: ProductState & Derived, now: Date) => ({
	$set: { ...next, updatedAt: now },
	$inc: { version: 1, revision: 1 },
	...(next.path === undefined ? { $unset: { path: 1 as const } } : {}),
});

/** Which of the two unique indexes refused. */
function conflictOf(error: unknown, slug: string): DomainError {
	const { keyPattern, keyValue } = error as { keyPattern?: object; keyValue?: Record<string, unknown> };
	if (keyPattern && "slug" in keyPattern) return slugInUse(slug);
	const sku = keyValue?.["variants.sku"];
	return skuInUse(typeof sku === "string" ? sku : undefined);
}

/** One variant's level, and with it whether the product can be bought at all. */
function levelUpdate(sku: string, level: string, sequence: number): Record<string, unknown>[] {
	const isOlder = { $and: [{ $eq: ["$$this.sku", { $literal: sku }] }, { $lt: ["$$this.sequence", sequence] }] };
	const changed = { $mergeObjects: ["$$this", { available: level, sequence }] };
	return [
		{
			$set: {
				variants: { $map: { input: "$variants", in: { $cond: [isOlder, changed, "$$this"] } } },
				revision: { $add: [{ $ifNull: ["$revision", 0] }, 1] },
			},
		},
		{
			$set: {
				isInStock: {
					$anyElementTrue: [{ $map: { input: "$variants", in: { $ne: ["$$this.available", "out_of_stock"] } } }],
				},
			},
		},
	];
}
