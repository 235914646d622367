// Documents are kept as bytes; the objects made of them are kept for a while and never changed.
import { checkSize } from "./bson-bytes.ts";
import { decode } from "./bson-read.ts";
import { MongoError } from "./errors.ts";
import { Index, type IndexKey, type IndexSpec, sameKeys, treeKey } from "./index-tree.ts";
import { type Doc, idKey, show } from "./values.ts";

/** One version of a document. */
export interface Stored {
	/** The key of its _id. */
	readonly key: string;
	readonly bytes: Buffer;
	doc: Doc | undefined;
	/** The generation of the cache it was last used in. */
	used: number;
}
export const stored = (key: string, bytes: Buffer): Stored => ({ key, bytes, doc: undefined, used: -1 });

/**
 * Keeps the objects of the documents used last, up to about twice `limit` bytes of BSON; an object takes some three
 * times the memory of its bytes, which is why they are not all kept.
 */
export class DecodedCache {
	readonly limit: number;
	#generation = 0;
	#young: Stored[] = [];
	#old: Stored[] = [];
	#bytes = 0;

	constructor(limit: number) {
		this.limit = limit;
	}

	get(s: Stored): Doc {
		s.doc ??= decode(s.bytes);
		if (s.used !== this.#generation) this.#use(s);
		return s.doc;
	}
	#use(s: Stored): void {
		s.used = this.#generation;
		this.#young.push(s);
		this.#bytes += s.bytes.length;
		if (this.#bytes < this.limit) return;
		for (const o of this.#old) if (o.used !== this.#generation) o.doc = undefined;
		this.#old = this.#young;
		this.#young = [];
		this.#bytes = 0;
		this.#generation++;
	}
}

interface IndexChange {
	index: Index;
	before: IndexKey[];
	after: IndexKey[];
}

export class Collection {
	readonly db: string;
	name: string;
	options: Doc = {};
	/** By the key of the _id, in the order of insertion. */
	readonly docs = new Map<string, Stored>();
	readonly idIndex = new Index({ key: { _id: 1 }, name: "_id_", unique: true });
	readonly #indexes = new Map<string, Index>();
	readonly #cache: DecodedCache;
	/** While the files are read, documents come first and the indexes are built from them at the end. */
	#isLoading: boolean;

	constructor(db: string, name: string, cache: DecodedCache, isLoading = false) {
		this.db = db;
		this.name = name;
		this.#cache = cache;
		this.#isLoading = isLoading;
	}

	get namespace(): string {
		return `${this.db}.${this.name}`;
	}
	get size(): number {
		return this.docs.size;
	}
	/** Without the one on _id. */
	get secondary(): Index[] {
		return [...this.#indexes.values()];
	}
	/** With the one on _id, which comes first. */
	get indexes(): Index[] {
		return [this.idIndex, ...this.#indexes.values()];
	}
	doc(s: Stored): Doc {
		return this.#cache.get(s);
	}

	/** @returns false when there is one just like it @throws 85 or 86 when there is one that differs */
	createIndex(spec: IndexSpec): boolean {
		const old = this.#indexes.get(spec.name);
		if (old) {
			if (signature(old.spec) === signature(spec)) return false;
			throw new MongoError(
				86,
				"IndexKeySpecsConflict",
				`An existing index has the same name as the requested index. Requested index: ${show(spec)}, existing index: ${show(old.spec)}`,
			);
		}
		for (const other of this.#indexes.values()) {
			if (JSON.stringify(other.spec.key) !== JSON.stringify(spec.key)) continue;
			if (JSON.stringify(other.spec.partialFilterExpression) !== JSON.stringify(spec.partialFilterExpression)) continue;
			throw new MongoError(85, "IndexOptionsConflict", `Index already exists with a different name: ${other.name}`);
		}
		const index = new Index(spec);
		if (!this.#isLoading) this.#build([index]);
		this.#indexes.set(spec.name, index);
		return true;
	}
	dropIndex(name: string): boolean {
		return this.#indexes.delete(name);
	}

	#build(indexes: Index[]): void {
		const entries: IndexKey[][] = indexes.map(() => []);
		for (const [key, s] of this.docs) {
			const doc = s.doc ?? decode(s.bytes);
			for (const [i, index] of indexes.entries()) {
				for (const values of index.keysOf(doc)) entries[i]?.push(treeKey(values, key));
			}
		}
		for (const [i, index] of indexes.entries()) index.fill(entries[i] ?? [], this.namespace);
	}

	/** Takes a document as the files have it, without indexes. */
	load(s: Stored): void {
		this.docs.set(s.key, s);
	}
	/** Builds all indexes over what was loaded. @throws when a unique one cannot be, which means damage */
	loaded(): void {
		this.#isLoading = false;
		this.#build(this.indexes);
	}

	/** Puts one document in place (of `before`) and in all indexes, or throws and leaves everything as it was. */
	put(s: Stored, doc: Doc, before?: Stored): void {
		checkSize(s.bytes);
		if (!before && this.docs.has(s.key)) throw this.idIndex.duplicate([doc["_id"]], this.namespace);
		const beforeDoc = before && this.doc(before);
		const changes: IndexChange[] = before ? [] : [{ index: this.idIndex, before: [], after: [[doc["_id"]]] }];
		for (const index of this.#indexes.values()) {
			const after = index.keysOf(doc);
			const old = beforeDoc ? index.keysOf(beforeDoc) : [];
			if (beforeDoc && sameKeys(old, after)) continue;
			index.check(s.key, after, this.namespace);
			changes.push({ index, before: old, after });
		}
		for (const { index, before: old, after } of changes) {
			index.remove(s.key, old);
			index.add(s.key, after);
		}
		s.doc = doc;
		this.docs.set(s.key, s);
		this.#cache.get(s);
	}

	remove(s: Stored): void {
		const doc = this.doc(s);
		for (const index of this.indexes) index.remove(s.key, index.keysOf(doc));
		this.docs.delete(s.key);
	}

	/** Compares every index with every document. @returns what does not agree, as sentences */
	validate(): { errors: string[]; keysPerIndex: Record<string, number> } {
		const errors: string[] = [];
		const keysPerIndex: Record<string, number> = {};
		const expected = new Map(this.indexes.map(index => [index, 0]));
		for (const [key, s] of this.docs) {
			const doc = decode(s.bytes);
			if (idKey(doc["_id"]) !== key) errors.push(`document ${show(doc["_id"])} is kept under another _id`);
			for (const index of this.indexes) {
				const distinct = new Set(index.keysOf(doc).map(values => values.map(idKey).join("\0")));
				expected.set(index, (expected.get(index) ?? 0) + distinct.size);
				for (const values of index.keysOf(doc)) {
					if (!index.has(key, values)) errors.push(`index ${index.name} lacks ${show(values)} of ${show(doc["_id"])}`);
				}
			}
		}
		for (const [index, count] of expected) {
			keysPerIndex[index.name] = index.size;
			if (index.size !== count) errors.push(`index ${index.name} has ${index.size} keys instead of ${count}`);
		}
		return { errors, keysPerIndex };
	}
}

function signature(spec: IndexSpec): string {
	const { key, unique = false, sparse = false, partialFilterExpression = null, expireAfterSeconds = null } = spec;
	return JSON.stringify([key, unique, sparse, partialFilterExpression, expireAfterSeconds]);
}
