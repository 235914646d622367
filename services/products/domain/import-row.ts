import type { Money } from "../../../lib/money.ts";
import type { Attributes } from "../products.contract.ts";
import { newProduct, type ProductState, patched, repriced } from "./product.ts";
import { slugOf } from "./text.ts";

/** One line of a catalogue file: one product with one variant. */
export interface ImportRow {
	sku: string;
	title: string;
	price: Money;
	mpn?: string;
	ean?: string[];
	brand?: string;
	description?: string;
	releasedAt?: string;
	imageUrl?: string;
	categories?: string[];
	attributes?: Attributes;
}

export interface RowError {
	code: string;
	message: string;
}

/** A file that is no catalogue shows that before it has cost much: most of its rows are refused. */
const MAX_REFUSED = 20_000;

/** Whether it is not worth to go on with a file. */
export const isHopeless = ({ failed, processed }: { failed: number; processed: number }): boolean =>
	failed > MAX_REFUSED && failed * 2 > processed;

export const HOPELESS: RowError = {
	code: "TOO_MANY_REFUSED",
	message: `More than ${MAX_REFUSED} rows, and more than half of all, were refused: the rest was not read`,
};

/**
 * A product that a row makes: on sale at once. Titles repeat in real catalogues, so the SKU makes its slug unique; the slug
 * is empty when neither has a letter.
 */
export function productFromRow(row: ImportRow, nowMs: number): ProductState {
	const { sku, title, price: amount } = row;
	const state = newProduct(
		{ title, status: "published", variants: [{ sku, price: amount }] },
		slugOf(title, sku),
		nowMs,
	);
	return fieldsOf(state, row);
}

/** What a row makes of a product that has its SKU: fields it does not name stay. */
export function updatedByRow(state: ProductState, row: ImportRow): ProductState {
	const isOnly = state.variants.length === 1;
	const variants = state.variants.map(({ compareAtPrice, ...variant }) =>
		variant.sku === row.sku
			? repriced(
					{ ...variant, price: row.price, ...(isOnly && variant.title === state.title ? { title: row.title } : {}) },
					compareAtPrice,
				)
			: repriced(variant, compareAtPrice),
	);
	return fieldsOf({ ...state, title: isOnly ? row.title : state.title, variants }, row);
}

function fieldsOf(state: ProductState, { sku: _, title: __, price: ___, imageUrl, ...told }: ImportRow): ProductState {
	return patched(state, { ...told, ...(imageUrl === undefined ? {} : { images: [imageUrl] }) });
}
