import type { Action, ListParams, Page } from "../../lib/contracts.ts";
import type { Money } from "../../lib/money.ts";

export type Availability = "in_stock" | "low_stock" | "out_of_stock";
type OneValue = string | number | boolean;
export type AttributeValue = OneValue | OneValue[];
export type Attributes = Record<string, AttributeValue>;

export interface Variant {
	id: string;
	sku: string;
	title: string;
	price: Money;
	compareAtPrice?: Money;
	options: Record<string, string>;
	available: Availability;
}

export interface Product {
	id: string;
	slug: string;
	title: string;
	description: string;
	brand: string | null;
	categories: string[];
	images: string[];
	attributes: Attributes;
	variants: Variant[];
	createdAt: string;
	updatedAt: string;
	version: number;
}

/** What staff see beside it. */
export interface AdminProduct extends Product {
	status: "draft" | "published";
	mpn: string | null;
	ean: string[];
	releasedAt: string | null;
}

export interface Category {
	id: string;
	slug: string;
	title: string;
	/** The parent's slug. */
	parent: string | null;
	version: number;
}
export interface CategoryTree extends Category {
	children: CategoryTree[];
}
export interface CategoryWithPath extends Category {
	/** From the root to this category itself. */
	path: { slug: string; title: string }[];
}

export interface VariantInput {
	sku: string;
	title?: string;
	price: Money;
	compareAtPrice?: Money;
	options?: Record<string, string>;
}
export interface ProductInput {
	title: string;
	slug?: string;
	description?: string;
	brand?: string;
	categories?: string[];
	attributes?: Attributes;
	images?: string[];
	status?: "draft" | "published";
	mpn?: string;
	ean?: string[];
	/** A day of ISO 8601, alone or with its time. */
	releasedAt?: string;
	variants: VariantInput[];
}
type Clearable = "description" | "brand" | "mpn" | "releasedAt";
/** Null takes away. */
export type ProductPatch = Partial<Omit<ProductInput, "variants" | Clearable>> & {
	[K in Clearable]?: string | null;
};

export interface ProductFilters extends ListParams {
	/** A category's slug; products of its descendants count too. */
	category?: string;
	brand?: string;
	q?: string;
	/** Only what is sold in it; what the other two and a sort by price are in. The shop's, when only those are given. */
	currency?: string;
	/** Minor units of `currency`. */
	priceMin?: number;
	priceMax?: number;
	inStock?: boolean;
}

/** The price of a SKU as it is now. */
export interface Quote {
	sku: string;
	productId: string;
	variantId: string;
	title: string;
	price: Money;
}

export interface ImportJob {
	id: string;
	status: "running" | "done" | "failed";
	/** Rows of the file, once it is spooled: what a progress bar counts to. */
	total: number;
	processed: number;
	created: number;
	updated: number;
	failed: number;
	/** Rows counted from 1; the first 1,000 errors. */
	errors: { row: number; code: string; message: string }[];
	createdAt: string;
	finishedAt: string | null;
}

export interface ProductsActions {
	"products.list": Action<ProductFilters, Page<Product>>;
	"products.get": Action<{ idOrSlug: string }, Product>;
	"products.listCategories": Action<void, { items: CategoryTree[] }>;
	"products.getCategory": Action<{ slug: string }, CategoryWithPath>;
	"products.adminList": Action<ProductFilters & { status?: "draft" | "published" }, Page<AdminProduct>>;
	"products.adminGet": Action<{ id: string }, AdminProduct>;
	/** CONFLICT when a SKU or the slug is in use. */
	"products.create": Action<ProductInput, AdminProduct>;
	"products.update": Action<{ id: string } & ProductPatch, AdminProduct>;
	"products.remove": Action<{ id: string }, void>;
	"products.addVariant": Action<{ id: string } & VariantInput, AdminProduct>;
	/** `compareAtPrice: null` takes it away. */
	"products.updateVariant": Action<
		{ id: string; variantId: string; compareAtPrice?: Money | null } & Partial<
			Omit<VariantInput, "sku" | "compareAtPrice">
		>,
		AdminProduct
	>;
	"products.removeVariant": Action<{ id: string; variantId: string }, AdminProduct>;
	"products.createCategory": Action<{ slug: string; title: string; parent?: string }, Category>;
	"products.updateCategory": Action<{ slug: string; title?: string; parent?: string | null }, Category>;
	"products.removeCategory": Action<{ slug: string }, void>;
	/** The NDJSON body is in `ctx.stream`; answers once it is spooled whole. */
	"products.import": Action<{ stock?: number }, { jobId: string }>;
	"products.importJob": Action<{ id: string }, ImportJob>;
	/** Internal, one query: the published SKUs of those asked for, with their prices now. */
	"products.quote": Action<{ skus: string[] }, { quotes: Quote[] }>;
}

export interface ProductsEvents {
	"product.created": { productId: string; skus: string[] };
	"product.updated": { productId: string; changed: string[] };
	/** One for every batch of an import, instead of one for every product. */
	"product.imported": { jobId: string; created: string[]; updated: string[] };
	"product.deleted": { productId: string; skus: string[] };
}

declare module "../../lib/contracts.ts" {
	interface ActionContracts extends ProductsActions {}
	interface EventContracts extends ProductsEvents {}
}
