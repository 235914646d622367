import { add, type Money, subtract, sum, zero } from "../../../lib/money.ts";
import type { OrderTotals } from "../orders.contract.ts";

/** I4: Σ lines − discount + shipping + tax = total. The inputs beside the lines are zero until their services exist. */
export function totalsOfLines(
	lines: readonly { lineTotal: Money }[],
	currency: string,
	{ discount = zero(currency), shipping = zero(currency), tax = zero(currency) } = {},
): OrderTotals {
	const subtotal = sum(
		lines.map(line => line.lineTotal),
		currency,
	);
	return { subtotal, discount, shipping, tax, total: add(add(subtract(subtotal, discount), shipping), tax) };
}
