import { MAX_PRICE } from "../../lib/money.ts";
import { currencyRule, idRule, priceRule, skuRule, textRule } from "../../lib/rules.ts";
import { SLUG_PATTERN } from "./domain/text.ts";
import { SORTS } from "./product-query.ts";

/** Validation of what products and categories are made of. */

export const slugRule = (also: object = {}) => ({ type: "string", min: 1, max: 160, pattern: SLUG_PATTERN, ...also });
export const idOrSlugRule = { type: "string", min: 1, max: 160, pattern: /^[A-Za-z0-9_-]+$/ };

/** Not what MongoDB or JavaScript would read a meaning into. */
export const ATTRIBUTE_NAME = /^(?!__proto__$|constructor$|prototype$)[^$.\0][^.\0]{0,99}$/;

const optional = { optional: true };

const options = {
	type: "record",
	key: { type: "string", pattern: ATTRIBUTE_NAME },
	value: textRule(200),
	...optional,
};

export const variantRules = {
	sku: skuRule(),
	title: textRule(500, optional),
	price: priceRule(),
	compareAtPrice: priceRule(optional),
	options,
};

export const productRules = {
	title: textRule(500),
	slug: slugRule(optional),
	description: { type: "string", max: 20_000, ...optional },
	brand: textRule(120, optional),
	categories: { type: "array", max: 20, items: slugRule(), ...optional },
	attributes: {
		type: "record",
		key: { type: "string", pattern: ATTRIBUTE_NAME },
		value: [{ type: "string", max: 5_000 }, { type: "number" }, { type: "boolean" }],
		...optional,
	},
	images: {
		type: "array",
		max: 20,
		items: { type: "string", max: 2_000, pattern: /^(https?:\/\/|\/)\S+$/ },
		...optional,
	},
	status: { type: "enum", values: ["draft", "published"], ...optional },
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
