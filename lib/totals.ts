import { add, type Money, subtract, sum, times, zero } from "./money.ts";

export interface PricedLine {
	unitPrice: Money;
	quantity: number;
}

/** What is not in the lines: decided elsewhere, zero until the services that decide it exist. */
export interface Adjustments {
	discount?: Money;
	shipping?: Money;
	tax?: Money;
}

export interface Totals {
	subtotal: Money;
	discount: Money;
	shipping: Money;
	tax: Money;
	total: Money;
}

export const lineTotal = ({ unitPrice, quantity }: PricedLine): Money => times(unitPrice, quantity);

/** I4, for carts and orders alike: Σ lines − discount + shipping + tax, never below zero, all in one currency. */
export function totalsOf(lines: readonly PricedLine[], currency: string, adjustments: Adjustments = {}): Totals {
	const subtotal = sum(lines.map(lineTotal), currency);
	const asked = adjustments.discount ?? zero(currency);
	const discount = asked.amount > subtotal.amount ? subtotal : asked;
	const shipping = adjustments.shipping ?? zero(currency);
	const tax = adjustments.tax ?? zero(currency);
	return { subtotal, discount, shipping, tax, total: add(add(subtract(subtotal, discount), shipping), tax) };
}
