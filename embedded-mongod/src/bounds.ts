// What a filter says about each path, as intervals an index can be read by.
import { isOperatorDoc } from "./matcher.ts";
import { sourceOf } from "./regex.ts";
import { bsonType, compare, type Doc, Edge, HIGH, isPlain, isRegex, isTrue, LOW, rank } from "./values.ts";

/** Values from `low` to `high`; a point when both are one value. */
export interface Interval {
	low: unknown;
	high: unknown;
	lowOpen: boolean;
	highOpen: boolean;
}
/** Sorted, not overlapping. */
export type Intervals = Interval[];

export const ALL: Intervals = [{ low: LOW, high: HIGH, lowOpen: false, highOpen: false }];
/** All values too, but what `$exists: true` says: the field is there. Told apart from `ALL` by identity. */
export const EXISTS: Intervals = [{ low: LOW, high: HIGH, lowOpen: false, highOpen: false }];
export const isEverything = (list: Intervals) => list === ALL || list === EXISTS;
export const point = (v: unknown): Interval => ({ low: v, high: v, lowOpen: false, highOpen: false });
export const isPoint = (i: Interval) => !i.lowOpen && !i.highOpen && compare(i.low, i.high) === 0;

/** Conditions that one and the same value has to meet. */
export interface Bound {
	intervals: Intervals;
	/** Conditions of one `$elemMatch` speak of the same element, so their bounds may be used together. */
	element: Element | undefined;
}
/** What one `$elemMatch` speaks of: an element of the array that so many parts of the path lead to. */
export interface Element {
	depth: number;
}
/** A filter taken apart: what every match meets, by path, and its `$or`s. */
export interface Conditions {
	paths: Map<string, Bound[]>;
	ors: Doc[][];
}

const isScalar = (v: unknown) =>
	v === null ||
	(v !== undefined && typeof v !== "object") ||
	v instanceof Date ||
	(bsonType(v) !== undefined && bsonType(v) !== "BSONRegExp" && bsonType(v) !== "DBRef");

export function conditionsOf(filter: Doc): Conditions {
	const out: Conditions = { paths: new Map(), ors: [] };
	collect(filter, "", undefined, out);
	return out;
}

function collect(filter: Doc, prefix: string, element: Element | undefined, out: Conditions): void {
	for (const [key, condition] of Object.entries(filter)) {
		if (key === "$and" && Array.isArray(condition)) for (const f of condition) collect(f as Doc, prefix, element, out);
		else if (key === "$or" && Array.isArray(condition) && !prefix) {
			if (condition.length === 1) collect(condition[0] as Doc, prefix, element, out);
			else out.ors.push(condition as Doc[]);
		} else if (!key.startsWith("$")) collectPath(prefix + key, condition, element, out);
	}
}

function collectPath(path: string, condition: unknown, element: Element | undefined, out: Conditions): void {
	const add = (intervals: Intervals | undefined, of = element) => {
		if (!intervals) return;
		const list = out.paths.get(path) ?? [];
		list.push({ intervals, element: of });
		out.paths.set(path, list);
	};
	if (!isOperatorDoc(condition)) {
		add(intervalsOf("$eq", condition, {}));
		return;
	}
	// The element itself: an array in it is one value of the index, whose own elements the index does not know.
	const isElement = element?.depth === path.split(".").length;
	for (const [op, arg] of Object.entries(condition)) {
		if (op === "$elemMatch" && isPlain(arg)) !isElement && collectElement(path, arg, out);
		else if (op === "$all" && Array.isArray(arg)) {
			for (const item of arg) {
				if (isOperatorDoc(item) && isPlain(item["$elemMatch"]))
					!isElement && collectElement(path, item["$elemMatch"], out);
				else add(intervalsOf("$eq", item, {}));
			}
		} else if (!isUnsafe(path, op, arg)) add(intervalsOf(op, arg, condition));
	}
}

