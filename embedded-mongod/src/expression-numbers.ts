// Arithmetic and conversions of expressions, with the kinds of numbers MongoDB gives their results.
import { Decimal128, Long } from "bson";
import { badValue, located, MongoError, typeMismatch } from "./errors.ts";
import { asDouble, calculate, kindOf, plainNumber } from "./numbers.ts";
import { isNumeric, isPlain, toNumber, typeOf } from "./values.ts";

type Operator = (args: unknown[], isWhole: boolean) => unknown;
const isNil = (v: unknown): v is null | undefined => v === null || v === undefined;
const isNumber = (v: unknown) => !isNil(v) && isNumeric(v);

export const sumOf = (list: unknown[]): unknown => list.reduce((a, b) => calculate("add", a, b), 0);
export const averageOf = (list: unknown[]): unknown =>
	list.length ? asDouble(list.reduce<number>((a, b) => a + plainNumber(b, "$avg"), 0) / list.length) : null;

function add(args: unknown[]): unknown {
	if (args.some(isNil)) return null;
	if (args.filter(v => v instanceof Date).length > 1) throw typeMismatch("only one date allowed in an $add expression");
	for (const v of args) {
		if (!(v instanceof Date) && !isNumeric(v)) {
			throw typeMismatch(`$add only supports numeric or date types, not ${typeOf(v)}`);
		}
	}
	if (!args.some(v => v instanceof Date)) return sumOf(args);
	return new Date(Math.round(args.reduce<number>((n, v) => n + toNumber(v), 0)));
}

function subtract([a, b]: unknown[]): unknown {
	if (isNil(a) || isNil(b)) return null;
	if (a instanceof Date && b instanceof Date) return Long.fromNumber(a.getTime() - b.getTime());
	if (a instanceof Date && isNumeric(b)) return new Date(a.getTime() - Math.round(toNumber(b)));
	if (isNumeric(a) && isNumeric(b)) return calculate("subtract", a, b);
	throw typeMismatch(`can't $subtract ${typeOf(b)} from ${typeOf(a)}`);
}

function multiply(args: unknown[]): unknown {
	if (args.some(isNil)) return null;
	for (const v of args) {
		if (!isNumeric(v)) throw typeMismatch(`$multiply only supports numeric types, not ${typeOf(v)}`);
	}
	return args.reduce((a, b) => calculate("multiply", a, b), 1);
}

function divide([a, b]: unknown[]): unknown {
	if (isNil(a) || isNil(b)) return null;
	if (!isNumeric(a) || !isNumeric(b)) throw typeMismatch("$divide only supports numeric types");
	if (toNumber(b) === 0) throw badValue("can't $divide by zero");
	return asDouble(plainNumber(a, "$divide") / plainNumber(b, "$divide"));
}

function modulo([a, b]: unknown[]): unknown {
	if (isNil(a) || isNil(b)) return null;
	if (!isNumeric(a) || !isNumeric(b)) throw typeMismatch("$mod only supports numeric types");
	if (toNumber(b) === 0) throw located(16610, "can't $mod by zero");
	const kinds = [kindOf(a), kindOf(b)];
	if (kinds.includes("long") && !kinds.includes("double") && !kinds.includes("decimal")) {
		return Long.fromBigInt(BigInt(String(a)) % BigInt(String(b)));
	}
	const n = plainNumber(a, "$mod") % plainNumber(b, "$mod");
	return kinds.includes("double") ? asDouble(n) : n + 0;
}

/** Whole numbers stay what they are; of doubles it gives doubles. */
const rounding =
	(name: string, step: (n: number) => number): Operator =>
	([v]) => {
		if (isNil(v)) return null;
		if (!isNumeric(v)) throw typeMismatch(`${name} only supports numeric types, not ${typeOf(v)}`);
		return kindOf(v) === "double" ? asDouble(step(toNumber(v))) : kindOf(v) === "decimal" ? plainNumber(v, name) : v;
	};

/** To even at a half, as MongoDB rounds; a negative place rounds before the point. */
function roundEven(n: number): number {
	const below = Math.floor(n);
	if (n - below !== 0.5) return Math.round(n);
	return below % 2 === 0 ? below : below + 1;
}
const places =
	(name: string, step: (n: number) => number): Operator =>
	([v, digits = 0]) => {
		if (isNil(v) || isNil(digits)) return null;
		if (!isNumeric(v)) throw located(51081, `${name} only supports numeric types, not ${typeOf(v)}`);
		const n = plainNumber(v, name);
		const p = toNumber(digits);
		if (!Number.isInteger(p) || p < -20 || p > 100) throw located(51083, `${name}'s place must be from -20 to 100`);
		if (!Number.isFinite(n) || (kindOf(v) !== "double" && p >= 0)) return v;
		// By the decimal text: 1.005 * 100 is no 100.5.
		const shift = (x: number, by: number) => {
			const [digitsOf = "0", exponent = "0"] = String(x).split("e");
			return Number(`${digitsOf}e${Number(exponent) + by}`);
		};
		const rounded = shift(step(shift(n, p)), -p);
		if (kindOf(v) === "double") return asDouble(rounded);
		return kindOf(v) === "long" ? Long.fromNumber(rounded) : rounded;
	};

