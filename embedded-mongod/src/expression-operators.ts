// The expression operators whose behaviour on null and missing shops rely on. The rest is mingo's (mingo.ts).
import { located, MongoError } from "./errors.ts";
import { NUMBERS } from "./expression-numbers.ts";
import { PATTERNS } from "./expression-patterns.ts";
import { entriesOf, keysOf } from "./order.ts";
import { compare, type Doc, equal, idKey, isNumeric, isPlain, isTrue, own, set, toNumber, typeOf } from "./values.ts";

/** Gets evaluated arguments; `isWhole` says that they were given without an array around them. */
type Operator = (args: unknown[], isWhole: boolean) => unknown;

const isNil = (v: unknown): v is null | undefined => v === null || v === undefined;

/** As `compare`, but a missing value is less than null. */
export function compareExpressions(a: unknown, b: unknown): number {
	if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? -1 : 1;
	return compare(a, b);
}
const comparison =
	(test: (c: number) => boolean): Operator =>
	([a, b]) =>
		test(compareExpressions(a, b));

function toText(v: unknown): unknown {
	if (isNil(v)) return null;
	if (v instanceof Date) return v.toISOString();
	if (Array.isArray(v) || isPlain(v)) {
		throw new MongoError(241, "ConversionFailure", `Unsupported conversion from ${typeOf(v)} to string in $convert`);
	}
	return String(v);
}

function concatArrays(args: unknown[]): unknown {
	if (args.some(isNil)) return null;
	return args.flatMap(v => {
		if (!Array.isArray(v)) throw located(28664, `$concatArrays only supports arrays, not ${typeOf(v)}`);
		return v;
	});
}

function elementAt([list, index]: unknown[]): unknown {
	if (isNil(list) || isNil(index)) return null;
	if (!Array.isArray(list)) {
		throw located(28689, `$arrayElemAt's first argument must be an array, but is ${typeOf(list)}`);
	}
	if (!isNumeric(index)) throw located(28690, `$arrayElemAt's second argument must be a numeric value`);
	return list.at(toNumber(index));
}

function slice([list, a, b]: unknown[], _: boolean): unknown {
	if (isNil(list) || isNil(a)) return null;
	if (!Array.isArray(list)) throw located(28724, `First argument to $slice must be an array, but is ${typeOf(list)}`);
	const from = toNumber(a);
	if (b === undefined) return from < 0 ? list.slice(from) : list.slice(0, from);
	if (b === null) return null;
	if (toNumber(b) <= 0) throw located(28729, "Third argument to $slice must be positive");
	const start = from < 0 ? Math.max(0, list.length + from) : from;
	return list.slice(start, start + toNumber(b));
}

function mergeObjects(args: unknown[], isWhole: boolean): unknown {
	const list = isWhole && Array.isArray(args[0]) ? args[0] : args;
	const out: Doc = {};
	for (const v of list) {
		if (isNil(v)) continue;
		if (!isPlain(v)) throw located(40400, `$mergeObjects requires object inputs, but input is of type ${typeOf(v)}`);
		for (const key of keysOf(v)) if (v[key] !== undefined) set(out, key, v[key]);
	}
	return out;
}

function objectToArray([v]: unknown[]): unknown {
	if (isNil(v)) return null;
	if (!isPlain(v)) throw located(40390, `$objectToArray requires a document input, found: ${typeOf(v)}`);
	return entriesOf(v).map(([k, x]) => ({ k, v: x }));
}

function arrayToObject(args: unknown[], isWhole: boolean): unknown {
	// { $arrayToObject: [[...]] } gives the list as the one argument, a literal list of pairs as many.
	const v = isWhole || args.length === 1 ? args[0] : args;
	if (isNil(v)) return null;
	if (!Array.isArray(v)) throw located(40386, `$arrayToObject requires an array input, found: ${typeOf(v)}`);
	const out: Doc = {};
	for (const e of v) {
		const [key, value] = Array.isArray(e) ? e : [own(e, "k"), own(e, "v")];
		if (typeof key !== "string") throw located(40395, "$arrayToObject requires keys of type 'string'");
		if (value !== undefined) set(out, key, value);
	}
	return out;
}

