// Reads BSON into objects, losing nothing: the kinds of numbers, patterns as they were written, the order of fields.
import {
	Binary,
	BSONRegExp,
	BSONSymbol,
	Code,
	DBRef,
	Decimal128,
	Double,
	Long,
	MaxKey,
	MinKey,
	ObjectId,
	Timestamp,
} from "bson";
import { badValue, MongoError } from "./errors.ts";
import { isInt32 } from "./numbers.ts";
import { isArrayIndex, keepOrder } from "./order.ts";
import { type Doc, set } from "./values.ts";

/** As MongoDB: what is nested deeper is refused. */
const DEEPEST = 200;
const broken = (why: string) => badValue(`a document contradicts itself: ${why}`);

const STRICT = new TextDecoder("utf-8", { fatal: true });
function text(bytes: Buffer, from: number, to: number): string {
	const s = bytes.toString("utf8", from, to);
	// What is no UTF-8 would be stored as something else.
	if (s.includes("\ufffd")) {
		try {
			STRICT.decode(bytes.subarray(from, to));
		} catch {
			throw badValue("a text is not UTF-8");
		}
	}
	return s;
}

/** The same few names come again and again: one copy of each, found by its bytes. */
const NAMES: ({ bytes: Buffer; name: string } | undefined)[] = new Array(4096);
const LONGEST_KEPT_NAME = 40;

class Reader {
	readonly #bytes: Buffer;
	/** The elements of this top-level array are handed out as bytes. */
	readonly #raw: string | undefined;
	#at = 0;

	constructor(bytes: Buffer, raw: string | undefined) {
		this.#bytes = bytes;
		this.#raw = raw;
	}

