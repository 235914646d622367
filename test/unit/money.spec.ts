import fc from "fast-check";
import {
	add,
	compare,
	exponentOf,
	formatMoney,
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

	it.each([
		["EUR", 2, "€1,234.56"],
		["JPY", 0, "¥123,456"],
		["KWD", 3, "KWD 123.456"],
	])("knows the minor unit of %s", (currency, exponent, text) => {
		expect(exponentOf(currency)).toBe(exponent);
		expect(formatMoney(money(123_456, currency)).replaceAll("\u00a0", " ")).toBe(text);
	});
});
