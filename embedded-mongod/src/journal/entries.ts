// What the files hold: one entry per change, one per document in a checkpoint.
import { withRawField } from "../bson-bytes.ts";
import { decode } from "../bson-read.ts";
import { encode } from "../bson-write.ts";
import type { IndexSpec } from "../index-tree.ts";
import type { Doc } from "../values.ts";

/** A change of one collection (`c`) of one database (`d`). */
export type Entry =
	| { o: "create"; d: string; c: string; options: Doc }
	| { o: "index"; d: string; c: string; spec: IndexSpec }
	| { o: "unindex"; d: string; c: string; name: string }
	| { o: "put"; d: string; c: string; doc: Buffer }
	| { o: "del"; d: string; c: string; id: unknown }
	| { o: "drop"; d: string; c: string }
	| { o: "rename"; d: string; c: string; to: string }
	/** The last of a checkpoint: a checkpoint without it is not whole. */
	| { o: "end"; count: number };

export function encodeEntry(entry: Entry): Uint8Array {
	if (entry.o !== "put") return encode(entry);
	return withRawField({ o: entry.o, d: entry.d, c: entry.c }, "doc", entry.doc);
}

/** How a `put` begins: its first field. */
const PUT = Buffer.from("\x02o\0\x04\0\0\0put\0", "latin1");

/** The document of a `put` is left as bytes, in memory of its own. */
export function decodeEntry(payload: Buffer): Entry {
	if (payload.compare(PUT, 0, PUT.length, 4, 4 + PUT.length) !== 0) return decode(payload) as Entry;
	// Read by hand: a start reads one for every document.
	const d = stringAt(payload, 4 + PUT.length);
	const c = stringAt(payload, d.end);
	const at = c.end + "\x03doc\0".length;
	const length = payload.readInt32LE(at);
	const doc = Buffer.allocUnsafeSlow(length);
	payload.copy(doc, 0, at, at + length);
	return { o: "put", d: d.text, c: c.text, doc };
}

/** The value of a field with a name of one letter. */
function stringAt(payload: Buffer, at: number): { text: string; end: number } {
	const from = at + 7;
	const end = from + payload.readInt32LE(at + 3);
	return { text: payload.toString("utf8", from, end - 1), end };
}
