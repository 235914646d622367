import { isOneLine } from "../../../lib/email.ts";
import { SKU_PATTERN } from "../../../lib/ids.ts";
import { isCurrency, MAX_PRICE, type Money } from "../../../lib/money.ts";
import { brokenTextIn, hasVisible, isIsoDate, trimmed } from "../../../lib/text.ts";
import type { Attributes } from "../products.contract.ts";
import { newProduct, type ProductState, patched, repriced } from "./product.ts";
import { SLUG_PATTERN, slugOf } from "./text.ts";

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

const ATTRIBUTE_NAME = /^(?!__proto__$|constructor$|prototype$)[^$.\0][^.\0]{0,199}$/;
const MAX_ATTRIBUTES = 1_000;

type Check = (value: unknown) => string | undefined;

const text =
	(max: number): Check =>
	value =>
		typeof value === "string" && hasVisible(value) && trimmed(value).length <= max && isOneLine(trimmed(value))
			? undefined
			: `must be one line of 1 to ${max} characters, not all invisible`;

const listOf =
	(max: number, each: Check): Check =>
	value => {
		if (!Array.isArray(value) || value.length > max) return `must be a list of at most ${max}`;
		return value.map(each).find(problem => problem !== undefined);
	};

const isPlain = (value: unknown): value is Record<string, unknown> =>
	typeof value === "object" && value !== null && !Array.isArray(value);

const price: Check = value => {
	if (!isPlain(value)) return "must be { amount, currency }";
	const { amount, currency, ...rest } = value;
	if (Object.keys(rest).length > 0) return "has unknown fields";
	if (!Number.isSafeInteger(amount) || Number(amount) < 0 || Number(amount) > MAX_PRICE)
		return "needs an amount of 0 or more minor units";
	return typeof currency === "string" && isCurrency(currency) ? undefined : "needs an ISO 4217 currency";
};

/** A whole number above 2^53 has lost its last digits before anybody could look at it: it must come as a text. */
const isExact = (value: number): boolean =>
	Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));

const attributes: Check = value => {
	if (!isPlain(value)) return "must be an object";
	const entries = Object.entries(value);
	if (entries.length > MAX_ATTRIBUTES) return `has more than ${MAX_ATTRIBUTES} fields`;
	const odd = entries.find(
		([name, field]) =>
			!ATTRIBUTE_NAME.test(name) ||
			!(typeof field === "string" || typeof field === "boolean" || (typeof field === "number" && isExact(field))),
	);
	return odd && `has a field that is not a text, a number or a boolean: ${odd[0].slice(0, 60)}`;
};

const matching =
	(pattern: RegExp, what: string): Check =>
	value =>
		typeof value === "string" && pattern.test(value) ? undefined : `must be ${what}`;

const isDate: Check = value =>
	typeof value === "string" && isIsoDate(value)
		? undefined
		: "must be a date that exists, as ISO 8601 writes it: 2024-02-29";

/** Blanks around these are nobody's intention. */
const ONE_LINE: ReadonlySet<string> = new Set(["title", "brand", "mpn"]);

const FIELDS: Record<keyof ImportRow, { check: Check; isRequired?: boolean }> = {
	sku: { check: matching(SKU_PATTERN, "1 to 64 letters, digits and . _ : + -"), isRequired: true },
	title: { check: text(500), isRequired: true },
	price: { check: price, isRequired: true },
	mpn: { check: text(300) },
	ean: { check: listOf(500, text(32)) },
	brand: { check: text(120) },
	description: { check: value => (typeof value === "string" && value.length <= 20_000 ? undefined : "is too long") },
	releasedAt: { check: isDate },
	imageUrl: { check: matching(/^https?:\/\/\S{1,2000}$/, "an http or https URL") },
	categories: { check: listOf(20, matching(SLUG_PATTERN, "a list of category slugs")) },
	attributes: { check: attributes },
};

/**
 * @param line undefined for bytes that are not UTF-8
 * @returns the row, or what is wrong with it: a bad row never stops an import
 */
export function parseRow(line: string | undefined): { row: ImportRow } | { error: RowError } {
	if (line === undefined) return { error: { code: "INVALID_ENCODING", message: "This line is not UTF-8" } };
	let value: unknown;
	try {
		value = JSON.parse(line);
	} catch {
		return { error: { code: "INVALID_JSON", message: "This line is not JSON" } };
	}
	if (!isPlain(value)) return { error: { code: "INVALID_JSON", message: "This line is not a JSON object" } };
	if (brokenTextIn(value) !== undefined)
		return { error: { code: "INVALID_ENCODING", message: "A text of this line holds half a character" } };
	const unknown = Object.keys(value).find(name => !Object.hasOwn(FIELDS, name));
	if (unknown !== undefined) return invalid(`${unknown.slice(0, 60)} is not a known field`);
	for (const [name, { check, isRequired }] of Object.entries(FIELDS)) {
		const field = value[name];
		if (field === undefined || field === null) {
			if (isRequired) return invalid(`${name} is missing`);
			delete value[name];
			continue;
		}
		const problem = check(field);
		if (problem !== undefined) return invalid(`${name} ${problem}`);
		if (ONE_LINE.has(name)) value[name] = trimmed(field as string);
	}
	return { row: value as unknown as ImportRow };
}

const invalid = (message: string) => ({ error: { code: "VALIDATION_ERROR", message } });

/** A product that a row makes: on sale at once. Titles repeat in real catalogues, so the SKU makes its slug unique. */
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

function fieldsOf(state: ProductState, { mpn, ean, brand, description, releasedAt, imageUrl, ...row }: ImportRow) {
	const { categories, attributes: fields } = row;
	const given = patched(state, {
		...(brand === undefined ? {} : { brand }),
		...(description === undefined ? {} : { description }),
		...(categories === undefined ? {} : { categories }),
		...(fields === undefined ? {} : { attributes: fields }),
		...(imageUrl === undefined ? {} : { images: [imageUrl] }),
	});
	return {
		...given,
		...(mpn === undefined ? {} : { mpn }),
		...(ean === undefined ? {} : { ean }),
		...(releasedAt === undefined ? {} : { releasedAt }),
	};
}
