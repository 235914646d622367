// Filters: compiled once into a function over documents.
import { badValue, MongoError, notImplemented } from "./errors.ts";
import type { Evaluation } from "./expressions.ts";
import { bitTest } from "./matcher-bits.ts";
import { regexTest } from "./regex.ts";
import {
	compare,
	type Doc,
	equal,
	isPlain,
	isPosition,
	isRegex,
	isTrue,
	own,
	rank,
	toNumber,
	typeName,
	typeOf,
} from "./values.ts";

export type Matcher = (doc: Doc) => boolean;
/** Tests what a path leads to: undefined when missing, an array as it is. */
type LeafTest = (leaf: unknown) => boolean;

const LOGICAL = new Set(["$and", "$or", "$nor"]);

/** @throws MongoError 2 on what is not a filter */
export function compileFilter(filter: Doc, evaluation: Evaluation): Matcher {
	const tests = Object.entries(filter).map(([key, condition]) =>
		key.startsWith("$") ? topLevel(key, condition, evaluation) : pathTest(key, condition, evaluation),
	);
	return all(tests);
}

function all<T>(tests: ((v: T) => boolean)[]): (v: T) => boolean {
	const [first, second] = tests;
	if (!first) return () => true;
	if (!second) return first;
	return v => {
		for (const test of tests) if (!test(v)) return false;
		return true;
	};
}

function topLevel(key: string, condition: unknown, evaluation: Evaluation): Matcher {
	if (LOGICAL.has(key)) {
		const tests = branches(key, condition).map(branch => compileFilter(branch, evaluation));
		if (key === "$and") return all(tests);
		if (key === "$or") return doc => tests.some(test => test(doc));
		return doc => !tests.some(test => test(doc));
	}
	switch (key) {
		case "$expr": {
			const run = evaluation.compile(condition);
			return doc => evaluation.isTrue(run(doc));
		}
		case "$comment":
			return () => true;
		case "$text":
			throw new MongoError(27, "IndexNotFound", "text index required for $text query");
		case "$where":
		case "$jsonSchema":
			throw notImplemented(key);
		default:
			throw badValue(
				`unknown top level operator: ${key}. If you have a field name that starts with a '$' symbol, consider using $getField or $setField.`,
			);
	}
}

/** The filters under `$and`, `$or` and `$nor`. */
export function branches(key: string, condition: unknown): Doc[] {
	if (!Array.isArray(condition)) throw badValue(`${key} must be an array`);
	if (!condition.length) throw badValue(`${key} argument must be a non-empty array`);
	for (const branch of condition) if (!isPlain(branch)) throw badValue(`${key} entries need to be full objects`);
	return condition;
}

function pathTest(path: string, condition: unknown, evaluation: Evaluation): Matcher {
	const test = compileCondition(condition, evaluation);
	if (!path.includes(".")) return doc => test.one(own(doc, path));
	const parts = path.split(".");
	return doc => test.any(leavesAt(doc, parts, 0, []));
}

/** What a dotted path leads to: through arrays of documents, but not into the array at its end. */
function leavesAt(v: unknown, parts: readonly string[], i: number, out: unknown[]): unknown[] {
	const part = parts[i];
	if (part === undefined) out.push(v);
	else if (!Array.isArray(v)) leavesAt(isPlain(v) ? own(v, part) : undefined, parts, i + 1, out);
	else {
		if (isPosition(part) && Number(part) < v.length) leavesAt(v[Number(part)], parts, i + 1, out);
		for (const e of v) if (isPlain(e)) leavesAt(own(e, part), parts, i + 1, out);
	}
	return out;
}

/** Conditions on one path: a test for a single leaf, and one for the leaves that arrays on the way give. */
interface Condition {
	one: LeafTest;
	any: (leaves: unknown[]) => boolean;
}
type Wrap = (test: LeafTest) => Condition;
/** The leaf as it is. */
const exact: Wrap = one => ({ one, any: leaves => leaves.some(one) });
/** The leaf itself or, when it is an array, one of its elements. */
const expanding: Wrap = test => exact(leaf => test(leaf) || (Array.isArray(leaf) && leaf.some(test)));
const negative = (c: Condition): Condition => ({ one: v => !c.one(v), any: leaves => !c.any(leaves) });
const both = (list: Condition[]): Condition =>
	list.length === 1 && list[0]
		? list[0]
		: { one: all(list.map(c => c.one)), any: leaves => list.every(c => c.any(leaves)) };

export const isOperatorDoc = (c: unknown): c is Doc => isPlain(c) && (Object.keys(c)[0] ?? "").startsWith("$");

function compileCondition(condition: unknown, evaluation: Evaluation, wrap: Wrap = expanding): Condition {
	if (isRegex(condition)) return wrap(regexTest(condition));
	if (!isOperatorDoc(condition) || "$ref" in condition) return wrap(equalTest(condition));
	return both(
		Object.entries(condition).flatMap(([op, arg]) =>
			op === "$options" ? [] : [operator(op, arg, condition, evaluation, wrap)],
		),
	);
}

