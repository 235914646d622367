// The order of a document's fields where JavaScript would have another: it puts names such as "10" before all others.
import type { Doc } from "./values.ts";

const ORDER = Symbol("order");
/** Kept with a document that needs it; copies by `...` share it until one of them gets a further field. */
interface Order {
	owner: object;
	names: Set<string>;
}
type Ordered = Doc & { [ORDER]?: Order };

/** Whether JavaScript takes a field's name for a place in a list. */
export function isArrayIndex(name: string): boolean {
	const first = name.charCodeAt(0);
	return first >= 48 && first <= 57 && String(Number(name) >>> 0) === name && name !== "4294967295";
}

/** The names of a document's fields, in their order. */
export function keysOf(doc: Doc): string[] {
	const keys = Object.keys(doc);
	const order = (doc as Ordered)[ORDER];
	if (!order) return keys;
	const known = [...order.names].filter(key => Object.hasOwn(doc, key));
	return [...known, ...keys.filter(key => !order.names.has(key))];
}
export const entriesOf = (doc: Doc): [string, unknown][] => keysOf(doc).map(key => [key, doc[key]]);

/** To be called before a field is set: one that is new goes behind all others. */
export function noteOrder(doc: Doc, key: string): void {
	let order = (doc as Ordered)[ORDER];
	if ((!order && !isArrayIndex(key)) || Object.hasOwn(doc, key)) return;
	if (order?.owner !== doc) {
		order = { owner: doc, names: new Set(keysOf(doc)) };
		(doc as Ordered)[ORDER] = order;
	}
	order.names.delete(key);
	order.names.add(key);
}

/** Gives a document the order in which its fields were read. */
export function keepOrder(doc: Doc, names: string[]): void {
	(doc as Ordered)[ORDER] = { owner: doc, names: new Set(names) };
}

/** A copy with this `_id`, as its first field. */
export function withId(id: unknown, doc: Doc): Doc {
	const { _id, ...rest } = doc;
	const out: Doc = { _id: id, ...rest };
	if ((out as Ordered)[ORDER]) keepOrder(out, ["_id", ...keysOf(rest)]);
	return out;
}
