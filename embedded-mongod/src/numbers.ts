// BSON's four kinds of numbers: exact comparison, and arithmetic that keeps the kind MongoDB gives a result.
import { Decimal128, Double, Long } from "bson";
import { MongoError, notImplemented } from "./errors.ts";

/**
 * In memory a number is JavaScript's own where writing it gives the same kind again: whole ones of 32 bits are ints,
 * all others doubles. The rest are bson's objects: Long, Decimal128, and Double for whole doubles of 32 bits.
 */
export type Kind = "int" | "long" | "double" | "decimal";

const kindOfObject: Record<string, Kind> = { Int32: "int", Long: "long", Double: "double", Decimal128: "decimal" };

export const isInt32 = (n: number): boolean => (n | 0) === n && !Object.is(n, -0);

/** Of a value that is known to be a number. */
export function kindOf(v: unknown): Kind {
	if (typeof v === "number") return isInt32(v) ? "int" : "double";
	return kindOfObject[(v as { _bsontype: string })._bsontype] ?? "double";
}

/** A double as it is kept in memory. */
export const asDouble = (n: number): unknown => (isInt32(n) ? new Double(n) : n);

const LEAST = -(2n ** 63n);
const MOST = 2n ** 63n - 1n;
/** A whole number as the smaller of int and long that holds it; undefined when neither does. */
function asWhole(n: bigint, isLong: boolean): unknown {
	if (!isLong && n >= -2147483648n && n <= 2147483647n) return Number(n);
	return n >= LEAST && n <= MOST ? Long.fromBigInt(n) : undefined;
}
const bigOf = (v: unknown): bigint => (v instanceof Long ? v.toBigInt() : BigInt(Number(v)));

/** A decimal as `digits` times ten to the power of `exponent`; undefined for infinities and NaN. */
interface Decimal {
	digits: bigint;
	exponent: number;
}
function decimalOf(v: unknown): Decimal | undefined {
	const match = /^(-?)(\d*)(?:\.(\d*))?(?:E([+-]?\d+))?$/i.exec(String(v));
	if (!match) return undefined;
	const [, sign = "", whole = "", fraction = "", exponent = "0"] = match;
	return { digits: BigInt(`${sign}${whole}${fraction}` || "0"), exponent: Number(exponent) - fraction.length };
}
/** As MongoDB: of a double that meets a decimal, fifteen digits count. */
const decimalFrom = (v: unknown): Decimal | undefined =>
	kindOf(v) === "double" ? decimalOf(Number(v).toPrecision(15)) : decimalOf(String(v));

const pow10 = (n: number) => 10n ** BigInt(n);
const MOST_DIGITS = 34;

function toDecimal128({ digits, exponent }: Decimal): Decimal128 {
	let n = digits;
	let e = exponent;
	while ((n < 0n ? -n : n) >= pow10(MOST_DIGITS) && n % 10n === 0n) {
		n /= 10n;
		e++;
	}
	if ((n < 0n ? -n : n) >= pow10(MOST_DIGITS)) throw notImplemented("a decimal result of more than 34 digits");
	return Decimal128.fromString(`${n}E${e}`);
}

interface Fraction {
	top: bigint;
	bottom: bigint;
}
/** The double's own value, to the last bit. */
function fractionOf(n: number): Fraction {
	let shift = 0;
	let m = n;
	while (!Number.isInteger(m)) {
		m *= 2;
		shift++;
	}
	return { top: BigInt(m), bottom: 2n ** BigInt(shift) };
}

function compareDecimal(a: unknown, b: unknown): number {
	const x = exactOf(a);
	const y = exactOf(b);
	// NaN and the infinities stand before or behind whatever is finite.
	if (!x || !y) return compareDoubles(x ? 0 : Number(a), y ? 0 : Number(b));
	const difference = x.top * y.bottom - y.top * x.bottom;
	return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}
/** The value to the last digit; undefined for NaN and the infinities. */
function exactOf(v: unknown): Fraction | undefined {
	if (kindOf(v) === "double") return Number.isFinite(Number(v)) ? fractionOf(Number(v)) : undefined;
	const decimal = decimalOf(v);
	if (!decimal) return undefined;
	const { digits, exponent } = decimal;
	if (digits === 0n || exponent === 0) return { top: digits, bottom: 1n };
	return exponent < 0 ? { top: digits, bottom: pow10(-exponent) } : { top: digits * pow10(exponent), bottom: 1n };
}

function compareDoubles(x: number, y: number): number {
	if (x < y) return -1;
	if (x > y) return 1;
	if (x === y) return 0;
	return Number.isNaN(x) ? (Number.isNaN(y) ? 0 : -1) : 1;
}

