import { CURRENCIES } from "../../lib/currencies.ts";
import { money } from "../../lib/money.ts";
import { totalsOf } from "../../lib/totals.ts";
import { orderConfirmation } from "../../services/notifications/templates/order-confirmation.ts";
import type { Order } from "../../services/orders/orders.contract.ts";

const orderIn = (currency: string): Order => {
	const unitPrice = money(1_234_567, currency);
	const line = { id: "lin_1", sku: "L-1", productId: "prd_1", title: "Lamp", quantity: 2, unitPrice };
	const totals = totalsOf([line], currency);
	return {
		id: "ord_1",
		number: "S-1",
		status: "paid",
		email: "ada@shop.test",
		lines: [{ ...line, lineTotal: totals.total }],
		totals,
		shippingAddress: { name: "Ada", line1: "1 Main St", city: "Paris", postalCode: "75001", country: "FR" },
		payment: { status: "captured", method: "test", amount: totals.total },
		fulfilments: [],
		refunds: [],
		history: [],
		createdAt: "2026-01-01T00:00:00.000Z",
		version: 1,
	} as unknown as Order;
};
const DIGITS = ["2,469,134", "246,913.4", "24,691.34", "2,469.134", "246.9134"];

describe("The mail that confirms an order", () => {
	it("says nothing that the buyer has written: the address that it goes to may be a stranger's", () => {
		const order = orderIn("EUR");
		const spam = "Win at evil.example";
		const names = { name: spam, company: spam, line1: spam, line2: spam, city: spam, region: spam };
		const [good, bad] = ["75001", spam].map(postalCode =>
			orderConfirmation({ ...order, shippingAddress: { ...names, postalCode, country: "FR" } } as Order),
		);
		for (const mail of [good, bad]) expect(`${mail?.subject} ${mail?.text} ${mail?.html}`).not.toContain("evil");
		expect(good?.text).toContain("Shipped to 75001, FR.");
		expect(bad?.text).toContain("Shipped to FR.");
	});

	it.each([...CURRENCIES])("writes what was paid in %s with %i digits, in all its parts", (currency, digits) => {
		const { text, html } = orderConfirmation(orderIn(currency));
		const amount = DIGITS[digits] ?? "";
		// Paid, the line, the subtotal and the total.
		const shown = [...text.matchAll(/\d[\d,.]*\d{2,}(?!\d)/g)]
			.map(([found]) => found)
			.filter(found => found !== "75001");
		expect([shown.length, new Set(shown)]).toEqual([4, new Set([amount])]);
		expect(html.split(amount)).toHaveLength(5);
	});
});