function abs([v]: unknown[]): unknown {
	if (isNil(v)) return null;
	if (!isNumeric(v)) throw located(28765, `$abs only supports numeric types, not ${typeOf(v)}`);
	return toNumber(v) < 0
		? calculate("multiply", v, kindOf(v) === "double" ? Math.abs(toNumber(v)) / toNumber(v) : -1)
		: v;
}

const failed = (v: unknown, to: string) =>
	new MongoError(241, "ConversionFailure", `Unsupported conversion from ${typeOf(v)} to ${to} in $convert`);
/** A number of any kind from what can be one. */
function numberFrom(v: unknown, to: string): unknown {
	if (typeof v === "boolean") return v ? 1 : 0;
	if (v instanceof Date && to !== "int") return Long.fromNumber(v.getTime());
	if (isNumeric(v)) return v;
	if (typeof v !== "string" || !/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(v)) throw failed(v, to);
	return to === "decimal" || /^[-+]?\d+$/.test(v) ? Decimal128.fromString(v.replace(/^\+/, "")) : Number(v);
}
function wholeFrom(v: unknown, to: "int" | "long", least: bigint, most: bigint): unknown {
	if (isNil(v)) return null;
	const n = numberFrom(v, to);
	if (typeof v === "string" && typeof n === "number") throw failed(v, to);
	const text = kindOf(n) === "double" || kindOf(n) === "decimal" ? Number(String(n)) : undefined;
	if (text !== undefined && !Number.isFinite(text)) throw failed(v, to);
	const exact = text !== undefined && !Number.isSafeInteger(Math.trunc(text)) && kindOf(n) === "decimal";
	if (exact && !/^-?\d+$/.test(String(n))) throw failed(v, to);
	const whole = text === undefined || exact ? BigInt(String(n)) : BigInt(Math.trunc(text));
	if (whole < least || whole > most) throw failed(v, to);
	return to === "int" ? Number(whole) : Long.fromBigInt(whole);
}

/** `$sum` and its like take a list, or a single argument that is a list. */
const numbersIn = (args: unknown[], isWhole: boolean) =>
	((isWhole || args.length === 1) && Array.isArray(args[0]) ? args[0] : args).filter(isNumber);

export const NUMBERS: Record<string, Operator> = {
	$add: add,
	$subtract: subtract,
	$multiply: multiply,
	$divide: divide,
	$mod: modulo,
	$abs: abs,
	$ceil: rounding("$ceil", Math.ceil),
	$floor: rounding("$floor", Math.floor),
	$round: places("$round", roundEven),
	$trunc: places("$trunc", Math.trunc),
	$sum: (args, isWhole) => sumOf(numbersIn(args, isWhole)),
	$avg: (args, isWhole) => averageOf(numbersIn(args, isWhole)),
	$toInt: ([v]) => wholeFrom(v, "int", -(2n ** 31n), 2n ** 31n - 1n),
	$toLong: ([v]) => wholeFrom(v, "long", -(2n ** 63n), 2n ** 63n - 1n),
	$toDouble: ([v]) => (isNil(v) ? null : asDouble(Number(String(numberFrom(v, "double"))))),
	$toDecimal: ([v]) => (isNil(v) ? null : Decimal128.fromString(decimalText(numberFrom(v, "decimal")))),
};
const decimalText = (v: unknown) =>
	kindOf(v) === "double" && Number.isFinite(Number(v)) ? Number(v).toPrecision(15) : String(v);

/**
 * What mingo is given: it knows JavaScript's numbers only, so the others become such.
 * @throws on decimals, and on longs that would lose digits
 */
export function forMingo(v: unknown, what: string): unknown {
	if (typeof v !== "object" || v === null || v instanceof Date) return v;
	if (Array.isArray(v)) return v.map(e => forMingo(e, what));
	if (isPlain(v)) {
		const out = { ...v };
		for (const key of Object.keys(v)) if (typeof v[key] === "object") out[key] = forMingo(v[key], what);
		return out;
	}
	if (!isNumeric(v)) return v;
	const n = plainNumber(v, what);
	if (kindOf(v) === "long" && !Number.isSafeInteger(n)) throw badValue(`${what} cannot take an Int64 beyond 2^53`);
	return n;
}
