// BSON values: their order, equality and paths. Order after "Comparison/Sort Order" of the MongoDB manual.
import type { Binary, BSONRegExp, Decimal128, ObjectId, Timestamp } from "bson";
import { compareNumbers, kindOf, numberKey } from "./numbers.ts";
import { entriesOf, keysOf, noteOrder } from "./order.ts";

/** A document as this engine handles it; stored ones are never changed in place. */
export type Doc = { [field: string]: unknown };

/**
 * The place between two types in the order of values: index bounds such as "every number" have no value of their own.
 * `rank` is half a step under or over the type's own rank.
 */
export class Edge {
	readonly rank: number;
	constructor(rank: number) {
		this.rank = rank;
	}
}
export const LOW = new Edge(-1);
export const HIGH = new Edge(99);
/** What an index holds for an empty array: it sorts before null. */
export const EMPTY = new Edge(0.5);

interface BsonValue {
	_bsontype: string;
}

export function bsonType(v: unknown): string | undefined {
	return typeof v === "object" && v !== null ? (v as Partial<BsonValue>)._bsontype : undefined;
}

export function isPlain(v: unknown): v is Doc {
	if (v === null || typeof v !== "object") return false;
	const made: unknown = v.constructor;
	return made === Object || typeof made !== "function" || Object.hasOwn(v, "constructor");
}

const BSON_RANK: Record<string, number> = {
	MinKey: 0,
	Double: 2,
	Int32: 2,
	Long: 2,
	Decimal128: 2,
	BSONSymbol: 3,
	DBRef: 4,
	Binary: 6,
	ObjectId: 7,
	Timestamp: 10,
	BSONRegExp: 11,
	Code: 13,
	MaxKey: 98,
};

/** Where the value's type stands in the order of types; equal for all numbers. */
export function rank(v: unknown): number {
	switch (typeof v) {
		case "undefined":
			return 1;
		case "number":
		case "bigint":
			return 2;
		case "string":
			return 3;
		case "boolean":
			return 8;
		case "object":
			return v === null ? 1 : rankOfObject(v);
		default:
			return 4;
	}
}
function rankOfObject(v: object): number {
	if (v instanceof Edge) return v.rank;
	const type = (v as Partial<BsonValue>)._bsontype;
	if (type !== undefined && typeof type === "string") return BSON_RANK[type] ?? 4;
	if (Array.isArray(v)) return 5;
	if (v instanceof Date) return 9;
	if (v instanceof RegExp) return 11;
	return v instanceof Uint8Array ? 6 : 4;
}

/** The number a numeric BSON value stands for; Decimal128 and Long beyond 2^53 lose digits here. */
export function toNumber(v: unknown): number {
	return typeof v === "number" ? v : bsonType(v) === "Decimal128" ? Number((v as Decimal128).toString()) : Number(v);
}
export const isNumeric = (v: unknown) => typeof v === "number" || typeof v === "bigint" || rank(v) === 2;

function bytesOfBinary(v: unknown): Uint8Array {
	if (bsonType(v) !== "Binary") return v as Uint8Array;
	const binary = v as Binary;
	return binary.buffer.subarray(0, binary.position);
}

export const isRegex = (v: unknown): v is BSONRegExp | RegExp => v instanceof RegExp || bsonType(v) === "BSONRegExp";
/** A pattern and its options, as one text. */
function patternOf(v: unknown): string {
	if (v instanceof RegExp) return `${v.source}\0${v.flags}`;
	const { pattern, options } = v as BSONRegExp;
	return `${pattern}\0${options}`;
}

const subtype = (v: unknown) => (bsonType(v) === "Binary" ? (v as Binary).sub_type : 0);

function compareArrays(a: unknown[], b: unknown[]): number {
	for (let i = 0; i < a.length && i < b.length; i++) {
		const c = compare(a[i], b[i]);
		if (c) return c;
	}
	return Math.sign(a.length - b.length);
}

function compareDocuments(a: Doc, b: Doc): number {
	const x = keysOf(a);
	const y = keysOf(b);
	for (let i = 0; i < x.length && i < y.length; i++) {
		const left = x[i] as string;
		const right = y[i] as string;
		const types = rank(a[left]) - rank(b[right]);
		if (types) return Math.sign(types);
		if (left !== right) return left < right ? -1 : 1;
		const c = compare(a[left], b[right]);
		if (c) return c;
	}
	return Math.sign(x.length - y.length);
}

