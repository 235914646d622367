// The expression operators whose behaviour on null and missing shops rely on. The rest is mingo's (mingo.ts).
import { badValue, MongoError, typeMismatch } from "./errors.ts";
import type { Run, Scope } from "./expressions.ts";
import { orderOf } from "./sort.ts";
import { compare, type Doc, equal, idKey, isNumeric, isPlain, isTrue, own, set, toNumber, typeOf } from "./values.ts";

type Compile = (expression: unknown) => Run;
/** Gets evaluated arguments; `isWhole` says that they were given without an array around them. */
type Operator = (args: unknown[], isWhole: boolean) => unknown;

const isNil = (v: unknown): v is null | undefined => v === null || v === undefined;
const located = (code: number, message: string) => new MongoError(code, `Location${code}`, message);

/** As `compare`, but a missing value is less than null. */
export function compareExpressions(a: unknown, b: unknown): number {
	if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? -1 : 1;
	return compare(a, b);
}
const comparison =
	(test: (c: number) => boolean): Operator =>
	([a, b]) =>
		test(compareExpressions(a, b));

function arithmetic(name: string, args: unknown[], start: number, step: (a: number, b: number) => number): unknown {
	let result = start;
	for (const v of args) {
		if (isNil(v)) return null;
		if (!isNumeric(v)) throw typeMismatch(`${name} only supports numeric types, not ${typeOf(v)}`);
		result = step(result, toNumber(v));
	}
	return result;
}

function add(args: unknown[]): unknown {
	if (args.some(isNil)) return null;
	const dates = args.filter(v => v instanceof Date);
	if (dates.length > 1) throw typeMismatch("only one date allowed in an $add expression");
	const sum = args.reduce<number>((n, v) => {
		if (v instanceof Date) return n + v.getTime();
		if (!isNumeric(v)) throw typeMismatch(`$add only supports numeric or date types, not ${typeOf(v)}`);
		return n + toNumber(v);
	}, 0);
	return dates.length ? new Date(Math.round(sum)) : sum;
}

function subtract([a, b]: unknown[]): unknown {
	if (isNil(a) || isNil(b)) return null;
	if (a instanceof Date && b instanceof Date) return a.getTime() - b.getTime();
	if (a instanceof Date && isNumeric(b)) return new Date(a.getTime() - Math.round(toNumber(b)));
	if (isNumeric(a) && isNumeric(b)) return toNumber(a) - toNumber(b);
	throw typeMismatch(`can't $subtract ${typeOf(b)} from ${typeOf(a)}`);
}

function toText(v: unknown): unknown {
	if (isNil(v)) return null;
	if (v instanceof Date) return v.toISOString();
	if (Array.isArray(v) || isPlain(v)) {
		throw new MongoError(241, "ConversionFailure", `Unsupported conversion from ${typeOf(v)} to string in $convert`);
	}
	return String(v);
}

function divide([a, b]: unknown[]): unknown {
	if (isNil(a) || isNil(b)) return null;
	if (!isNumeric(a) || !isNumeric(b)) throw typeMismatch("$divide only supports numeric types");
	if (toNumber(b) === 0) throw badValue("can't $divide by zero");
	return toNumber(a) / toNumber(b);
}

function modulo([a, b]: unknown[]): unknown {
	if (isNil(a) || isNil(b)) return null;
	if (!isNumeric(a) || !isNumeric(b)) throw typeMismatch("$mod only supports numeric types");
	if (toNumber(b) === 0) throw located(16610, "can't $mod by zero");
	return toNumber(a) % toNumber(b);
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
		for (const key of Object.keys(v)) if (v[key] !== undefined) set(out, key, v[key]);
	}
	return out;
}

