import { textRule } from "../../lib/rules.ts";

const optional = { optional: true };

/** A postal address, as the contract's `Address`. */
export const addressRule = (also: object = {}) => ({
	type: "object",
	props: {
		name: textRule(200),
		company: textRule(200, optional),
		line1: textRule(200),
		line2: textRule(200, optional),
		city: textRule(100),
		postalCode: textRule(20),
		region: textRule(100, optional),
		country: { type: "string", pattern: /^[A-Z]{2}$/ },
		phone: textRule(40, optional),
	},
	...also,
});
