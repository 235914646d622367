// What every command gets, and what it may answer with.
import { Long } from "bson";
import { encode } from "../bson-write.ts";
import type { Collection, Stored } from "../collection.ts";
import type { Batches } from "../cursors.ts";
import type { Engine } from "../engine.ts";
import { failedToParse, MongoError } from "../errors.ts";
import { Evaluation } from "../expressions.ts";
import type { Operation } from "../profiler.ts";
import type { Proof } from "../scram.ts";
import type { Query } from "../select.ts";
import type { Collation, SortSpec } from "../sort.ts";
import { type Doc, isPlain, toNumber } from "../values.ts";

/** The connection a command came over. */
export interface Connection {
	id: number;
	appName?: string | undefined;
	/** Who may use the server has to prove it first; undefined where everybody who can connect may. */
	proof?: Proof | undefined;
}
export interface Context {
	engine: Engine;
	connection: Connection;
	/** The command's name as it was given. */
	name: string;
	db: string;
	command: Doc;
	/** `$$NOW` and `let` of this command. */
	evaluation: Evaluation;
	profile(operation: Omit<Operation, "command"> & { command?: Doc }): void;
}
/** A batch of results, already in bytes. */
export interface CursorReply {
	field: "firstBatch" | "nextBatch";
	items: Uint8Array[];
	namespace: string;
	id: Long;
}
export type Reply = Doc | { cursorReply: CursorReply };
export type Handler = (context: Context) => Reply | Promise<Reply>;
export type Handlers = Record<string, Handler>;

export const OK = { ok: 1 };
/** What the first batch holds when the client does not say. */
const FIRST_BATCH = 101;

export function evaluationOf(command: Doc): Evaluation {
	const vars = command["let"] ?? command["c"];
	if (!isPlain(vars)) return new Evaluation();
	const empty = new Evaluation();
	return new Evaluation(Object.fromEntries(Object.entries(vars).map(([k, e]) => [k, empty.compile(e)({})])), empty.now);
}

/** The collection's name a command is about. @throws when it is none */
export function nameIn(context: Context): string {
	const name = context.command[context.name];
	if (typeof name !== "string" || !name) {
		throw new MongoError(73, "InvalidNamespace", `collection name has invalid type or is empty`);
	}
	return name;
}
export const namespaceIn = (context: Context) => `${context.db}.${nameIn(context)}`;
export const collectionIn = (context: Context): Collection | undefined =>
	context.engine.find(context.db, nameIn(context));

export function filterOf(v: unknown, field = "filter"): Doc {
	if (v === undefined || v === null) return {};
	if (!isPlain(v)) throw new MongoError(14, "TypeMismatch", `Expected field ${field} to be of type object`);
	return v;
}
export function listOf(v: unknown, field: string): Doc[] {
	if (!Array.isArray(v)) throw failedToParse(`BSON field '${field}' is missing but a required field`);
	return v;
}
const countOf = (v: unknown) => (v === undefined || v === null ? 0 : toNumber(v));

/** The parts of a query under the names that `find` gives them. */
export function queryOf(context: Context, filter: Doc, from: Doc): Query {
	const limit = Math.abs(countOf(from["limit"]));
	return {
		filter,
		sort: from["sort"] as SortSpec | undefined,
		limit: limit || Number.POSITIVE_INFINITY,
		skip: countOf(from["skip"]),
		hint: from["hint"],
		collation: from["collation"] as Collation | undefined,
		evaluation: context.evaluation,
		noScan: context.engine.params.notablescan,
	};
}

/** As MongoDB: a batch ends with the document that takes it over 16 MB, however many were asked for. */
const LARGEST_BATCH = 16 * 1024 * 1024;

function batchesOf<T>(namespace: string, list: T[], bytesOf: (item: T) => Uint8Array): Batches {
	let at = 0;
	return {
		namespace,
		take(n) {
			const items: Uint8Array[] = [];
			for (let size = 0; items.length < n && at < list.length && size < LARGEST_BATCH; at++) {
				const bytes = bytesOf(list[at] as T);
				size += bytes.length;
				items.push(bytes);
			}
			return items;
		},
		get isDone() {
			return at >= list.length;
		},
	};
}
/** Documents not fetched yet, as they were when the query ran. */
export const storedBatches = (namespace: string, list: Stored[], map?: (s: Stored) => Doc): Batches =>
	batchesOf(namespace, list, s => (map ? encode(map(s)) : s.bytes));
export const docBatches = (namespace: string, list: Doc[]): Batches => batchesOf(namespace, list, encode);

/** The first batch, and a cursor for the rest if there is one. */
export function firstBatch(context: Context, batches: Batches, batchSize: unknown, isSingle = false): Reply {
	const items = batches.take(batchSize === undefined ? FIRST_BATCH : countOf(batchSize));
	const id = batches.isDone || isSingle ? Long.ZERO : context.engine.cursors.add(batches);
	return { cursorReply: { field: "firstBatch", items, namespace: batches.namespace, id } };
}
