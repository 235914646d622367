import iso from "currency-codes";
import fc from "fast-check";
import { CURRENCIES } from "../../lib/currencies.ts";
import {
	add,
	compare,
	decimalOf,
	exponentOf,
	formatMoney,
	isCurrency,
	isEqual,
	type Money,
	money,
	prorate,
	subtract,
	sum,
	times,
} from "../../lib/money.ts";

const amount = fc.integer({ min: -1_000_000_000, max: 1_000_000_000 });
const eur = (value: number): Money => money(value, "EUR");

describe("Money", () => {
	it("is added and taken away without loss, in any order", () => {
		fc.assert(
			fc.property(fc.array(amount, { maxLength: 30 }), amounts => {
				const parts = amounts.map(eur);
				const forwards = sum(parts, "EUR");
				expect(isEqual(forwards, sum([...parts].reverse(), "EUR"))).toBe(true);
				for (const part of parts) expect(subtract(add(forwards, part), part)).toEqual(forwards);
			}),
		);
	});

	it("is multiplied as it is added", () => {
		fc.assert(
			fc.property(amount, fc.integer({ min: 0, max: 999 }), (value, quantity) => {
				expect(times(eur(value), quantity)).toEqual(
					sum(
						Array.from({ length: quantity }, () => eur(value)),
						"EUR",
					),
				);
			}),
			{ numRuns: 50 },
		);
	});

	it("is split into parts that add up to it exactly, each within a unit of its share", () => {
		const weights = fc
			.array(fc.integer({ min: 0, max: 100_000 }), { minLength: 1, maxLength: 40 })
			.filter(list => list.some(weight => weight > 0));
		fc.assert(
			fc.property(amount, weights, (value, list) => {
				const parts = prorate(eur(value), list);
				expect(sum(parts, "EUR")).toEqual(eur(value));
				const all = list.reduce((a, b) => a + b, 0);
				for (const [i, part] of parts.entries()) {
					expect(Math.abs(part.amount - (value * (list[i] ?? 0)) / all)).toBeLessThanOrEqual(1);
					if (list[i] === 0) expect(Math.abs(part.amount)).toBe(0);
				}
			}),
		);
	});

	it("keeps an order of weights: who weighs more never gets less", () => {
		fc.assert(
			fc.property(
				fc.nat(10_000_000),
				fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 2, maxLength: 20 }),
				(value, list) => {
					const parts = prorate(eur(value), list);
					for (const [i, a] of list.entries()) {
						for (const [j, b] of list.entries())
							if (a > b) expect(compare(parts[i] ?? eur(0), parts[j] ?? eur(0))).toBeGreaterThanOrEqual(0);
					}
				},
			),
		);
	});

	it("has one zero only", () => {
		expect(Object.is(times(eur(-1), 0).amount, 0)).toBe(true);
	});

	it("refuses what is no amount, no currency, and currencies that differ", () => {
		for (const wrong of [1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])
			expect(() => money(wrong, "EUR")).toThrow();
		expect(() => money(1, "EURO")).toThrow();
		expect(() => add(eur(1), money(1, "USD"))).toThrow();
		expect(() => compare(eur(1), money(1, "JPY"))).toThrow();
		expect(() => prorate(eur(1), [0, 0])).toThrow();
	});

	it("takes no metal, unit of banks or test code for a currency, and what was withdrawn for nothing new", () => {
		for (const code of [
			"XAU",
			"XAG",
			"XPT",
			"XPD",
			"XDR",
			"XSU",
			"XUA",
			"XAD",
			"XBA",
			"XTS",
			"XXX",
			"eur",
			"EURO",
			"",
		]) {
			expect([code, isCurrency(code)]).toEqual([code, false]);
			expect(() => money(1, code)).toThrow();
		}
		for (const code of ["HRK", "BGN", "ANG", "CUC", "SLL", "ZWL"]) {
			expect([code, isCurrency(code)]).toEqual([code, false]);
			// An order of then can still be read and refunded.
			expect(formatMoney(money(12_345, code))).toContain("123.45");
		}
	});

	it("has the minor unit that ISO 4217 gives every active currency", () => {
		// What ISO gives no minor unit ("N.A.", a zero in this data) is no price.
		const noMinorUnit = /^X(A[GUX]|B[ABCD]|DR|P[DT]|SU|TS|UA|XX)$/;
		// ISO's amendments since the list of 2024-06: 176 (ANG, now XCG), 178 (CUC), and the lev's euro of 2026.
		const withdrawn = ["ANG", "BGN", "CUC"];
		const expected = iso.data
			.filter(({ code }) => !noMinorUnit.test(code) && !withdrawn.includes(code))
			.map(({ code, digits }): [string, number] => [code, digits])
			.concat([["XCG", 2]]);
		expect(Object.fromEntries(CURRENCIES)).toEqual(Object.fromEntries(expected));
		expect(CURRENCIES.size).toBe(164);
	});
});

