import { DomainError } from "../../../lib/errors.ts";
import { newId } from "../../../lib/ids.ts";
import { money } from "../../../lib/money.ts";
import type {
	Attributes,
	Availability,
	ProductInput,
	ProductPatch,
	Variant,
	VariantInput,
} from "../products.contract.ts";
import { termsOf, titleKey } from "./text.ts";

/** A variant as it is stored: `sequence` says how new `available` is. */
export interface StoredVariant extends Variant {
	sequence: number;
}

/** What a shopkeeper says about a product. */
export interface ProductState {
	slug: string;
	title: string;
	description: string;
	brand: string | null;
	/** Slugs, as they were assigned. */
	categories: string[];
	images: string[];
	attributes: Attributes;
	status: "draft" | "published";
	mpn: string | null;
	ean: string[];
	releasedAt: string | null;
	variants: StoredVariant[];
}

/** What lists sort and filter by: follows from the state, never set by hand. */
export interface Derived {
	titleKey: string;
	/** The lowest price of its variants, in minor units. */
	minPrice: number;
	isInStock: boolean;
	terms: string[];
	/** The assigned categories and all above them; absent without any. */
	path?: string[];
}

/** Only what a shopkeeper says: the rest is derived, or not theirs to change. */
export const stateOf = (state: ProductState): ProductState => ({
	slug: state.slug,
	title: state.title,
	description: state.description,
	brand: state.brand,
	categories: state.categories,
	images: state.images,
	attributes: state.attributes,
	status: state.status,
	mpn: state.mpn,
	ean: state.ean,
	releasedAt: state.releasedAt,
	variants: state.variants,
});

/** @param pathOf a category and all above it */
export function derive(state: ProductState, pathOf: (slug: string) => readonly string[]): Derived {
	const { title, brand, mpn, variants, categories } = state;
	const path = [...new Set(categories.flatMap(pathOf))];
	return {
		titleKey: titleKey(title),
		minPrice: Math.min(...variants.map(({ price }) => price.amount)),
		isInStock: variants.some(({ available }) => available !== "out_of_stock"),
		terms: termsOf(title, brand, mpn, ...variants.map(({ sku }) => sku)),
		...(path.length > 0 ? { path } : {}),
	};
}

export function newVariant(input: VariantInput, productTitle: string, nowMs: number): StoredVariant {
	const { sku, title = productTitle, price, compareAtPrice, options = {} } = input;
	return {
		id: newId("var", nowMs),
		sku,
		title,
		price: money(price.amount, price.currency),
		...(compareAtPrice ? { compareAtPrice: money(compareAtPrice.amount, compareAtPrice.currency) } : {}),
		options,
		available: "out_of_stock",
		sequence: 0,
	};
}

export function newProduct(input: ProductInput, slug: string, nowMs: number): ProductState {
	distinct(input.variants.map(({ sku }) => sku));
	return {
		slug,
		title: input.title,
		description: input.description ?? "",
		brand: input.brand ?? null,
		categories: [...new Set(input.categories)],
		images: input.images ?? [],
		attributes: input.attributes ?? {},
		status: input.status ?? "draft",
		mpn: null,
		ean: [],
		releasedAt: null,
		variants: input.variants.map(variant => newVariant(variant, input.title, nowMs)),
	};
}

/** Only what the patch names changes. */
export function patched(state: ProductState, patch: ProductPatch): ProductState {
	const given = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
	const next = { ...state, ...given } as ProductState;
	return { ...next, categories: [...new Set(next.categories)] };
}

export function withVariant(state: ProductState, variant: StoredVariant): ProductState {
	const variants = [...state.variants, variant];
	distinct(variants.map(({ sku }) => sku));
	return { ...state, variants };
}

export function withChangedVariant(
	state: ProductState,
	variantId: string,
	change: Partial<Omit<VariantInput, "sku">>,
): ProductState {
	const variant = variantOf(state, variantId);
	const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
	const changed = { ...variant, ...given } as StoredVariant;
	return { ...state, variants: state.variants.map(each => (each.id === variantId ? changed : each)) };
}

/** A product without anything to buy makes no sense: the last variant goes with its product only. */
export function withoutVariant(state: ProductState, variantId: string): ProductState {
	variantOf(state, variantId);
	const variants = state.variants.filter(({ id }) => id !== variantId);
	if (variants.length > 0) return { ...state, variants };
	throw new DomainError("CONFLICT", "A product keeps at least one variant: delete the product instead");
}

export const AVAILABILITIES: readonly Availability[] = ["in_stock", "low_stock", "out_of_stock"];

function variantOf(state: ProductState, variantId: string): StoredVariant {
	const variant = state.variants.find(({ id }) => id === variantId);
	if (!variant) throw new DomainError("NOT_FOUND", `Variant ${variantId} was not found`);
	return variant;
}

/** A unique index does not look for duplicates within one document. */
function distinct(skus: readonly string[]): void {
	const twice = skus.find((sku, i) => skus.indexOf(sku) !== i);
	if (twice !== undefined) throw skuInUse(twice);
}

export const skuInUse = (sku?: string): DomainError =>
	new DomainError("CONFLICT", sku === undefined ? "A SKU is in use" : `The SKU ${sku} is in use`, {
		errors: [{ field: "variants.sku", code: "IN_USE", message: "Every SKU belongs to one variant of one product" }],
	});

export const slugInUse = (slug: string): DomainError =>
	new DomainError("CONFLICT", `The slug ${slug} is in use`, {
		errors: [{ field: "slug", code: "IN_USE", message: "Choose another one" }],
	});
