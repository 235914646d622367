import { knownExponent } from "./currencies.ts";
import { isOneLine, parseEmail } from "./email.ts";
import { SKU_PATTERN } from "./ids.ts";
import { isCurrency, MAX_PRICE } from "./money.ts";
import { hasVisible, trimmed } from "./text.ts";

/** Validation rules that several services share, so that one field means the same everywhere. */

type RuleErrors = { type: string; message?: string; actual: unknown }[];

const code = (isValid: (code: string) => boolean) => ({
	type: "string",
	length: 3,
	custom: (value: unknown, errors: RuleErrors) => {
		if (value !== undefined && (typeof value !== "string" || !isValid(value)))
			errors.push({ type: "currency", actual: value, message: "must be an ISO 4217 currency" });
		return value;
	},
});

export const currencyRule = (also: object = {}) => ({ ...code(isCurrency), ...also });

/** A price: zero or more minor units. */
export const priceRule = (also: object = {}) => ({
	type: "object",
	props: { amount: { type: "number", integer: true, min: 0, max: MAX_PRICE }, currency: currencyRule() },
	...also,
});

/** What is or was owed: a sum of many prices, and perhaps in a currency that has been withdrawn since. */
export const amountRule = (also: object = {}) => ({
	type: "object",
	props: {
		amount: { type: "number", integer: true, min: 0, max: Number.MAX_SAFE_INTEGER },
		currency: code(known => knownExponent(known) !== undefined),
	},
	...also,
});

export const skuRule = (also: object = {}) => ({ type: "string", pattern: SKU_PATTERN, ...also });

/** How many pieces of one thing. */
export const quantityRule = (also: object = {}) => ({ type: "number", integer: true, min: 1, max: 999, ...also });

export const idRule = (also: object = {}) => ({ type: "string", min: 4, max: 80, pattern: /^[A-Za-z0-9_]+$/, ...also });

type Errors = { type: string; message?: string; actual: unknown }[];

/** A text in one line: a name, a title, a reason. It is shown to other people, in mails and on pages, as it is. */
export const textRule = (max: number, also: object = {}) => ({
	type: "string",
	trim: true,
	empty: false,
	max,
	custom(value: unknown, errors: Errors) {
		if (typeof value !== "string") return value;
		if (!isOneLine(value))
			errors.push({
				type: "oneLine",
				actual: value,
				message: "may not have control, line-break or direction characters",
			});
		else if (value !== "" && !hasVisible(value))
			errors.push({ type: "visible", actual: value, message: "must have something to see" });
		return trimmed(value);
	},
	...also,
});

/** One plain address. What the action gets is its one spelling: normalised, lower case, an ASCII domain. */
export const emailRule = (also: object = {}) => ({
	type: "string",
	trim: true,
	max: 254,
	/** For the description only. */
	format: "email",
	custom(value: unknown, errors: Errors) {
		if (typeof value !== "string") return value;
		const address = parseEmail(value);
		if (address === undefined)
			errors.push({ type: "email", actual: value, message: "must be one plain e-mail address" });
		return address ?? value;
	},
	...also,
});

export const listRules = {
	limit: { type: "number", integer: true, min: 1, max: 100, optional: true },
	cursor: { type: "string", max: 500, optional: true },
} as const;