describe("Money as text", () => {
	const currency = fc.constantFrom(...CURRENCIES.keys());
	const any = fc.maxSafeInteger();

	it("is its amount again when it is read back, in every currency and language, digit by digit", () => {
		const locale = fc.constantFrom("en", "de", "fr", "pl", "pt-BR", "de-CH", "en-IN", "sv", "ja");
		fc.assert(
			fc.property(any, currency, locale, (value, code, language) => {
				const minus = language === "sv" ? "\u2212" : "-";
				const text = formatMoney(money(value, code), language);
				const digits = text.replace(/\D/g, "");
				expect(BigInt(`${text.includes(minus) ? "-" : ""}${digits}`)).toBe(BigInt(value));
				const point = new Intl.NumberFormat(language).formatToParts(1.5).find(({ type }) => type === "decimal")?.value;
				// The currency's own sign may hold a point ("B/.", "kr."): the last one before digits counts.
				const fraction = new RegExp(`${point === "." ? "\\." : point}(\\d+)\\D*$`).exec(text)?.[1] ?? "";
				expect([text, fraction.length]).toEqual([text, CURRENCIES.get(code)]);
			}),
			{ numRuns: 2_000 },
		);
	});

	it("is exact in major units", () => {
		fc.assert(
			fc.property(any, currency, (value, code) => {
				const [whole = "", fraction = ""] = decimalOf(money(value, code)).split(".");
				expect(fraction).toHaveLength(exponentOf(code));
				expect(BigInt(whole + fraction)).toBe(BigInt(value));
			}),
		);
	});

	it("adds up when it is split, in every currency", () => {
		const weights = fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 10 });
		fc.assert(
			fc.property(amount, currency, weights, (value, code, list) => {
				const parts = prorate(money(value, code), list);
				expect(sum(parts, code)).toEqual(money(value, code));
			}),
		);
	});

	it.each([
		["EUR", "en", "€1,234.56"],
		["EUR", "de", "1.234,56 €"],
		["EUR", "fr", "1 234,56 €"],
		["JPY", "en", "¥123,456"],
		["KWD", "en", "KWD 123.456"],
		["HUF", "en", "HUF 1,234.56"],
		["HUF", "hu", "1234,56 Ft"],
		["IDR", "en", "IDR 1,234.56"],
		["IDR", "id", "Rp 1.234,56"],
		["COP", "en", "COP 1,234.56"],
		["PKR", "en", "PKR 1,234.56"],
		["IQD", "en", "IQD 123.456"],
		["CLF", "en", "CLF 12.3456"],
		["UYW", "en", "UYW 12.3456"],
	])("writes %s for %s as %s", (code, locale, text) => {
		expect(formatMoney(money(123_456, code), locale).replaceAll(/[\u00a0\u202f]/g, " ")).toBe(text);
	});
});
