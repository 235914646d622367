import { hasPostalCode, isCountry } from "../../lib/addresses.ts";
import { textRule } from "../../lib/rules.ts";

const optional = { optional: true };

type RuleErrors = { type: string; field?: string; message: string; actual: unknown }[];

const countryRule = {
	type: "string",
	length: 2,
	custom(value: unknown, errors: RuleErrors) {
		if (typeof value === "string" && !isCountry(value))
			errors.push({ type: "country", actual: value, message: "must be a country's code of ISO 3166, such as GB" });
		return value;
	},
};

/** A country that has postal codes needs one, and no other does. */
function withPostalCode(value: unknown, errors: RuleErrors, _schema: unknown, path: string): unknown {
	if (typeof value !== "object" || value === null) return value;
	const { country, postalCode } = value as { country?: unknown; postalCode?: unknown };
	if (postalCode === undefined && typeof country === "string" && isCountry(country) && hasPostalCode(country))
		errors.push({
			type: "required",
			field: `${path}.postalCode`,
			actual: postalCode,
			message: `is required: addresses in ${country} have a postal code`,
		});
	return value;
}

/** A postal address, as the contract's `Address`. */
export const addressRule = (also: object = {}) => ({
	type: "object",
	props: {
		name: textRule(200),
		company: textRule(200, optional),
		line1: textRule(200),
		line2: textRule(200, optional),
		city: textRule(100),
		postalCode: textRule(20, optional),
		region: textRule(100, optional),
		country: countryRule,
		phone: textRule(40, optional),
	},
	custom: withPostalCode,
	...also,
});
