// One index: an ordered tree of keys. A key is the indexed values followed by the document's own key.
import BTreeModule from "sorted-btree";
import { MongoError } from "./errors.ts";
import { Evaluation } from "./expressions.ts";
import { keysThroughArrays } from "./index-keys.ts";
import { compileFilter, type Matcher } from "./matcher.ts";
import { isDescending } from "./sort.ts";
import { compare, type Doc, Edge, EMPTY, HIGH, LOW, show, valuesAt } from "./values.ts";

const BTree = BTreeModule.default;

/** An index as `createIndexes` takes it and `listIndexes` gives it. */
export interface IndexSpec {
	key: Record<string, unknown>;
	name: string;
	unique?: boolean;
	sparse?: boolean;
	partialFilterExpression?: Doc;
	expireAfterSeconds?: number;
}
const MAX_WORDS = 50_000;

/** The indexed values; in the tree, the document's key comes after them. */
export type IndexKey = unknown[];

export class Index {
	readonly spec: IndexSpec;
	readonly fields: readonly string[];
	readonly signs: readonly number[];
	/** Where each field has ever met an array, as the bits of `Reached.arrays`. */
	readonly arrays: number[];
	readonly #paths: readonly (readonly string[])[];
	readonly #partial: Matcher | undefined;
	/** A set: where no value is given, the tree keeps no room for one. */
	readonly #tree;
	readonly #words = new Map<string, string>();

	constructor(spec: IndexSpec) {
		this.spec = spec;
		this.fields = Object.keys(spec.key);
		this.signs = this.fields.map(f => (isDescending(spec.key[f]) ? -1 : 1));
		this.arrays = this.fields.map(() => 0);
		this.#paths = this.fields.map(f => f.split("."));
		const partial = spec.partialFilterExpression;
		this.#partial = partial && compileFilter(partial, new Evaluation());
		this.#tree = new BTree<IndexKey, undefined>(undefined, (a, b) => this.compareKeys(a, b), 64);
	}

	get name(): string {
		return this.spec.name;
	}
	get size(): number {
		return this.#tree.size;
	}
	/** Some document has an array on the path of one of its fields. */
	get isMultikey(): boolean {
		return this.arrays.some(a => a !== 0);
	}

	/** The order of keys in the tree, directions and all. */
	compareKeys(a: IndexKey, b: IndexKey): number {
		const n = this.fields.length;
		for (let i = 0; i < n; i++) {
			const c = compare(a[i], b[i]);
			if (c) return c * (this.signs[i] ?? 1);
		}
		return compareTail(a[n], b[n]);
	}

	/** A document's keys: none when the index leaves it out, several when a path meets an array. */
	keysOf(doc: Doc): IndexKey[] {
		if (this.#partial && !this.#partial(doc)) return [];
		const columns = this.fields.map(f => valuesAt(doc, f));
		if (this.spec.sparse && columns.every(c => c.values.every(v => v === undefined))) return [];
		let withArrays = 0;
		for (const [i, { arrays }] of columns.entries()) {
			if (!arrays) continue;
			withArrays++;
			this.arrays[i] = (this.arrays[i] ?? 0) | arrays;
		}
		if (!withArrays) return [columns.map(c => c.values[0] ?? null)];
		if (withArrays > 1) return keysThroughArrays(doc, this.#paths);
		const many = columns.find(c => c.arrays)?.values ?? [];
		return many.map(v => columns.map(c => (c.arrays ? v : c.values[0]) ?? null));
	}

	/** @throws E11000 when a unique key is another document's */
	check(id: string, keys: IndexKey[], namespace: string): void {
		if (!this.spec.unique) return;
		for (const key of keys) {
			for (const found of this.#tree.keys([...key, LOW])) {
				if (this.fields.some((_, i) => compare(found[i], key[i]) !== 0)) break;
				if (found.at(-1) !== id) throw this.duplicate(key, namespace);
			}
		}
	}
	duplicate(key: IndexKey, namespace: string): MongoError {
		const keyValue = Object.fromEntries(this.fields.map((f, i) => [f, key[i] instanceof Edge ? null : key[i]]));
		const message = `E11000 duplicate key error collection: ${namespace} index: ${this.name} dup key: ${show(keyValue)}`;
		return new MongoError(11000, "DuplicateKey", message, { keyPattern: this.spec.key, keyValue });
	}

	add(id: string, keys: IndexKey[]): void {
		for (const key of keys) this.#tree.set(treeKey(this.#shared(key), id), undefined);
	}
	/** Words of arrays come again in many documents: one copy of each serves all their keys. */
	#shared(key: IndexKey): IndexKey {
		for (const [i, arrays] of this.arrays.entries()) {
			const value = key[i];
			if (!arrays || typeof value !== "string") continue;
			const known = this.#words.get(value);
			if (known !== undefined) key[i] = known;
			else if (this.#words.size < MAX_WORDS) this.#words.set(value, value);
		}
		return key;
	}
	remove(id: string, keys: IndexKey[]): void {
		for (const key of keys) this.#tree.delete([...key, id]);
	}
	has(id: string, key: IndexKey): boolean {
		return this.#tree.has([...key, id]);
	}

	/** Keys from `low` to `high` in the tree's order, or the other way round. Bounds are whole keys. */
	*scan(low: IndexKey, high: IndexKey, isReverse: boolean): Generator<IndexKey> {
		if (!isReverse) {
			for (const key of this.#tree.keys(low)) {
				if (this.compareKeys(key, high) > 0) return;
				yield key;
			}
			return;
		}
		for (const [key] of this.#tree.entriesReversed(high)) {
			if (this.compareKeys(key, low) < 0) return;
			yield key;
		}
	}

	/** Fills an empty index at once; sorted first, because a tree takes sorted keys several times faster. */
	fill(entries: IndexKey[], namespace: string): void {
		entries.sort((a, b) => this.compareKeys(a, b));
		let previous: IndexKey | undefined;
		for (const entry of entries) {
			if (this.spec.unique && previous && previous.at(-1) !== entry.at(-1) && this.#sameValues(previous, entry)) {
				throw this.duplicate(entry, namespace);
			}
			this.#tree.set(this.#shared(entry), undefined);
			previous = entry;
		}
	}
	#sameValues(a: IndexKey, b: IndexKey): boolean {
		return this.fields.every((_, i) => compare(a[i], b[i]) === 0);
	}
}

/**
 * The indexed values with the document's key behind them. Written out, because an array that grows keeps room for
 * sixteen more, and there are millions of these.
 */
export function treeKey(values: IndexKey, id: string): IndexKey {
	switch (values.length) {
		case 1:
			return [values[0], id];
		case 2:
			return [values[0], values[1], id];
		case 3:
			return [values[0], values[1], values[2], id];
		case 4:
			return [values[0], values[1], values[2], values[3], id];
		default:
			return [...values, id].slice();
	}
}

function compareTail(a: unknown, b: unknown): number {
	if (a === b) return 0;
	if (a === LOW || b === HIGH) return -1;
	if (b === LOW || a === HIGH) return 1;
	return (a as string) < (b as string) ? -1 : 1;
}

export const sameKeys = (a: IndexKey[], b: IndexKey[]): boolean =>
	a.length === b.length &&
	a.every((key, i) => {
		const other = b[i];
		return other !== undefined && key.every((v, n) => v === other[n] || isSame(v, other[n]));
	});
const isSame = (a: unknown, b: unknown) => a !== EMPTY && b !== EMPTY && compare(a, b) === 0;
