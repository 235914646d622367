import { iso31661 } from "iso-3166";
import { formatAddress } from "localized-address-format";

/** Postal addresses as the countries have them. The formats are those of Google's libaddressinput. */

export interface PostalAddress {
	name: string;
	company?: string;
	line1: string;
	line2?: string;
	city: string;
	postalCode?: string;
	region?: string;
	country: string;
}

const COUNTRIES: ReadonlySet<string> = new Set(iso31661.map(({ alpha2 }) => alpha2));

/** Whether it is a code that ISO 3166-1 has given to a country: `UK` and `ZZ` are none. */
export const isCountry = (code: string): boolean => COUNTRIES.has(code);

const formatted = (fields: Parameters<typeof formatAddress>[0]): string[] => formatAddress(fields, "latin");

/** Whether a country's addresses have a postal code. */
export const hasPostalCode = (country: string): boolean =>
	formatted({ postalCountry: country, postalCode: "0" }).length > 0;

const names = new Intl.DisplayNames(["en"], { type: "region" });

/**
 * The lines of a label, in the order of the country the parcel goes to, its name last. What the format has no place for is
 * written behind the street: a parcel must never lose its city.
 */
export function labelOf({ name, company, line1, line2, city, postalCode, region, country }: PostalAddress): string[] {
	const fields = { locality: city, administrativeArea: region, postalCode };
	const given = Object.entries(fields).flatMap(([field, text]) => (text ? [{ field, text }] : []));
	const hasPlace = (field: string) => formatted({ postalCountry: country, [field]: "0" }).includes("0");
	const placed = Object.fromEntries(given.flatMap(({ field, text }) => (hasPlace(field) ? [[field, text]] : [])));
	const others = given.flatMap(({ field, text }) => (hasPlace(field) ? [] : [text]));
	const street = [line1, line2 ?? "", ...others].filter(line => line !== "");
	const lines = formatted({
		postalCountry: country,
		name,
		...(company ? { organization: company } : {}),
		addressLines: street,
		...placed,
	});
	const last = isCountry(country) ? names.of(country) : country;
	return [...lines, (last ?? country).toUpperCase()].filter(line => line !== "");
}