function compareSameType(type: number, a: unknown, b: unknown): number {
	switch (type) {
		case 2:
			return compareNumbers(a, b);
		case 3:
		case 8:
			return (a as string) < (b as string) ? -1 : (a as string) > (b as string) ? 1 : 0;
		case 4:
			return compareDocuments(a as Doc, b as Doc);
		case 5:
			return compareArrays(a as unknown[], b as unknown[]);
		case 6: {
			const x = bytesOfBinary(a);
			const y = bytesOfBinary(b);
			return x.length - y.length || subtype(a) - subtype(b) || Buffer.compare(x, y);
		}
		case 7:
			return Buffer.compare((a as ObjectId).id, (b as ObjectId).id);
		case 9:
			return Math.sign(Number(a) - Number(b));
		case 10:
			return Math.sign((a as Timestamp).compare(b as Timestamp));
		case 11: {
			const x = patternOf(a);
			const y = patternOf(b);
			return x < y ? -1 : x > y ? 1 : 0;
		}
		default:
			return 0;
	}
}

/** MongoDB's order of any two values: first by type, then by value. A missing value is null here. */
export function compare(a: unknown, b: unknown): number {
	if (a === b) return 0;
	if (typeof a === "string" && typeof b === "string") return a < b ? -1 : 1;
	const left = rank(a);
	const right = rank(b);
	if (left !== right) return left < right ? -1 : 1;
	return compareSameType(left, a, b);
}
export const equal = (a: unknown, b: unknown) => compare(a, b) === 0;

/** A deep copy of documents and arrays; other values are never changed, so they are shared. */
export function clone<T>(v: T): T {
	if (Array.isArray(v)) return v.map(clone) as T;
	if (!isPlain(v)) return v;
	const copy: Doc = { ...v };
	for (const key of Object.keys(v)) if (typeof v[key] === "object") set(copy, key, clone(v[key]));
	return copy as T;
}

/** Own properties only: a path such as constructor.prototype must never reach an inherited one. */
export function own(o: unknown, key: string): unknown {
	return o !== null && typeof o === "object" && Object.hasOwn(o, key) ? (o as Doc)[key] : undefined;
}
/** Sets a field, behind all others when it is new. */
export function set(o: Doc | unknown[], key: string, value: unknown): void {
	if (!Array.isArray(o)) noteOrder(o, key);
	if (key === "__proto__") {
		Object.defineProperty(o, key, { value, enumerable: true, configurable: true, writable: true });
	} else (o as Doc)[key] = value;
}

/** A key for maps: equal BSON values give equal keys. */
export function idKey(v: unknown): string {
	if (typeof v === "string") return `s${v}`;
	if (typeof v === "number") return numberKey(v);
	switch (rank(v)) {
		case 1:
			return "z";
		case 2:
			return numberKey(v);
		case 4:
			return isPlain(v)
				? `{${entriesOf(v).map(([k, x]) => `${JSON.stringify(k)}:${quoted(x)}`)}}`
				: `j${JSON.stringify(v)}`;
		case 5:
			return `[${(v as unknown[]).map(quoted)}]`;
		case 6:
			return `b${subtype(v)}:${Buffer.from(bytesOfBinary(v)).toString("hex")}`;
		case 7:
			return `o${(v as ObjectId).toHexString()}`;
		case 9:
			return `d${Number(v)}`;
		case 10:
			return `t${v}`;
		case 11:
			return `r${patternOf(v)}`;
		default:
			return `j${bsonType(v) ?? ""}${JSON.stringify(v)}`;
	}
}
/** Within another key, so that no text can look like two. */
const quoted = (v: unknown) => JSON.stringify(idKey(v));

/** What an index or a query sees at a path. */
export interface Reached {
	/** One per element where the path meets an array, never empty: `[undefined]` when the path is missing. */
	values: unknown[];
	/** Where arrays were met, as bits: bit `n` is an array that the first `n` parts of the path lead to. */
	arrays: number;
}
const bitOf = (depth: number) => 1 << Math.min(depth, 30);
/** Whether arrays were met behind the first `depth` parts of the path, up to `last` of them. */
export const hasArrayBelow = (arrays: number, depth: number, last = 30): boolean =>
	(arrays & (2 * bitOf(last) - 1) & ~(2 * bitOf(depth) - 1)) !== 0;

