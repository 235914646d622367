// What each update operator does at one concrete path.
import { Long, Timestamp } from "bson";
import { badValue, failedToParse, MongoError, typeMismatch } from "./errors.ts";
import type { Evaluation } from "./expressions.ts";
import { elementTest } from "./matcher.ts";
import { calculate, kindOf } from "./numbers.ts";
import { regexTest } from "./regex.ts";
import { orderOf } from "./sort.ts";
import {
	clone,
	compare,
	type Doc,
	equal,
	isNumeric,
	isPlain,
	isRegex,
	own,
	set,
	show,
	toNumber,
	typeOf,
} from "./values.ts";

export type Parent = Doc | unknown[];
/** The document being changed, as it was, and the command's clock. */
export interface Writer {
	doc: Doc;
	before: Doc;
	now: Date;
	evaluation: Evaluation;
}
/** Where an operator works: the parent, the last part of the path, and what is there now. */
interface Target {
	writer: Writer;
	parent: Parent;
	key: string;
	path: string;
	current: unknown;
}

const BACKFILL_LIMIT = 1_500_000;

export function getAt(doc: unknown, parts: readonly string[]): unknown {
	let v = doc;
	for (const part of parts) v = own(v, part);
	return v;
}

/** Everything above a path's last part; made where it is missing, or null when it is missing and `create` is not set. */
export function parentOf(doc: Doc, parts: readonly string[], create: true): Parent;
export function parentOf(doc: Doc, parts: readonly string[], create: boolean): Parent | null;
export function parentOf(doc: Doc, parts: readonly string[], create: boolean): Parent | null {
	let v: Parent = doc;
	for (let i = 0; i < parts.length - 1; i++) {
		const part = parts[i] ?? "";
		const below = parts[i + 1] ?? "";
		let next = own(v, part);
		if (next === undefined) {
			if (!create) return null;
			next = {};
			putAt(v, part, next);
		}
		const isViable = Array.isArray(next) ? /^\d+$/.test(below) : isPlain(next);
		if (!isViable) {
			if (!create) return null;
			throw new MongoError(28, "PathNotViable", `Cannot create field '${below}' in element {${part}: ${show(next)}}`);
		}
		v = next as Parent;
	}
	return v;
}

export function putAt(parent: Parent, key: string, v: unknown): void {
	if (!Array.isArray(parent)) {
		set(parent, key, v);
		return;
	}
	if (Number(key) > parent.length + BACKFILL_LIMIT)
		throw badValue(`can't backfill more than ${BACKFILL_LIMIT} elements`);
	while (parent.length < Number(key)) parent.push(null);
	parent[Number(key)] = v;
}
const put = (t: Target, v: unknown) => putAt(t.parent, t.key, v);

function listAt(t: Target): unknown[] {
	if (Array.isArray(t.current)) return t.current;
	throw badValue(
		`The field '${t.path}' must be an array but is of type ${typeOf(t.current)} in document {_id: ${show(t.writer.before["_id"])}}`,
	);
}

function arithmetic(t: Target, arg: unknown, isSum: boolean): void {
	const op = isSum ? "$inc" : "$mul";
	if (arg === null || arg === undefined || !isNumeric(arg)) {
		throw typeMismatch(
			`Cannot ${isSum ? "increment" : "multiply"} with non-numeric argument: {${t.path}: ${show(arg)}}`,
		);
	}
	if (t.current !== undefined && (t.current === null || !isNumeric(t.current))) {
		throw typeMismatch(
			`Cannot apply ${op} to a value of non-numeric type. {_id: ${show(t.writer.before["_id"])}} has the field '${t.key}' of non-numeric type ${typeOf(t.current)}`,
		);
	}
	put(t, calculate(isSum ? "add" : "multiply", t.current ?? 0, arg, true));
}

function push(t: Target, arg: unknown): void {
	const spec: Doc = isPlain(arg) && "$each" in arg ? arg : { $each: [arg] };
	for (const clause of Object.keys(spec)) {
		if (!["$each", "$slice", "$sort", "$position"].includes(clause))
			throw badValue(`Unrecognized clause in $push: ${clause}`);
	}
	const { $each: items, $position: position, $sort: sort, $slice: slice } = spec;
	if (!Array.isArray(items))
		throw badValue(`The argument to $each in $push must be an array but it was of type ${typeOf(items)}`);
	let list = t.current === undefined ? [] : listAt(t);
	list.splice(position === undefined ? list.length : toNumber(position), 0, ...clone(items));
	if (sort !== undefined) {
		list.sort(isPlain(sort) ? orderOf(sort) : (x, y) => toNumber(sort) * compare(x, y));
	}
	if (slice !== undefined) {
		const n = toNumber(slice);
		list = n === 0 ? [] : n > 0 ? list.slice(0, n) : list.slice(n);
	}
	put(t, list);
}