/** By value, whatever the kinds, to the last digit. NaN is less than all others. */
export function compareNumbers(a: unknown, b: unknown): number {
	if (typeof a === "number" && typeof b === "number") return compareDoubles(a, b);
	const kinds = [kindOf(a), kindOf(b)];
	if (kinds.includes("decimal")) return compareDecimal(a, b);
	if (kinds.includes("long")) {
		const x = Number(a);
		const y = Number(b);
		// Rounding to doubles keeps the order; only where they come out equal the digits decide.
		if (x !== y || !Number.isFinite(x)) return compareDoubles(x, y);
		const difference = BigInt(kinds[0] === "double" ? x : bigOf(a)) - BigInt(kinds[1] === "double" ? y : bigOf(b));
		return difference < 0n ? -1 : difference > 0n ? 1 : 0;
	}
	return compareDoubles(Number(a), Number(b));
}

/** Equal numbers give equal texts, whatever their kinds. */
export function numberKey(v: unknown): string {
	if (typeof v === "number" && Number.isSafeInteger(v)) return `n${v === 0 ? 0 : v}`;
	const kind = kindOf(v);
	if (kind === "long") return `n${bigOf(v)}`;
	const n = Number(v);
	if (kind !== "decimal") return Number.isInteger(n) ? `n${BigInt(n)}` : `n${n}`;
	const exact = decimalOf(v);
	if (!exact) return `n${n}`;
	if (exact.digits === 0n) return "n0";
	let { digits, exponent } = exact;
	for (; digits % 10n === 0n; exponent++) digits /= 10n;
	if (exponent >= 0 && exponent < 400) return `n${digits * pow10(exponent)}`;
	// A fraction may be a double's value too.
	return Number.isFinite(n) && n !== 0 && compareDecimal(v, n) === 0 ? `n${n}` : `n${digits}E${exponent}`;
}

type Operation = "add" | "subtract" | "multiply";
function onBig(op: Operation, a: bigint, b: bigint): bigint {
	return op === "add" ? a + b : op === "subtract" ? a - b : a * b;
}
function onDouble(op: Operation, a: number, b: number): number {
	return op === "add" ? a + b : op === "subtract" ? a - b : a * b;
}

/**
 * Ints that do not fit become longs; a double makes the result a double, a decimal makes it a decimal.
 * @param isStrict a long that does not fit is an error, as in updates; expressions go on with a double
 */
export function calculate(op: Operation, a: unknown, b: unknown, isStrict = false): unknown {
	if (typeof a === "number" && typeof b === "number") {
		const n = onDouble(op, a, b);
		const isWhole = isInt32(a) && isInt32(b);
		if (isInt32(n)) return isWhole ? n : new Double(n);
		// Minus zero is 0 among ints.
		if (!isWhole) return n;
		if (n === 0) return 0;
		return asWhole(onBig(op, BigInt(a), BigInt(b)), false);
	}
	const kinds = [kindOf(a), kindOf(b)];
	if (kinds.includes("decimal")) return onDecimals(op, a, b);
	if (kinds.includes("double")) return asDouble(onDouble(op, Number(a), Number(b)));
	const whole = asWhole(onBig(op, bigOf(a), bigOf(b)), kinds.includes("long"));
	if (whole !== undefined) return whole;
	if (isStrict) throw new MongoError(2, "BadValue", `Failed to ${op} ${a} and ${b}: the result does not fit a long`);
	return asDouble(onDouble(op, Number(a), Number(b)));
}

function onDecimals(op: Operation, a: unknown, b: unknown): Decimal128 {
	const x = decimalFrom(a);
	const y = decimalFrom(b);
	if (!x || !y) throw notImplemented("calculating with decimal infinities and NaN");
	if (op === "multiply") return toDecimal128({ digits: x.digits * y.digits, exponent: x.exponent + y.exponent });
	if (Math.abs(x.exponent - y.exponent) > 100) throw notImplemented("a decimal result of more than 34 digits");
	const exponent = Math.min(x.exponent, y.exponent);
	const scaled = (d: Decimal) => d.digits * pow10(d.exponent - exponent);
	return toDecimal128({ digits: onBig(op, scaled(x), scaled(y)), exponent });
}

/** A double for what only computes in doubles. @throws on decimals, which would lose digits */
export function plainNumber(v: unknown, what: string): number {
	if (typeof v === "number") return v;
	if (kindOf(v) === "decimal") throw notImplemented(`${what} of Decimal128`);
	return Number(v);
}