/** Values at a dotted path as an index sees them. */
export function valuesAt(doc: Doc, path: string): Reached {
	if (!path.includes(".")) {
		const v = own(doc, path);
		if (!Array.isArray(v)) return { values: [v], arrays: 0 };
		return { values: v.length ? v : [EMPTY], arrays: bitOf(1) };
	}
	const out: Reached = { values: [], arrays: 0 };
	walk(doc, path.split("."), 0, out);
	if (!out.values.length) out.values.push(undefined);
	return out;
}
function walk(v: unknown, parts: readonly string[], i: number, out: Reached): void {
	const part = parts[i];
	if (part === undefined) {
		if (!Array.isArray(v)) out.values.push(v);
		else {
			out.arrays |= bitOf(i);
			if (!v.length) out.values.push(EMPTY);
			for (const e of v) out.values.push(e);
		}
	} else if (!Array.isArray(v)) walk(isPlain(v) ? own(v, part) : undefined, parts, i + 1, out);
	else {
		out.arrays |= bitOf(i);
		if (isPosition(part)) walkPosition(v, parts, i, out);
		else if (!v.length) out.values.push(undefined);
		else for (const e of v) walk(isPlain(e) ? own(e, part) : undefined, parts, i + 1, out);
	}
}

export const isPosition = (part: string) => /^\d+$/.test(part);
/** A number is an element's place, and the name of a field of any element: a filter finds both. */
function walkPosition(v: unknown[], parts: readonly string[], i: number, out: Reached): void {
	const part = parts[i] ?? "";
	walk(v[Number(part)], parts, i + 1, out);
	for (const e of v) if (isPlain(e) && Object.hasOwn(e, part)) walk(e[part], parts, i + 1, out);
}

/** The value at a path that is not to look into arrays. */
export function getPath(doc: unknown, path: string): unknown {
	let v = doc;
	for (const part of path.split(".")) v = own(v, part);
	return v;
}

/** A value as MongoDB writes it in messages. */
export function show(v: unknown): string {
	if (v === EMPTY) return "undefined";
	if (v === undefined || v === null) return "null";
	if (typeof v === "string") return JSON.stringify(v);
	if (bsonType(v) === "ObjectId") return `ObjectId('${(v as ObjectId).toHexString()}')`;
	if (v instanceof Date) return `new Date(${v.getTime()})`;
	if (Array.isArray(v)) return `[ ${v.map(show).join(", ")} ]`;
	if (!isPlain(v)) return String(v);
	const fields = entriesOf(v).map(([k, x]) => `${k}: ${show(x)}`);
	return fields.length ? `{ ${fields.join(", ")} }` : "{}";
}

const NUMBERED_TYPES: Record<number, string> = {
	1: "double",
	2: "string",
	3: "object",
	4: "array",
	5: "binData",
	7: "objectId",
	8: "bool",
	9: "date",
	10: "null",
	11: "regex",
	16: "int",
	17: "timestamp",
	18: "long",
	19: "decimal",
	[-1]: "minKey",
	127: "maxKey",
};
export const typeName = (t: unknown) => NUMBERED_TYPES[Number(t)] ?? String(t);

const TYPE_OF_RANK: Record<number, string> = {
	0: "minKey",
	3: "string",
	4: "object",
	5: "array",
	6: "binData",
	7: "objectId",
	8: "bool",
	9: "date",
	10: "timestamp",
	11: "regex",
	98: "maxKey",
};

/** The name `$type` gives a value. */
export function typeOf(v: unknown): string {
	if (v === undefined) return "missing";
	if (v === null) return "null";
	if (rank(v) !== 2) return TYPE_OF_RANK[rank(v)] ?? "object";
	return kindOf(v);
}

/** What MongoDB takes for true: all but false, 0, null and missing. */
export function isTrue(v: unknown): boolean {
	if (v === undefined || v === null || v === false || v === 0) return false;
	return rank(v) !== 2 || toNumber(v) !== 0;
}