	document(depth: number): Doc {
		const end = this.#begin(depth);
		const out: Doc = {};
		let order: string[] | undefined;
		for (;;) {
			const type = this.#bytes[this.#at++];
			if (type === 0) break;
			const name = this.#name();
			if (isArrayIndex(name)) order ??= Object.keys(out);
			order?.push(name);
			const value = depth === 0 && name === this.#raw && type === 4 ? this.#rawItems() : this.#value(type ?? 0, depth);
			if (name === "__proto__") set(out, name, value);
			else out[name] = value;
		}
		if (this.#at !== end) throw broken("a length is wrong");
		if (order && Object.keys(out).some((name, i) => name !== order?.[i])) keepOrder(out, order);
		return out;
	}
	#array(depth: number): unknown[] {
		const end = this.#begin(depth);
		const out: unknown[] = [];
		for (;;) {
			const type = this.#bytes[this.#at++];
			if (type === 0) break;
			this.#skipName();
			out.push(this.#value(type ?? 0, depth));
		}
		if (this.#at !== end) throw broken("a length is wrong");
		return out;
	}
	#rawItems(): Buffer[] {
		const end = this.#begin(0);
		const out: Buffer[] = [];
		for (;;) {
			const type = this.#bytes[this.#at++];
			if (type === 0) break;
			this.#skipName();
			if (type !== 3) throw badValue("documents must be documents");
			const from = this.#at;
			this.#at = from + this.#length(from, 5);
			out.push(this.#bytes.subarray(from, this.#at));
		}
		if (this.#at !== end) throw broken("a length is wrong");
		return out;
	}

	/** @returns where it ends */
	#begin(depth: number): number {
		if (depth > DEEPEST) throw new MongoError(15, "Overflow", `a document is nested deeper than ${DEEPEST} levels`);
		const from = this.#at;
		const end = from + this.#length(from, 5);
		this.#at = from + 4;
		return end;
	}
	/** A length that fits what is there. */
	#length(at: number, least: number): number {
		if (at + 4 > this.#bytes.length) throw broken("it is cut off");
		const n = this.#bytes.readInt32LE(at);
		if (n < least || at + n > this.#bytes.length) throw broken(`a length of ${n} is impossible`);
		return n;
	}
	#skip(n: number): number {
		const from = this.#at;
		if (from + n > this.#bytes.length) throw broken("it is cut off");
		this.#at = from + n;
		return from;
	}

	#skipName(): void {
		const nul = this.#bytes.indexOf(0, this.#at);
		if (nul < 0) throw broken("a name does not end");
		this.#at = nul + 1;
	}
	#name(): string {
		const bytes = this.#bytes;
		const from = this.#at;
		let at = from;
		let hash = 0;
		for (let byte = bytes[at]; byte !== 0; byte = bytes[++at]) {
			if (byte === undefined) throw broken("a name does not end");
			hash = (Math.imul(hash, 31) + byte) | 0;
		}
		this.#at = at + 1;
		const length = at - from;
		const slot = hash & 4095;
		const known = NAMES[slot];
		if (known && known.bytes.length === length && isSame(known.bytes, bytes, from)) return known.name;
		const name = text(bytes, from, at);
		if (length <= LONGEST_KEPT_NAME) NAMES[slot] = { bytes: Buffer.from(bytes.subarray(from, at)), name };
		return name;
	}
	#string(): string {
		const from = this.#skip(4);
		const length = this.#bytes.readInt32LE(from);
		if (length < 1 || from + 4 + length > this.#bytes.length || this.#bytes[from + 3 + length] !== 0) {
			throw broken("a text does not end where it says");
		}
		this.#at = from + 4 + length;
		return length === 1 ? "" : text(this.#bytes, from + 4, from + 3 + length);
	}

	#value(type: number, depth: number): unknown {
		const bytes = this.#bytes;
		switch (type) {
			case 1: {
				const n = bytes.readDoubleLE(this.#skip(8));
				return isInt32(n) ? new Double(n) : n;
			}
			case 2:
				return this.#string();
			case 3:
				return this.document(depth + 1);
			case 4:
				return this.#array(depth + 1);
			case 5:
				return this.#binary();
			case 7: {
				const from = this.#skip(12);
				return new ObjectId(Uint8Array.prototype.slice.call(bytes, from, from + 12));
			}
			case 8:
				return bytes[this.#skip(1)] !== 0;
			case 9: {
				const from = this.#skip(8);
				return new Date(bytes.readInt32LE(from + 4) * 4294967296 + bytes.readUInt32LE(from));
			}
			case 10:
				return null;
			case 16:
				return bytes.readInt32LE(this.#skip(4));
			default:
				return this.#rareValue(type, depth);
		}
	}
	#rareValue(type: number, depth: number): unknown {
		const bytes = this.#bytes;
		switch (type) {
			case 11: {
				const pattern = this.#name();
				return new BSONRegExp(pattern, this.#name());
			}
			case 12: {
				const namespace = this.#string();
				return new DBRef(namespace, new ObjectId(Buffer.from(bytes.subarray(this.#skip(12), this.#at))));
			}
			case 13:
				return new Code(this.#string());
			case 14:
				return new BSONSymbol(this.#string());
			case 15: {
				this.#skip(4);
				const code = this.#string();
				return new Code(code, this.document(depth + 1));
			}
			case 17: {
				const from = this.#skip(8);
				return new Timestamp({ t: bytes.readUInt32LE(from + 4), i: bytes.readUInt32LE(from) });
			}
			case 18: {
				const from = this.#skip(8);
				return new Long(bytes.readInt32LE(from), bytes.readInt32LE(from + 4));
			}
			case 19:
				return new Decimal128(Uint8Array.prototype.slice.call(bytes, this.#skip(16), this.#at));
			case 127:
				return new MaxKey();
			case 255:
				return new MinKey();
			case 6:
				throw badValue("the BSON type undefined is deprecated, and not supported by embedded-mongod");
			default:
				throw badValue(`Unrecognized BSON type ${type}`);
		}
	}
	#binary(): Binary {
		const from = this.#skip(5);
		const length = this.#bytes.readInt32LE(from);
		if (length < 0) throw broken(`a length of ${length} is impossible`);
		const data = this.#skip(length);
		return new Binary(Uint8Array.prototype.slice.call(this.#bytes, data, data + length), this.#bytes[from + 4]);
	}
}

function isSame(known: Buffer, bytes: Buffer, from: number): boolean {
	for (let i = 0; i < known.length; i++) if (known[i] !== bytes[from + i]) return false;
	return true;
}
/** @throws MongoError on bytes that contradict themselves */
export function decode(bytes: Uint8Array, raw?: string): Doc {
	const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	return new Reader(buffer, raw).document(0);
}
