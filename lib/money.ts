import { CURRENCIES, knownExponent } from "./currencies.ts";
import { DomainError } from "./errors.ts";

/** An amount in the minor unit of its ISO 4217 currency: `{ amount: 129900, currency: "EUR" }` is 1,299.00 euros. */
export interface Money {
	amount: number;
	currency: string;
}

/** In minor units of any currency; 1,000,000,000.00 of one with two digits. */
export const MAX_PRICE = 1_000_000_000_00;

/** Digits after the point: 2 for EUR, 0 for JPY, 3 for KWD. Throws VALIDATION_ERROR for what is no currency. */
export function exponentOf(currency: string): number {
	const exponent = knownExponent(currency);
	if (exponent !== undefined) return exponent;
	throw new DomainError("VALIDATION_ERROR", `${currency} is not an ISO 4217 currency`);
}

/** Whether something may be priced in it today: withdrawn currencies, metals and test codes are not. */
export const isCurrency = (code: string): boolean => CURRENCIES.has(code);

export function money(amount: number, currency: string): Money {
	if (!Number.isSafeInteger(amount)) {
		throw new DomainError("VALIDATION_ERROR", `${amount} is not an amount in minor units`);
	}
	exponentOf(currency);
	// Minus zero is zero: it would not be equal to it, and not read the same.
	return { amount: amount + 0, currency };
}

export const zero = (currency: string): Money => money(0, currency);

export function add(a: Money, b: Money): Money {
	sameCurrency(a, b);
	return money(a.amount + b.amount, a.currency);
}

export function subtract(a: Money, b: Money): Money {
	sameCurrency(a, b);
	return money(a.amount - b.amount, a.currency);
}

export const times = (price: Money, quantity: number): Money => money(price.amount * quantity, price.currency);

export const sum = (parts: readonly Money[], currency: string): Money => parts.reduce(add, zero(currency));

export const isEqual = (a: Money, b: Money): boolean => a.amount === b.amount && a.currency === b.currency;

/** Negative, zero or positive as a is less than, equal to or more than b. */
export function compare(a: Money, b: Money): number {
	sameCurrency(a, b);
	return a.amount - b.amount;
}

/**
 * Splits an amount in proportion to weights (integers of 0 or more) so that the parts add up to it exactly: each part
 * is rounded down, and what is left goes, one unit each, to the largest remainders (the earlier part on a tie).
 */
export function prorate(total: Money, weights: readonly number[]): Money[] {
	const all = weights.reduce((a, b) => a + b, 0);
	if (all <= 0) throw new DomainError("VALIDATION_ERROR", "The weights of a split must add up to more than zero");
	const sign = total.amount < 0 ? -1n : 1n;
	const whole = BigInt(Math.abs(total.amount));
	const parts = weights.map((weight, index) => {
		const exact = whole * BigInt(weight);
		return { index, amount: exact / BigInt(all), remainder: exact % BigInt(all) };
	});
	let left = whole - parts.reduce((a, part) => a + part.amount, 0n);
	const byRemainder = [...parts].sort((a, b) =>
		a.remainder === b.remainder ? a.index - b.index : a.remainder > b.remainder ? -1 : 1,
	);
	for (const part of byRemainder) {
		if (left === 0n) break;
		part.amount += 1n;
		left -= 1n;
	}
	return parts.map(part => money(Number(sign * part.amount), total.currency));
}

/** In major units, exactly: "1299.00". */
export function decimalOf({ amount, currency }: Money): `${number}` {
	const exponent = exponentOf(currency);
	const digits = String(Math.abs(amount)).padStart(exponent + 1, "0");
	const whole = digits.slice(0, digits.length - exponent);
	const fraction = exponent === 0 ? "" : `.${digits.slice(-exponent)}`;
	return `${amount < 0 ? "-" : ""}${whole}${fraction}` as `${number}`;
}

/** For people, as their language writes it: "€1,299.00", "1.299,00 €"; always with all digits of the currency. */
export function formatMoney(money: Money, locale = "en"): string {
	const digits = exponentOf(money.currency);
	return new Intl.NumberFormat(locale, {
		style: "currency",
		currency: money.currency,
		minimumFractionDigits: digits,
		maximumFractionDigits: digits,
	}).format(decimalOf(money));
}

function sameCurrency(a: Money, b: Money): void {
	if (a.currency !== b.currency) {
		throw new DomainError("VALIDATION_ERROR", `${a.currency} and ${b.currency} cannot be combined`);
	}
}
