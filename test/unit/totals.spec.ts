import fc from "fast-check";
import { money } from "../../lib/money.ts";
import { totalsOf } from "../../lib/totals.ts";

const lines = fc.array(
	fc.record({
		quantity: fc.integer({ min: 1, max: 999 }),
		unitPrice: fc.nat(10_000_000).map(value => money(value, "EUR")),
	}),
	{
		maxLength: 50,
	},
);
const part = fc.nat(100_000_000).map(value => money(value, "EUR"));

describe("Totals", () => {
	it("are price times quantity, summed, whatever else is on the cart", () => {
		fc.assert(
			fc.property(lines, list => {
				const { subtotal, total } = totalsOf(list, "EUR");
				expect(subtotal.amount).toBe(list.reduce((sum, line) => sum + line.unitPrice.amount * line.quantity, 0));
				expect(total).toEqual(subtotal);
			}),
		);
	});

	it("add up, and never fall below zero however large the discount", () => {
		fc.assert(
			fc.property(lines, part, part, part, (list, discount, shipping, tax) => {
				const totals = totalsOf(list, "EUR", { discount, shipping, tax });
				expect(totals.total.amount).toBe(
					totals.subtotal.amount - totals.discount.amount + shipping.amount + tax.amount,
				);
				expect(totals.total.amount).toBeGreaterThanOrEqual(0);
				expect(totals.discount.amount).toBeLessThanOrEqual(totals.subtotal.amount);
			}),
		);
	});

	it("refuse lines in another currency", () => {
		expect(() => totalsOf([{ quantity: 1, unitPrice: money(1, "USD") }], "EUR")).toThrow();
	});
});