/**
 * An empty array on the way has null for a key, and yet nothing in it is null: what is not null cannot be told from
 * the key of a dotted path.
 */
function isUnsafe(path: string, op: string, arg: unknown): boolean {
	if (!path.includes(".")) return false;
	return (op === "$ne" && arg === null) || (op === "$nin" && Array.isArray(arg) && arg.includes(null));
}

function collectElement(path: string, arg: Doc, out: Conditions): void {
	const element: Element = { depth: path.split(".").length };
	const [first = ""] = Object.keys(arg);
	if (first.startsWith("$") && !["$and", "$or", "$nor"].includes(first)) collectPath(path, arg, element, out);
	else collect(arg, `${path}.`, element, out);
}

/** Undefined when the operator says nothing an index could use. */
function intervalsOf(op: string, arg: unknown, condition: Doc): Intervals | undefined {
	switch (op) {
		case "$eq":
			if (isRegex(arg)) return regexIntervals(arg);
			return isScalar(arg) || isPlain(arg) ? [point(arg)] : undefined;
		case "$in":
			return Array.isArray(arg) ? union(arg) : undefined;
		case "$gt":
		case "$gte":
		case "$lt":
		case "$lte":
			return isScalar(arg) ? rangeOf(op, arg) : undefined;
		case "$regex":
			return regexIntervals(arg, condition["$options"]);
		case "$exists":
			return isTrue(arg) ? EXISTS : [point(null)];
		case "$ne":
			return isScalar(arg) ? complement([point(arg)]) : undefined;
		case "$nin":
			return Array.isArray(arg) && arg.every(isScalar) ? complement(normalize(arg.map(point))) : undefined;
		case "$type":
			return typeRange(arg);
		default:
			return undefined;
	}
}

function union(items: unknown[]): Intervals | undefined {
	const parts = items.map(item => intervalsOf("$eq", item, {}));
	return parts.includes(undefined) ? undefined : normalize(parts.flatMap(p => p ?? []));
}

function rangeOf(op: string, arg: unknown): Intervals {
	const type = rank(arg);
	const isOpen = op === "$gt" || op === "$lt";
	if (arg === null) return isOpen ? [] : [point(null)];
	const isUp = op.startsWith("$gt");
	const edge = type === 0 || type === 98 ? (isUp ? HIGH : LOW) : new Edge(type + (isUp ? 0.4 : -0.4));
	if (isUp) return [{ low: arg, high: edge, lowOpen: isOpen, highOpen: false }];
	return [{ low: edge, high: arg, lowOpen: false, highOpen: isOpen }];
}