function operator(op: string, arg: unknown, condition: Doc, evaluation: Evaluation, wrap: Wrap): Condition {
	switch (op) {
		case "$eq":
			return wrap(equalTest(arg));
		case "$ne":
			return negative(wrap(isRegex(arg) ? regexTest(arg) : equalTest(arg)));
		case "$gt":
			return wrap(orderTest(arg, c => c > 0, false));
		case "$gte":
			return wrap(orderTest(arg, c => c >= 0, true));
		case "$lt":
			return wrap(orderTest(arg, c => c < 0, false));
		case "$lte":
			return wrap(orderTest(arg, c => c <= 0, true));
		case "$in":
			return wrap(inTest(list(op, arg)));
		case "$nin":
			return negative(wrap(inTest(list(op, arg))));
		case "$exists": {
			const exists = exact(v => v !== undefined);
			return isTrue(arg) ? exists : negative(exists);
		}
		case "$not":
			if (!isOperatorDoc(arg) && !isRegex(arg)) throw badValue("$not needs a regex or a document");
			return negative(compileCondition(arg, evaluation, wrap));
		case "$regex":
			return wrap(regexTest(arg, condition["$options"]));
		case "$all":
			return allTest(list(op, arg), evaluation, wrap);
		case "$elemMatch":
			return exact(elemMatchTest(arg, evaluation));
		case "$size":
			if (!Number.isInteger(Number(arg)) || Number(arg) < 0) throw badValue("$size must be a whole number");
			return exact(v => Array.isArray(v) && v.length === Number(arg));
		case "$type":
			return wrap(typeTest(arg));
		case "$mod":
			return wrap(modTest(list(op, arg)));
		case "$comment":
			return wrap(() => true);
		default:
			return wrap(bitTest(op, arg));
	}
}

function list(op: string, arg: unknown): unknown[] {
	if (!Array.isArray(arg)) throw badValue(`${op} needs an array`);
	return arg;
}

function equalTest(arg: unknown): LeafTest {
	if (typeof arg === "string" || typeof arg === "boolean") return v => v === arg;
	return v => equal(v, arg);
}

function orderTest(arg: unknown, wanted: (c: number) => boolean, orEqual: boolean): LeafTest {
	const type = rank(arg);
	const isOpen = type === 0 || type === 98;
	const isNaNArg = typeof arg === "number" && Number.isNaN(arg);
	return v => {
		if (!isOpen && rank(v) !== type) return false;
		if (isNaNArg || (typeof v === "number" && Number.isNaN(v))) return orEqual && equal(v, arg);
		return wanted(compare(v, arg));
	};
}

function inTest(items: unknown[]): LeafTest {
	if (items.length > 8 && items.every(item => typeof item === "string")) {
		const known = new Set<unknown>(items);
		return v => known.has(v);
	}
	const tests = items.map(item => (isRegex(item) ? regexTest(item) : equalTest(item)));
	return v => tests.some(test => test(v));
}

function allTest(items: unknown[], evaluation: Evaluation, wrap: Wrap): Condition {
	if (!items.length) return exact(() => false);
	return both(
		items.map(item => {
			if (isOperatorDoc(item) && "$elemMatch" in item) return exact(elemMatchTest(item["$elemMatch"], evaluation));
			return wrap(isRegex(item) ? regexTest(item) : equalTest(item));
		}),
	);
}

function elemMatchTest(arg: unknown, evaluation: Evaluation): LeafTest {
	if (!isPlain(arg)) throw badValue("$elemMatch needs an Object");
	const test = elementTest(arg, evaluation);
	return v => Array.isArray(v) && v.some(test);
}

/** One element against what `$elemMatch`, `$pull` or an array filter asks of it. */
export function elementTest(condition: Doc, evaluation: Evaluation): LeafTest {
	if (isOperatorDoc(condition) && !LOGICAL.has(Object.keys(condition)[0] ?? "")) {
		return compileCondition(condition, evaluation, exact).one;
	}
	const test = compileFilter(condition, evaluation);
	return v => isPlain(v) && test(v);
}

/** A value against a condition as it stands in a filter: a value, a regex or operators. */
export function valueTest(condition: unknown, evaluation: Evaluation): LeafTest {
	return compileCondition(condition, evaluation, exact).one;
}

function typeTest(arg: unknown): LeafTest {
	const names = new Set((Array.isArray(arg) ? arg : [arg]).map(typeName));
	return v => names.has(typeOf(v)) || (names.has("number") && rank(v) === 2);
}

function modTest(arg: unknown[]): LeafTest {
	const [divisor, remainder] = arg.map(Number);
	if (arg.length !== 2 || !divisor || remainder === undefined) throw badValue("malformed mod, not enough elements");
	return v => rank(v) === 2 && Math.trunc(toNumber(v)) % Math.trunc(divisor) === Math.trunc(remainder);
}