/** `$sum` and its like take a list, or a single argument that is a list. */
const listed = (args: unknown[], isWhole: boolean): unknown[] =>
	(isWhole || args.length === 1) && Array.isArray(args[0]) ? args[0] : args;
const extreme =
	(sign: number): Operator =>
	(args, isWhole) => {
		let best: unknown = null;
		for (const v of listed(args, isWhole)) {
			if (!isNil(v) && (best === null || sign * compare(v, best) > 0)) best = v;
		}
		return best;
	};
const isNumericValue = (v: unknown) => !isNil(v) && isNumeric(v);

/** Evaluated eagerly: all arguments first. */
export const OPERATORS: Record<string, Operator> = {
	...NUMBERS,
	...PATTERNS,
	$eq: comparison(c => c === 0),
	$ne: comparison(c => c !== 0),
	$gt: comparison(c => c > 0),
	$gte: comparison(c => c >= 0),
	$lt: comparison(c => c < 0),
	$lte: comparison(c => c <= 0),
	$cmp: ([a, b]) => Math.sign(compareExpressions(a, b)),
	$not: ([v]) => !isTrue(v),
	$concat: args => {
		if (args.some(isNil)) return null;
		for (const v of args) {
			if (typeof v !== "string") throw located(16702, `$concat only supports strings, not ${typeOf(v)}`);
		}
		return args.join("");
	},
	$toUpper: ([v]) => (isNil(v) ? "" : String(v).toUpperCase()),
	$toString: ([v]) => toText(v),
	$toLower: ([v]) => (isNil(v) ? "" : String(v).toLowerCase()),
	$concatArrays: concatArrays,
	$arrayElemAt: elementAt,
	$first: ([v]) => firstOf("$first", v, 0),
	$last: ([v]) => firstOf("$last", v, -1),
	$size: ([v]) => {
		if (!Array.isArray(v)) {
			throw located(17124, `The argument to $size must be an array, but was of type: ${typeOf(v)}`);
		}
		return v.length;
	},
	$slice: slice,
	$in: ([v, list]) => {
		if (!Array.isArray(list))
			throw located(40081, `$in requires an array as a second argument, found: ${typeOf(list)}`);
		return list.some(e => equal(e, v));
	},
	$indexOfArray: ([list, v, start, end]) => {
		if (isNil(list)) return null;
		if (!Array.isArray(list)) throw located(40090, `$indexOfArray requires an array as a first argument`);
		const last = end === undefined ? list.length : toNumber(end);
		return list.findIndex((e, i) => i >= toNumber(start ?? 0) && i < last && equal(e, v));
	},
	$isArray: ([v]) => Array.isArray(v),
	$isNumber: ([v]) => isNumericValue(v),
	$reverseArray: ([v]) => (isNil(v) ? null : (v as unknown[]).toReversed()),
	$mergeObjects: mergeObjects,
	$objectToArray: objectToArray,
	$arrayToObject: arrayToObject,
	$type: ([v]) => typeOf(v),
	$max: extreme(1),
	$min: extreme(-1),
	$setUnion: args => (args.some(isNil) ? null : distinct(args.flat())),
	$setIntersection: ([a, b]) => (isNil(a) || isNil(b) ? null : within(a, b, true)),
	$setDifference: ([a, b]) => (isNil(a) || isNil(b) ? null : within(a, b, false)),
};

function distinct(list: unknown[]): unknown[] {
	return [...new Map(list.map(v => [idKey(v), v])).values()];
}
function within(a: unknown, b: unknown, wanted: boolean): unknown[] {
	const known = new Set((b as unknown[]).map(idKey));
	return distinct((a as unknown[]).filter(v => known.has(idKey(v)) === wanted));
}

function firstOf(name: string, v: unknown, at: number): unknown {
	if (isNil(v)) return null;
	if (!Array.isArray(v)) throw located(28689, `${name}'s argument must be an array, but is ${typeOf(v)}`);
	return v.at(at);
}
