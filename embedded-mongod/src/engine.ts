// The state: databases, collections, documents; every change of it goes through here and into the journal.
import { ObjectId } from "bson";
import { idOf, withIdFirst } from "./bson-bytes.ts";
import { encode } from "./bson-write.ts";
import { Collection, DecodedCache, type Stored, stored } from "./collection.ts";
import { CursorTable } from "./cursors.ts";
import { MongoError } from "./errors.ts";
import { FailPoints } from "./failpoints.ts";
import type { IndexSpec } from "./index-tree.ts";
import { fullDisk, realDisk } from "./journal/disk.ts";
import type { Entry } from "./journal/entries.ts";
import { Journal } from "./journal/journal.ts";
import type { Recovered } from "./journal/recovery.ts";
import { withId } from "./order.ts";
import type { Params } from "./params.ts";
import { Profiler } from "./profiler.ts";
import { type Doc, idKey, isRegex, typeOf } from "./values.ts";

export interface EngineOptions {
	/** Undefined keeps everything in memory only. */
	dataDir?: string | undefined;
	params: Params;
	salvage?: boolean;
	/** The journal failed: the engine must not go on. */
	onFatal: (error: Error) => void;
}

export class Engine {
	readonly params: Params;
	readonly dbs = new Map<string, Map<string, Collection>>();
	readonly cursors = new CursorTable();
	readonly failPoints = new FailPoints();
	readonly profiler: Profiler;
	readonly started = Date.now();
	/** How often each command was called. */
	readonly counts: Record<string, number> = {};
	/** How many queries scanned a collection. */
	scans = 0;
	readonly #cache: DecodedCache;
	readonly #journal: Journal | undefined;
	#isLoading = false;
	#closeRequested: (() => void) | undefined;