/** `^literal` reads only keys with that beginning; any other regex reads all strings. */
function regexIntervals(regex: unknown, options?: unknown): Intervals {
	const { pattern: source, flags } = sourceOf(regex, options);
	const head = /^\^([\w \-:/@#%&=,;<>!~'"]+)/.exec(source)?.[1];
	const isAnchored = head && !/[ixm]/.test(flags) && !source.includes("|");
	// A quantifier behind the literal belongs to its last character.
	const prefix = isAnchored && /^[?*{]/.test(source.slice(head.length + 1)) ? head.slice(0, -1) : head;
	const strings: Interval =
		isAnchored && prefix
			? { low: prefix, high: following(prefix), lowOpen: false, highOpen: true }
			: { low: new Edge(2.6), high: new Edge(3.4), lowOpen: false, highOpen: false };
	return [strings, { ...ALL_REGEXES }];
}
/** The first text behind all that begin so; a prefix ends in ASCII. */
const following = (prefix: string) =>
	prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
const ALL_REGEXES: Interval = { low: new Edge(10.6), high: new Edge(11.4), lowOpen: false, highOpen: false };

function compareLow(a: Interval, b: Interval): number {
	return compare(a.low, b.low) || Number(a.lowOpen) - Number(b.lowOpen);
}
function compareHigh(a: Interval, b: Interval): number {
	return compare(a.high, b.high) || Number(b.highOpen) - Number(a.highOpen);
}

/** Sorted, with overlapping ones made one. */
export function normalize(list: Intervals): Intervals {
	const out: Intervals = [];
	for (const next of list.toSorted(compareLow)) {
		const last = out.at(-1);
		const c = last ? compare(next.low, last.high) : 1;
		if (last && (c < 0 || (c === 0 && !(next.lowOpen && last.highOpen)))) {
			if (compareHigh(next, last) > 0) Object.assign(last, { high: next.high, highOpen: next.highOpen });
		} else out.push({ ...next });
	}
	return out;
}

export function intersect(a: Intervals, b: Intervals): Intervals {
	const out: Intervals = [];
	for (const x of a) {
		for (const y of b) {
			const low = compareLow(x, y) >= 0 ? x : y;
			const high = compareHigh(x, y) <= 0 ? x : y;
			const c = compare(low.low, high.high);
			if (c > 0 || (c === 0 && (low.lowOpen || high.highOpen))) continue;
			out.push({ low: low.low, lowOpen: low.lowOpen, high: high.high, highOpen: high.highOpen });
		}
	}
	return out;
}

function complement(list: Intervals): Intervals {
	let rest = ALL;
	for (const { low, high, lowOpen, highOpen } of list) {
		rest = intersect(rest, [
			{ low: LOW, lowOpen: false, high: low, highOpen: !lowOpen },
			{ low: high, lowOpen: !highOpen, high: HIGH, highOpen: false },
		]);
	}
	return rest;
}

export const isWithin = (inner: Intervals, outer: Intervals) =>
	inner.every(i => outer.some(o => compareLow(i, o) >= 0 && compareHigh(i, o) <= 0));

const containsNull = (list: Intervals) => intersect(list, [point(null)]).length > 0;
/** No document without the field, or with null in it, can meet the bound. */
export const excludesNull = (bound: Bound) => !isEverything(bound.intervals) && !containsNull(bound.intervals);

/** True when every document the conditions match is in an index with this partial filter. */
export function implies(conditions: Conditions, partial: Doc): boolean {
	return Object.entries(partial).every(([path, wanted]) => {
		if (path === "$and") return (wanted as Doc[]).every(f => implies(conditions, f));
		if (path.startsWith("$")) return false;
		const bounds = conditions.paths.get(path);
		if (!bounds) return false;
		const operators = isOperatorDoc(wanted) ? Object.entries(wanted) : [["$eq", wanted] as const];
		return operators.every(([op, arg]) => impliesOne(bounds, op, arg));
	});
}

/** The types whose values stand together in an index, each in a stretch of its own. All numbers are one stretch. */
const TYPE_RANGES: Record<string, number> = {
	number: 2,
	int: 2,
	long: 2,
	double: 2,
	decimal: 2,
	string: 3,
	objectId: 7,
	bool: 8,
	date: 9,
};

/** Undefined for what an index does not keep apart: an array has its elements' keys, a list names several types. */
function typeRange(arg: unknown): Intervals | undefined {
	const type = typeof arg === "string" ? TYPE_RANGES[arg] : undefined;
	if (type === undefined) return undefined;
	return [{ low: new Edge(type - 0.4), high: new Edge(type + 0.4), lowOpen: false, highOpen: false }];
}

function impliesOne(bounds: Bound[], op: string, arg: unknown): boolean {
	if (op === "$exists") return isTrue(arg) && bounds.some(b => b.intervals === EXISTS || excludesNull(b));
	// A stretch of numbers says nothing of their kind: only what holds every number is implied by it.
	if (op === "$type" && ["int", "long", "double", "decimal"].includes(String(arg))) return false;
	const intervals = intervalsOf(op, arg, {});
	return intervals !== undefined && !isEverything(intervals) && bounds.some(b => isWithin(b.intervals, intervals));
}
