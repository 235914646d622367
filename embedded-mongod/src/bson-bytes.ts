// What can be read from a document's bytes without making objects of them.
import { decode } from "./bson-read.ts";
import { encode } from "./bson-write.ts";
import { badValue, MongoError } from "./errors.ts";
import type { Doc } from "./values.ts";

/** MongoDB's own limit for one document. */
export const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;

/** A top-level element: where it begins (its type byte), where its value begins, and where it ends. */
interface Element {
	type: number;
	name: string;
	start: number;
	value: number;
	end: number;
}

const FIXED_SIZE: Record<number, number> = {
	1: 8,
	6: 0,
	7: 12,
	8: 1,
	9: 8,
	10: 0,
	16: 4,
	17: 8,
	18: 8,
	19: 16,
	255: 0,
	127: 0,
};

function valueEnd(bytes: Buffer, type: number, at: number): number {
	const fixed = FIXED_SIZE[type];
	if (fixed !== undefined) return at + fixed;
	switch (type) {
		case 2:
		case 13:
		case 14:
			return at + 4 + bytes.readInt32LE(at);
		case 3:
		case 4:
		case 15:
			return at + bytes.readInt32LE(at);
		case 5:
			return at + 5 + bytes.readInt32LE(at);
		case 11:
			return bytes.indexOf(0, bytes.indexOf(0, at) + 1) + 1;
		case 12:
			return at + 4 + bytes.readInt32LE(at) + 12;
		default:
			throw badValue(`Unrecognized BSON type ${type}`);
	}
}

function* elements(bytes: Buffer): Generator<Element> {
	for (let at = 4; bytes[at] !== 0 && at < bytes.length; ) {
		const type = bytes[at] as number;
		const nul = bytes.indexOf(0, at + 1);
		const end = valueEnd(bytes, type, nul + 1);
		// An element that does not end behind its name would be read again and again.
		if (nul < 0 || end <= nul || end > bytes.length) throw badValue("a document contradicts its own lengths");
		yield { type, name: bytes.toString("utf8", at + 1, nul), start: at, value: nul + 1, end };
		at = end;
	}
}

function find(bytes: Buffer, name: string): Element | undefined {
	for (const element of elements(bytes)) if (element.name === name) return element;
	return undefined;
}

/** A document made of some elements' bytes. */
function assemble(parts: Uint8Array[]): Buffer {
	const length = parts.reduce((n, part) => n + part.length, 5);
	const out = Buffer.allocUnsafeSlow(length);
	let at = out.writeInt32LE(length, 0);
	for (const part of parts) {
		out.set(part, at);
		at += part.length;
	}
	out[at] = 0;
	return out;
}

/** The document's `_id`, or undefined when it has none. */
export function idOf(bytes: Buffer): unknown {
	const element = find(bytes, "_id");
	if (!element) return undefined;
	if (element.type === 2) return bytes.toString("utf8", element.value + 4, element.end - 1);
	return decode(assemble([bytes.subarray(element.start, element.end)]))["_id"];
}

/** A copy of its own, with `_id` as the first field, as MongoDB stores it. */
export function withIdFirst(bytes: Buffer, id: unknown): Buffer {
	const element = find(bytes, "_id");
	if (element?.start === 4) return assemble([bytes.subarray(4, -1)]);
	const first = encode({ _id: id });
	const rest = element ? [bytes.subarray(4, element.start), bytes.subarray(element.end, -1)] : [bytes.subarray(4, -1)];
	return assemble([first.subarray(4, -1), ...rest]);
}

export function checkSize(bytes: Uint8Array): void {
	if (bytes.length <= MAX_DOCUMENT_BYTES) return;
	throw new MongoError(
		10334,
		"BSONObjectTooLarge",
		`BSONObj size: ${bytes.length} is invalid. Size must be between 0 and 16793600(16MB)`,
	);
}

/** `{ ...head, [field]: body }` where the body is already in bytes. */
export function withRawField(head: Doc, field: string, body: Uint8Array): Buffer {
	const name = Buffer.from(`\x03${field}\0`, "latin1");
	return assemble([encode(head).subarray(4, -1), name, body]);
}