	constructor({ dataDir, params, salvage, onFatal }: EngineOptions) {
		this.params = params;
		this.profiler = new Profiler(params.profileEntries);
		this.#cache = new DecodedCache(params.decodedCacheBytes);
		if (dataDir === undefined) return;
		this.#journal = new Journal({
			dir: dataDir,
			checkpointBytes: params.checkpointBytes,
			checkpointDelayMs: params.checkpointDelayMs,
			...(salvage ? { salvage } : {}),
			disk: params.failDiskAfterBytes ? fullDisk(params.failDiskAfterBytes) : realDisk,
			snapshot: () => this.#snapshot(),
			onFatal,
		});
	}

	/** Reads the files. @throws DamageError */
	open(): Recovered | undefined {
		if (!this.#journal) return undefined;
		this.#isLoading = true;
		const found = this.#journal.open(entry => this.#redo(entry));
		this.#isLoading = false;
		for (const collections of this.dbs.values()) for (const c of collections.values()) c.loaded();
		for (const [d, collections] of this.dbs) {
			for (const c of [...collections.keys()]) if (c.startsWith(UNFINISHED)) this.drop(d, c);
		}
		return found;
	}
	async close(): Promise<void> {
		await this.#journal?.close();
	}
	checkpoint(): Promise<void> {
		return this.#journal?.checkpoint() ?? Promise.resolve();
	}
	/** Resolves when everything written until now is on the disk. */
	durable(): Promise<void> | undefined {
		return this.#journal?.durable();
	}
	get journalStats(): Doc | undefined {
		return this.#journal?.stats;
	}
	/** What the command `shutdown` calls; whoever runs the engine decides what that means. */
	set onShutdown(callback: () => void) {
		this.#closeRequested = callback;
	}
	shutdown(): void {
		if (!this.#closeRequested) throw new MongoError(20, "IllegalOperation", "this server is stopped by its host");
		setImmediate(this.#closeRequested);
	}

	/** The state of this moment: lists are copied now, documents are never changed in place. */
	#snapshot(): Iterable<Entry> {
		const all = [...this.dbs].flatMap(([d, collections]) =>
			[...collections.values()].map(collection => ({
				d,
				c: collection.name,
				options: collection.options,
				specs: collection.secondary.map(i => ({ ...i.spec })),
				docs: [...collection.docs.values()],
			})),
		);
		return (function* (): Generator<Entry> {
			for (const { d, c, options, specs, docs } of all) {
				yield { o: "create", d, c, options };
				for (const spec of specs) yield { o: "index", d, c, spec };
				for (const { bytes } of docs) yield { o: "put", d, c, doc: bytes };
			}
		})();
	}

	#redo(entry: Entry): void {
		if (entry.o === "end") return;
		const collection = () => this.find(entry.d, entry.c) ?? this.#make(entry.d, entry.c);
		switch (entry.o) {
			case "create":
				collection().options = entry.options;
				break;
			case "index":
				collection().createIndex(entry.spec);
				break;
			case "unindex":
				collection().dropIndex(entry.name);
				break;
			case "put":
				collection().load(stored(idKey(idOf(entry.doc)), entry.doc));
				break;
			case "del":
				collection().docs.delete(idKey(entry.id));
				break;
			case "drop":
				this.#forget(entry.d, entry.c);
				break;
			case "rename":
				this.#move(entry.d, entry.c, entry.to);
		}
	}

	find(d: string, c: string): Collection | undefined {
		return this.dbs.get(d)?.get(c);
	}
	#make(d: string, c: string): Collection {
		const collections = this.dbs.get(d) ?? new Map<string, Collection>();
		this.dbs.set(d, collections);
		const made = new Collection(d, c, this.#cache, this.#isLoading);
		collections.set(c, made);
		return made;
	}
	#forget(d: string, c: string): void {
		const collections = this.dbs.get(d);
		collections?.delete(c);
		if (!collections?.size) this.dbs.delete(d);
	}
	#move(d: string, c: string, to: string): void {
		const collections = this.dbs.get(d);
		const moved = collections?.get(c);
		if (!collections || !moved) return;
		collections.delete(c);
		moved.name = to;
		collections.set(to, moved);
	}

	/** The collection, made when it is not there. */
	ensure(d: string, c: string, options: Doc = {}): Collection {
		const found = this.find(d, c);
		if (found) return found;
		checkName(d, c);
		const made = this.#make(d, c);
		made.options = options;
		this.#journal?.write({ o: "create", d, c, options });
		return made;
	}
	/** @throws 26 when it is not there */
	need(d: string, c: string): Collection {
		const found = this.find(d, c);
		if (!found) throw new MongoError(26, "NamespaceNotFound", `ns does not exist: ${d}.${c}`);
		return found;
	}
	drop(d: string, c: string): void {
		this.#forget(d, c);
		this.#journal?.write({ o: "drop", d, c });
	}
	/** One entry, so that a crash leaves either the old target or the new one. */
	rename(d: string, c: string, to: string): void {
		this.#move(d, c, to);
		this.#journal?.write({ o: "rename", d, c, to });
	}
	createIndex(collection: Collection, spec: IndexSpec): void {
		if (!collection.createIndex(spec)) return;
		this.#journal?.write({ o: "index", d: collection.db, c: collection.name, spec });
	}
	dropIndex(collection: Collection, name: string): boolean {
		const wasThere = collection.dropIndex(name);
		if (wasThere) this.#journal?.write({ o: "unindex", d: collection.db, c: collection.name, name });
		return wasThere;
	}
	/** Changes what may change of an index without building it anew. */
	changeExpiry(collection: Collection, spec: IndexSpec, seconds: number): void {
		spec.expireAfterSeconds = seconds;
		const { db: d, name: c } = collection;
		this.#journal?.write({ o: "unindex", d, c, name: spec.name });
		this.#journal?.write({ o: "index", d, c, spec });
	}

	/** Inserts one document, with its own bytes when they came from the client. @throws E11000 */
	insert(collection: Collection, given: Doc, raw?: Buffer): { stored: Stored; doc: Doc } {
		const id = given["_id"] === undefined ? new ObjectId() : given["_id"];
		checkId(id);
		// As it is stored: with _id as the first field.
		const doc = withId(id, given);
		const bytes = raw ? withIdFirst(raw, id) : encode(doc);
		const made = stored(idKey(id), bytes);
		collection.put(made, doc);
		this.#journal?.write({ o: "put", d: collection.db, c: collection.name, doc: bytes });
		return { stored: made, doc };
	}

	/** @returns the new version, or undefined when nothing changed */
	replace(collection: Collection, before: Stored, after: Doc): Stored | undefined {
		const bytes = encode(after);
		if (bytes.equals(before.bytes)) return undefined;
		const made = stored(before.key, bytes);
		collection.put(made, after, before);
		this.#journal?.write({ o: "put", d: collection.db, c: collection.name, doc: bytes });
		return made;
	}

	remove(collection: Collection, s: Stored): void {
		const id = collection.doc(s)["_id"];
		collection.remove(s);
		this.#journal?.write({ o: "del", d: collection.db, c: collection.name, id });
	}
}

/** Collections that an `$out` builds; what a crash left of them goes at the next start. */
export const UNFINISHED = "tmp.agg_out.";

/** @throws 73 for what can be no collection's name */
export function checkName(d: string, c: unknown): void {
	if (typeof c === "string" && c && !c.includes("$") && !c.includes("\0") && !c.startsWith("system.")) return;
	throw new MongoError(73, "InvalidNamespace", `Invalid namespace specified '${d}.${c}'`);
}

function checkId(id: unknown): void {
	if (!Array.isArray(id) && !isRegex(id)) return;
	throw new MongoError(53, "InvalidIdField", `The '_id' value cannot be of type ${typeOf(id)}`);
}
