// What the files hold: one entry per change, one per document in a checkpoint.
import { deserialize, serialize } from "bson";
import { READ, withRawField } from "../bson-bytes.ts";
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
	if (entry.o !== "put") return serialize(entry);
	return withRawField({ o: entry.o, d: entry.d, c: entry.c }, "doc", entry.doc);
}

/** The document of a `put` is left as bytes, in memory of its own. */
export function decodeEntry(payload: Buffer): Entry {
	const entry = deserialize(payload, { ...READ, raw: true });
	if (entry["o"] !== "put") return deserialize(payload, READ) as Entry;
	const body: Uint8Array = entry["doc"];
	const doc = Buffer.allocUnsafeSlow(body.length);
	doc.set(body);
	return { o: "put", d: entry["d"], c: entry["c"], doc };
}
