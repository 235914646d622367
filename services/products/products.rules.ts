import { MAX_PRICE } from "../../lib/money.ts";
import { currencyRule, idRule, priceRule, skuRule, textRule } from "../../lib/rules.ts";
import { isIsoDate } from "../../lib/text.ts";
import { SLUG_PATTERN } from "./domain/text.ts";
import { SORTS } from "./product-query.ts";

/** Validation of what products and categories are made of. */

export const slugRule = (also: object = {}) => ({ type: "string", min: 1, max: 160, pattern: SLUG_PATTERN, ...also });
export const idOrSlugRule = { type: "string", min: 1, max: 160, pattern: /^[\p{L}\p{M}\p{N}_-]+$/u };

/** Not what MongoDB or JavaScript would read a meaning into; a dot has none within a document. */
export const ATTRIBUTE_NAME = /^(?!__proto__$|constructor$|prototype$)[^$\0][^\0]{0,199}$/;

const optional = { optional: true };

const options = {
	type: "record",
	key: { type: "string", pattern: ATTRIBUTE_NAME },
	value: textRule(200),
	...optional,
};

const MAX_ATTRIBUTES = 1_000;
const MAX_VALUES = 100;
const MAX_TEXT = 20_000;

export const variantRules = {
	sku: skuRule(),
	title: textRule(500, optional),
	price: priceRule(),
	compareAtPrice: priceRule(optional),
	options,
};

type RuleErrors = { type: string; message?: string; actual: unknown }[];

const oneValue = [
	// Lists of compatible models run to many thousands of characters in real catalogues.
	{ type: "string", max: MAX_TEXT },
	{
		type: "number",
		/** A whole number above 2^53 lost its last digits before anybody could look at it: it must come as a text. */
		custom(value: unknown, errors: RuleErrors) {
			if (Number.isInteger(value) && !Number.isSafeInteger(value))
				errors.push({ type: "exact", actual: value, message: "is too large to be exact: write it as a text" });
			return value;
		},
	},
	{ type: "boolean" },
];

const attributes = {
	type: "record",
	key: { type: "string", pattern: ATTRIBUTE_NAME },
	value: [...oneValue, { type: "array", max: MAX_VALUES, items: oneValue }],
	custom(value: unknown, errors: RuleErrors) {
		if (typeof value === "object" && value !== null && Object.keys(value).length > MAX_ATTRIBUTES)
			errors.push({ type: "recordMax", actual: value, message: `has more than ${MAX_ATTRIBUTES} names` });
		return value;
	},
	...optional,
};

const dateRule = {
	type: "string",
	custom(value: unknown, errors: RuleErrors) {
		if (typeof value === "string" && !isIsoDate(value))
			errors.push({
				type: "date",
				actual: value,
				message: "must be a date that exists, as ISO 8601 writes it: 2024-02-29",
			});
		return value;
	},
	...optional,
};

/** What a product is told by its makers: the same for each door it comes in by. */
const told = {
	description: { type: "string", max: MAX_TEXT, ...optional },
	brand: textRule(120, optional),
	categories: { type: "array", max: 20, items: slugRule(), ...optional },
	attributes,
	mpn: textRule(300, optional),
	/** One as a text, or several. */
	ean: { type: "array", max: 500, items: textRule(32), convert: true, ...optional },
	releasedAt: dateRule,
};

const imageRule = { type: "string", max: 2_000, pattern: /^(https?:\/\/|\/)\S+$/ };

export const productRules = {
	title: textRule(500),
	slug: slugRule(optional),
	...told,
	images: { type: "array", max: 20, items: imageRule, ...optional },
	status: { type: "enum", values: ["draft", "published"], ...optional },
};

/** What a change may take away again. */
export const clearable = {
	description: { ...told.description, nullable: true },
	brand: { ...told.brand, nullable: true },
	mpn: { ...told.mpn, nullable: true },
	releasedAt: { ...dateRule, nullable: true },
};

/** A line of a catalogue file: a product with one variant, by the same rules. */
export const rowRules = {
	sku: variantRules.sku,
	title: productRules.title,
	price: { ...variantRules.price, strict: true },
	...told,
	imageUrl: { ...imageRule, ...optional },
};

/** Filters come in the query string, as text. */
export const filterRules = {
	category: slugRule(optional),
	brand: textRule(120, optional),
	q: { type: "string", max: 200, ...optional },
	currency: currencyRule(optional),
	priceMin: { type: "number", integer: true, min: 0, max: MAX_PRICE, convert: true, ...optional },
	priceMax: { type: "number", integer: true, min: 0, max: MAX_PRICE, convert: true, ...optional },
	inStock: { type: "boolean", convert: true, ...optional },
	limit: { type: "number", integer: true, min: 1, max: 100, convert: true, ...optional },
	cursor: { type: "string", min: 1, max: 1_000, ...optional },
	sort: { type: "enum", values: SORTS, ...optional },
	count: { type: "boolean", convert: true, ...optional },
};

export const productIdRule = idRule();
