import { DomainError } from "../../../lib/errors.ts";
import { newId } from "../../../lib/ids.ts";
import { type Money, money } from "../../../lib/money.ts";
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
	/** The last row of an import that had its SKU: a later one of the same file is refused, one of a late worker is done. */
	importedBy?: ImportedBy;
}

export interface ImportedBy {
	jobId: string;
	row: number;
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

/**
 * The lowest price of a product's variants in each of their currencies, one currency a slot. Slots instead of a list,
 * because an index over a list cannot sort: a list by price asks for one currency in every slot, each by its own index.
 */
export type PriceSlots = Partial<Record<PriceSlot, { currency: string; min: number }>>;
export const PRICE_SLOTS = ["a", "b", "c", "d"] as const;
export type PriceSlot = (typeof PRICE_SLOTS)[number];

/** What lists sort and filter by: follows from the state, never set by hand. */
export interface Derived {
	titleKey: string;
	prices: PriceSlots;
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

/**
 * @param pathOf a category and all above it
 * @throws VALIDATION_ERROR for prices in too many currencies
 */
export function derive(state: ProductState, pathOf: (slug: string) => readonly string[]): Derived {
	if (!isPriceable(state)) throw invalid("variants.price", `One product has at most ${PRICE_SLOTS.length} currencies`);
	const { title, brand, mpn, variants, categories } = state;
	const path = [...new Set(categories.flatMap(pathOf))];
	return {
		titleKey: titleKey(title),
		prices: slotsOf(variants.map(({ price }) => price)),
		isInStock: variants.some(({ available }) => available !== "out_of_stock"),
		terms: termsOf(title, brand, mpn, ...variants.map(({ sku }) => sku)),
		...(path.length > 0 ? { path } : {}),
	};
}

/** Whether its variants are priced in no more currencies than a product has slots for. */
export const isPriceable = ({ variants }: ProductState): boolean =>
	new Set(variants.map(({ price }) => price.currency)).size <= PRICE_SLOTS.length;

export function slotsOf(prices: readonly Money[]): PriceSlots {
	const lowest = new Map<string, number>();
	for (const { amount, currency } of prices) lowest.set(currency, Math.min(amount, lowest.get(currency) ?? amount));
	const slots: PriceSlots = {};
	// More currencies than slots can only be in what was written before there were slots.
	for (const [i, [currency, min]] of [...lowest].slice(0, PRICE_SLOTS.length).entries())
		slots[PRICE_SLOTS[i] ?? "a"] = { currency, min };
	return slots;
}

/** The lowest price in one currency; undefined for a product that is not sold in it. */
export const lowestIn = (prices: PriceSlots, currency: string): number | undefined =>
	Object.values(prices).find(slot => slot.currency === currency)?.min;

export function newVariant(input: VariantInput, productTitle: string, nowMs: number): StoredVariant {
	const { sku, title = productTitle, price, compareAtPrice, options = {} } = input;
	if (compareAtPrice && !isReduced(price, compareAtPrice)) throw noReduction();
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
		mpn: input.mpn ?? null,
		ean: input.ean ?? [],
		releasedAt: input.releasedAt ?? null,
		variants: input.variants.map(variant => newVariant(variant, input.title, nowMs)),
	};
}

/** Only what the patch names changes. */
export function patched(state: ProductState, patch: ProductPatch): ProductState {
	const given = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
	const next = { ...state, ...given } as ProductState;
	return { ...next, description: next.description ?? "", categories: [...new Set(next.categories)] };
}

export function withVariant(state: ProductState, variant: StoredVariant): ProductState {
	const variants = [...state.variants, variant];
	distinct(variants.map(({ sku }) => sku));
	return { ...state, variants };
}

/** What a variant can be told: `null` takes the former price away. */
export type VariantChange = Partial<Omit<VariantInput, "sku" | "compareAtPrice">> & { compareAtPrice?: Money | null };

export function withChangedVariant(state: ProductState, variantId: string, change: VariantChange): ProductState {
	const { compareAtPrice, ...fields } = change;
	const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
	const { compareAtPrice: known, ...variant } = { ...variantOf(state, variantId), ...given } as StoredVariant;
	if (compareAtPrice && !isReduced(variant.price, compareAtPrice)) throw noReduction();
	const changed = repriced(variant, compareAtPrice === undefined ? known : (compareAtPrice ?? undefined));
	return { ...state, variants: state.variants.map(each => (each.id === variantId ? changed : each)) };
}

/** A former price that nobody named just now, and that the price has overtaken, says nothing true any more: it goes. */
export const repriced = (
	variant: Omit<StoredVariant, "compareAtPrice">,
	compareAtPrice: Money | undefined,
): StoredVariant =>
	compareAtPrice && isReduced(variant.price, compareAtPrice) ? { ...variant, compareAtPrice } : variant;

const isReduced = (price: Money, from: Money): boolean =>
	price.currency === from.currency && price.amount < from.amount;

const noReduction = (): DomainError =>
	invalid("compareAtPrice", "The price before must be in the currency of the price, and higher than it");

const invalid = (field: string, message: string): DomainError =>
	new DomainError("VALIDATION_ERROR", message, { errors: [{ field, code: "price", message }] });

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
