import { hasPostalCode, isCountry, labelOf } from "../../lib/addresses.ts";

const address = { name: "Buyer", line1: "1 Example St", line2: "Flat 2", city: "Town" };

describe("A postal address", () => {
	it("is in a country that ISO 3166 knows, which has postal codes or not", () => {
		expect(["DE", "GB", "HK", "QA"].map(isCountry)).toEqual([true, true, true, true]);
		expect(["UK", "ZZ", "EU", "XK", "de", "DEU", ""].map(isCountry)).toEqual(Array(7).fill(false));
		expect(["DE", "GB", "US", "JP", "BR", "IN"].map(hasPostalCode)).toEqual(Array(6).fill(true));
		expect(["HK", "QA", "AE", "JM"].map(hasPostalCode)).toEqual(Array(4).fill(false));
	});

	it.each([
		["DE", "10115", undefined, ["1 Example St", "Flat 2", "10115 Town", "GERMANY"]],
		["GB", "SW1Y 4JH", undefined, ["1 Example St", "Flat 2", "Town", "SW1Y 4JH", "UNITED KINGDOM"]],
		["US", "10001", "NY", ["1 Example St", "Flat 2", "Town, NY 10001", "UNITED STATES"]],
		["QA", undefined, undefined, ["1 Example St", "Flat 2", "Town", "QATAR"]],
		// Formats that have no place for a city, or for a code that somebody has nevertheless.
		["AE", undefined, "Dubai", ["1 Example St", "Flat 2", "Town", "Dubai", "UNITED ARAB EMIRATES"]],
		["HK", "999077", undefined, ["1 Example St", "Flat 2", "999077", "Town", "HONG KONG SAR CHINA"]],
	])("to %s is written as it is there", (country, postalCode, region, lines) => {
		const fields = { ...(postalCode ? { postalCode } : {}), ...(region ? { region } : {}) };
		expect(labelOf({ ...address, country, ...fields })).toEqual(["Buyer", ...lines]);
	});

	it("of an order from nowhere has no lines, and one of a country that is gone its code", () => {
		expect(labelOf({ name: "", line1: "", city: "", country: "" })).toEqual([]);
		expect(labelOf({ ...address, country: "YU" }).at(-1)).toBe("YU");
	});
});
