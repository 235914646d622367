// Writes objects as BSON, in memory of their own. What bson-read.ts has read comes out as it was.
import { serialize } from "bson";
import { badValue } from "./errors.ts";
import { isInt32 } from "./numbers.ts";
import { keysOf } from "./order.ts";
import { bsonType, type Doc } from "./values.ts";

const LARGEST = 256 * 1024 * 1024;
let out: Buffer = Buffer.allocUnsafeSlow(64 * 1024);
let at = 0;

function room(n: number): void {
	if (at + n <= out.length) return;
	if (at + n > LARGEST) throw badValue("a document is too large");
	const grown = Buffer.allocUnsafeSlow(Math.min(LARGEST, Math.max(out.length * 2, at + n)));
	grown.set(out.subarray(0, at));
	out = grown;
}

function name(type: number, key: string): void {
	room(2 + key.length * 3);
	out[at++] = type;
	for (let i = 0; i < key.length; i++) {
		const c = key.charCodeAt(i);
		if (c === 0) throw badValue("a field name cannot hold a NUL");
		if (c > 127) {
			at -= i;
			at += out.write(key, at, "utf8");
			break;
		}
		out[at++] = c;
	}
	out[at++] = 0;
}

function string(key: string, v: string): void {
	name(2, key);
	room(5 + v.length * 3);
	const length = out.write(v, at + 4, "utf8");
	out.writeInt32LE(length + 1, at);
	at += 4 + length;
	out[at++] = 0;
}

function number(key: string, v: number): void {
	const isInt = isInt32(v);
	name(isInt ? 16 : 1, key);
	room(8);
	at = isInt ? out.writeInt32LE(v, at) : out.writeDoubleLE(v, at);
}

function object(key: string, v: object): void {
	if (Array.isArray(v)) {
		name(4, key);
		const from = begin();
		for (let i = 0; i < v.length; i++) element(String(i), v[i] ?? null);
		end(from);
	} else if (v instanceof Date) {
		name(9, key);
		room(8);
		at = out.writeBigInt64LE(BigInt(v.getTime()), at);
	} else if (bsonType(v) === "ObjectId") {
		name(7, key);
		room(12);
		out.set((v as { id: Uint8Array }).id, at);
		at += 12;
	} else if (bsonType(v) !== undefined || v instanceof Uint8Array || v instanceof RegExp) {
		// The library's own writing of what comes seldom: one element of a document of its own.
		const bytes = serialize({ [key]: v }).subarray(4, -1);
		room(bytes.length);
		out.set(bytes, at);
		at += bytes.length;
	} else {
		name(3, key);
		fields(v as Doc);
	}
}

function element(key: string, v: unknown): void {
	if (typeof v === "string") string(key, v);
	else if (typeof v === "number") number(key, v);
	else if (v === null) name(10, key);
	else if (typeof v === "object") object(key, v);
	else if (typeof v === "boolean") {
		name(8, key);
		room(1);
		out[at++] = v ? 1 : 0;
	} else if (typeof v === "bigint") {
		name(18, key);
		room(8);
		at = out.writeBigInt64LE(v, at);
	}
}

function begin(): number {
	room(5);
	const from = at;
	at += 4;
	return from;
}
function end(from: number): void {
	room(1);
	out[at++] = 0;
	out.writeInt32LE(at - from, from);
}

function fields(doc: Doc): void {
	const from = begin();
	for (const key of keysOf(doc)) element(key, doc[key]);
	end(from);
}

/** Fields that are undefined are left out. */
export function encode(doc: Doc): Buffer {
	at = 0;
	fields(doc);
	const bytes = Buffer.allocUnsafeSlow(at);
	out.copy(bytes, 0, 0, at);
	// One large document must not keep its room for ever.
	if (out.length > 4 * 1024 * 1024) out = Buffer.allocUnsafeSlow(64 * 1024);
	return bytes;
}
