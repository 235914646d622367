import { Schema } from "mongoose";
import { defineModel } from "../../mixins/db.mixin.ts";
import { outboxFields, outboxIndex } from "../../mixins/outbox.mixin.ts";
import { type Derived, PRICE_SLOTS, type ProductState } from "./domain/product.ts";
import type { Availability, Category } from "./products.contract.ts";

/** A product with its variants. A deleted one keeps only its id and its last events for a while. */
export interface ProductDocument extends Omit<ProductState, "status">, Derived {
	_id: string;
	status: "draft" | "published" | "deleted";
	/** `<job>:<row>` of the import that made it. */
	createdBy: string | null;
	/** Those it had before, whose addresses lead to it. */
	oldSlugs?: string[];
	/** The version of the tree that the mover last put it in its place by. */
	pathVersion?: number;
	createdAt: Date;
	updatedAt: Date;
	deletedAt?: Date;
	/** What editors see and `If-Match` names: raised by edits only. */
	version: number;
	/** Raised by each write, also one of stock, an import's note or a category that moved: what replaces a product names it. */
	revision?: number;
}

const KEEP_DELETED_SECONDS = 30 * 86_400;

const price = { amount: Number, currency: String, _id: false };

const productSchema = new Schema<ProductDocument>(
	{
		_id: String,
		slug: String,
		title: String,
		description: String,
		brand: { type: String, default: null },
		categories: { type: [String], default: undefined },
		images: { type: [String], default: undefined },
		attributes: Schema.Types.Mixed,
		status: String,
		mpn: { type: String, default: null },
		ean: { type: [String], default: undefined },
		releasedAt: { type: String, default: null },
		variants: {
			type: [
				{
					id: String,
					sku: String,
					title: String,
					price,
					compareAtPrice: price,
					options: Schema.Types.Mixed,
					available: String,
					sequence: Number,
					importedBy: { type: { jobId: String, row: Number, _id: false }, default: undefined },
					_id: false,
				},
			],
			default: undefined,
		},
		titleKey: String,
		prices: Schema.Types.Mixed,
		isInStock: Boolean,
		terms: { type: [String], default: undefined },
		path: { type: [String], default: undefined },
		createdBy: String,
		oldSlugs: { type: [String], default: undefined },
		pathVersion: Number,
		createdAt: Date,
		updatedAt: Date,
		deletedAt: Date,
		version: Number,
		revision: Number,
		...outboxFields,
	},
	{ versionKey: false, minimize: false },
);
productSchema.index({ slug: 1 }, { unique: true, sparse: true });
productSchema.index({ oldSlugs: 1 }, { sparse: true });
productSchema.index({ "variants.sku": 1 }, { unique: true, sparse: true });
// One per sort, alone and behind what a list is narrowed by: `product-query.ts` names the one it means.
const hasPath = { path: { $exists: true } };
for (const sort of ["createdAt", "titleKey"]) {
	productSchema.index({ [sort]: 1, _id: 1 });
	productSchema.index({ terms: 1, [sort]: 1, _id: 1 });
	productSchema.index({ brand: 1, [sort]: 1, _id: 1 });
	productSchema.index({ path: 1, [sort]: 1, _id: 1 }, { partialFilterExpression: hasPath });
}
// By price within a currency: one for every slot. Most products are sold in one currency, so the later ones stay small.
for (const slot of PRICE_SLOTS) {
	const currency = `prices.${slot}.currency`;
	const price = { [currency]: 1, [`prices.${slot}.min`]: 1, _id: 1 } as const;
	const isUsed = { [currency]: { $exists: true } };
	productSchema.index(price, { partialFilterExpression: isUsed });
	productSchema.index({ terms: 1, ...price }, { partialFilterExpression: isUsed });
	productSchema.index({ brand: 1, ...price }, { partialFilterExpression: isUsed });
	productSchema.index({ path: 1, ...price }, { partialFilterExpression: { ...hasPath, ...isUsed } });
}
productSchema.index({ status: 1, createdAt: 1, _id: 1 });
productSchema.index({ deletedAt: 1 }, { expireAfterSeconds: KEEP_DELETED_SECONDS, sparse: true });
outboxIndex(productSchema);

export const productModel = defineModel("products", productSchema);

/** The level of each SKU as inventory told it last, also of SKUs that no product has yet. `_id` is the SKU. */
export interface LevelDocument {
	_id: string;
	level: Availability;
	sequence: number;
}

export const levelModel = defineModel(
	"levels",
	new Schema<LevelDocument>({ _id: String, level: String, sequence: Number }, { versionKey: false }),
);

/** All categories in one document, so that no two moves at once can tie a knot. `_id` is `tree`. */
export interface CategoriesDocument {
	_id: string;
	categories: Category[];
	/** Categories whose products may still stand under the path they had. */
	moved: string[];
	version: number;
}

export const categoriesModel = defineModel(
	"categories",
	new Schema<CategoriesDocument>(
		{
			_id: String,
			categories: [{ id: String, slug: String, title: String, parent: String, version: Number, _id: false }],
			moved: [String],
			version: Number,
		},
		{ versionKey: false },
	),
);