function objectToArray([v]: unknown[]): unknown {
	if (isNil(v)) return null;
	if (!isPlain(v)) throw located(40390, `$objectToArray requires a document input, found: ${typeOf(v)}`);
	return Object.entries(v).map(([k, x]) => ({ k, v: x }));
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
const numbers = (args: unknown[], isWhole: boolean) => listed(args, isWhole).filter(isNumericValue).map(toNumber);
const isNumericValue = (v: unknown) => !isNil(v) && isNumeric(v);

/** Evaluated eagerly: all arguments first. */
export const OPERATORS: Record<string, Operator> = {
	$eq: comparison(c => c === 0),
	$ne: comparison(c => c !== 0),
	$gt: comparison(c => c > 0),
	$gte: comparison(c => c >= 0),
	$lt: comparison(c => c < 0),
	$lte: comparison(c => c <= 0),
	$cmp: ([a, b]) => Math.sign(compareExpressions(a, b)),
	$not: ([v]) => !isTrue(v),
	$add: add,
	$subtract: subtract,
	$multiply: args => arithmetic("$multiply", args, 1, (a, b) => a * b),
	$divide: divide,
	$mod: modulo,
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
	$sum: (args, isWhole) => numbers(args, isWhole).reduce((a, b) => a + b, 0),
	$avg: (args, isWhole) => {
		const list = numbers(args, isWhole);
		return list.length ? list.reduce((a, b) => a + b, 0) / list.length : null;
	},
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

function inputList(name: string, code: number, v: unknown): unknown[] | null {
	if (isNil(v)) return null;
	if (!Array.isArray(v)) throw located(code, `input to ${name} must be an array not ${typeOf(v)}`);
	return v;
}

const part = (arg: unknown, key: string) => own(arg, key);
const bind = (scope: Scope): Scope => ({ root: scope.root, vars: { ...scope.vars } });

function map(arg: unknown, compile: Compile): Run {
	const input = compile(part(arg, "input"));
	const each = compile(part(arg, "in"));
	const name = String(part(arg, "as") ?? "this");
	return scope => {
		const list = inputList("$map", 16883, input(scope));
		if (!list) return null;
		const inner = bind(scope);
		return list.map(v => {
			inner.vars[name] = v;
			return each(inner) ?? null;
		});
	};
}

function filter(arg: unknown, compile: Compile): Run {
	const input = compile(part(arg, "input"));
	const test = compile(part(arg, "cond"));
	const limit = compile(part(arg, "limit"));
	const name = String(part(arg, "as") ?? "this");
	return scope => {
		const list = inputList("$filter", 28651, input(scope));
		if (!list) return null;
		const inner = bind(scope);
		const found = list.filter(v => {
			inner.vars[name] = v;
			return isTrue(test(inner));
		});
		const most = limit(scope);
		return isNil(most) ? found : found.slice(0, toNumber(most));
	};
}

function reduce(arg: unknown, compile: Compile): Run {
	const input = compile(part(arg, "input"));
	const initial = compile(part(arg, "initialValue"));
	const each = compile(part(arg, "in"));
	return scope => {
		const list = inputList("$reduce", 40080, input(scope));
		if (!list) return null;
		const inner = bind(scope);
		let value = initial(scope);
		for (const v of list) {
			inner.vars["this"] = v;
			inner.vars["value"] = value;
			value = each(inner);
		}
		return value;
	};
}

function setField(arg: unknown, compile: Compile): Run {
	const input = compile(part(arg, "input"));
	const field = compile(part(arg, "field"));
	const value = compile(part(arg, "value"));
	return scope => {
		const v = input(scope);
		if (isNil(v)) return null;
		if (!isPlain(v)) throw located(4161105, `$setField requires 'input' to evaluate to type Object`);
		const out: Doc = { ...v };
		const key = String(field(scope));
		const next = value(scope);
		if (next === undefined) delete out[key];
		else set(out, key, next);
		return out;
	};
}

function getField(arg: unknown, compile: Compile): Run {
	const isShort = !isPlain(arg) || !("field" in arg);
	const field = compile(isShort ? arg : part(arg, "field"));
	const input = compile(isShort ? "$$CURRENT" : part(arg, "input"));
	return scope => own(input(scope), String(field(scope)));
}

function cond(arg: unknown, compile: Compile): Run {
	const [test, then, otherwise] = (
		Array.isArray(arg) ? arg : [part(arg, "if"), part(arg, "then"), part(arg, "else")]
	).map(compile);
	if (!test || !then || !otherwise) throw located(16020, "Expression $cond takes exactly 3 arguments");
	return scope => (isTrue(test(scope)) ? then(scope) : otherwise(scope));
}

function choose(arg: unknown, compile: Compile): Run {
	const branches = (part(arg, "branches") as Doc[]).map(b => [compile(b["case"]), compile(b["then"])] as const);
	const hasDefault = isPlain(arg) && "default" in arg;
	const fallback = compile(part(arg, "default"));
	return scope => {
		for (const [test, then] of branches) if (isTrue(test(scope))) return then(scope);
		if (!hasDefault) throw located(40066, "$switch could not find a matching branch for an input");
		return fallback(scope);
	};
}

function letIn(arg: unknown, compile: Compile): Run {
	const vars = Object.entries(part(arg, "vars") as Doc).map(([k, e]) => [k, compile(e)] as const);
	const body = compile(part(arg, "in"));
	return scope => {
		const inner = bind(scope);
		for (const [name, run] of vars) inner.vars[name] = run(scope);
		return body(inner);
	};
}

function sortArray(arg: unknown, compile: Compile): Run {
	const input = compile(part(arg, "input"));
	const by = part(arg, "sortBy");
	const order = isPlain(by) ? orderOf(by) : (a: unknown, b: unknown) => toNumber(by) * compare(a, b);
	return scope => inputList("$sortArray", 2942504, input(scope))?.toSorted(order) ?? null;
}

/** Evaluated as they go: branches not taken are not computed, variables are bound. */
export const SCOPED: Record<string, (arg: unknown, compile: Compile) => Run> = {
	$and: (arg, compile) => {
		const tests = (Array.isArray(arg) ? arg : [arg]).map(compile);
		return scope => tests.every(run => isTrue(run(scope)));
	},
	$or: (arg, compile) => {
		const tests = (Array.isArray(arg) ? arg : [arg]).map(compile);
		return scope => tests.some(run => isTrue(run(scope)));
	},
	$ifNull: (arg, compile) => {
		const list = (arg as unknown[]).map(compile);
		return scope => {
			let v: unknown;
			for (const run of list) {
				v = run(scope);
				if (!isNil(v)) return v;
			}
			return v;
		};
	},
	$cond: cond,
	$switch: choose,
	$let: letIn,
	$map: map,
	$filter: filter,
	$reduce: reduce,
	$setField: setField,
	$unsetField: (arg, compile) => setField({ ...(arg as Doc), value: "$$REMOVE" }, compile),
	$getField: getField,
	$sortArray: sortArray,
};