function addToSet(t: Target, arg: unknown): void {
	const items = isPlain(arg) && "$each" in arg ? arg["$each"] : [arg];
	if (!Array.isArray(items)) throw typeMismatch("The argument to $each in $addToSet must be an array");
	const list = t.current === undefined ? [] : listAt(t);
	for (const item of items) if (!list.some(e => equal(e, item))) list.push(clone(item));
	put(t, list);
}

function pull(t: Target, arg: unknown): void {
	if (t.current === undefined) return;
	const hit = pullTest(arg, t.writer.evaluation);
	put(
		t,
		listAt(t).filter(e => !hit(e)),
	);
}
function pullTest(arg: unknown, evaluation: Evaluation): (e: unknown) => boolean {
	if (isRegex(arg)) return regexTest(arg);
	return isPlain(arg) ? elementTest(arg, evaluation) : e => equal(e, arg);
}

function bit(t: Target, arg: unknown): void {
	const [[op, operand] = ["", 0]] = Object.entries(isPlain(arg) ? arg : {});
	if (!["and", "or", "xor"].includes(op))
		throw badValue(`The $bit modifier only supports 'and', 'or', and 'xor', not '${op}'`);
	const values = [t.current ?? 0, operand];
	if (!values.every(v => isNumeric(v) && ["int", "long"].includes(kindOf(v)))) {
		throw badValue("The $bit modifier works on ints and longs only");
	}
	const [a = 0n, b = 0n] = values.map(v => BigInt(String(v)));
	const n = op === "and" ? a & b : op === "or" ? a | b : a ^ b;
	const isLong = values.some(v => kindOf(v) === "long");
	put(t, isLong ? Long.fromBigInt(BigInt.asIntN(64, n)) : Number(BigInt.asIntN(32, n)));
}

const OPERATORS: Record<string, (t: Target, arg: unknown) => void> = {
	$set: (t, arg) => put(t, clone(arg)),
	$setOnInsert: (t, arg) => put(t, clone(arg)),
	$unset: t => {
		if (!Array.isArray(t.parent)) delete t.parent[t.key];
		else if (Object.hasOwn(t.parent, t.key)) t.parent[Number(t.key)] = null;
	},
	$inc: (t, arg) => arithmetic(t, arg, true),
	$mul: (t, arg) => arithmetic(t, arg, false),
	$min: (t, arg) => {
		if (!Object.hasOwn(t.parent, t.key) || compare(arg, t.current) < 0) put(t, clone(arg));
	},
	$max: (t, arg) => {
		if (!Object.hasOwn(t.parent, t.key) || compare(arg, t.current) > 0) put(t, clone(arg));
	},
	$currentDate: (t, arg) => {
		const isTimestamp = isPlain(arg) && arg["$type"] === "timestamp";
		const { now } = t.writer;
		put(t, isTimestamp ? Timestamp.fromBits(1, Math.floor(now.getTime() / 1000)) : new Date(now));
	},
	$push: push,
	$addToSet: addToSet,
	$pull: pull,
	$pullAll: (t, arg) => {
		if (!Array.isArray(arg)) throw badValue("$pullAll requires an array argument");
		if (t.current === undefined) return;
		put(
			t,
			listAt(t).filter(e => !arg.some(x => equal(x, e))),
		);
	},
	$pop: (t, arg) => {
		if (toNumber(arg) !== 1 && toNumber(arg) !== -1) throw failedToParse(`$pop expects 1 or -1, found: ${show(arg)}`);
		if (t.current === undefined) return;
		if (toNumber(arg) === 1) listAt(t).pop();
		else listAt(t).shift();
	},
	$bit: bit,
	$rename: () => undefined,
};
/** Nothing is there for them to work on when the path is missing, and they make none. */
const REDUCING = new Set(["$unset", "$pull", "$pullAll", "$pop"]);

export const isOperator = (op: string) => Object.hasOwn(OPERATORS, op);

export function applyOperator(writer: Writer, op: string, parts: string[], arg: unknown): void {
	const parent = parentOf(writer.doc, parts, !REDUCING.has(op));
	if (!parent) return;
	const key = parts.at(-1) ?? "";
	if (Array.isArray(parent) && !/^\d+$/.test(key)) {
		if (REDUCING.has(op)) return;
		throw new MongoError(
			28,
			"PathNotViable",
			`Cannot create field '${key}' in element {${parts.at(-2)}: ${show(parent)}}`,
		);
	}
	OPERATORS[op]?.({ writer, parent, key, path: parts.join("."), current: own(parent, key) }, arg);
}
