// insert, update, delete and findAndModify.

import { decode } from "../bson-read.ts";
import type { Collection, Stored } from "../collection.ts";
import type { Engine } from "../engine.ts";
import { failedToParse, MongoError } from "../errors.ts";
import { compileFind } from "../project.ts";
import { type Costs, noCosts, select } from "../select.ts";
import { compileUpdate, isReplacement, seedOf, type Update } from "../update.ts";
import { type Doc, isPlain } from "../values.ts";
import {
	type Context,
	collectionIn,
	evaluationOf,
	filterOf,
	type Handlers,
	listOf,
	nameIn,
	namespaceIn,
	queryOf,
	type Reply,
} from "./context.ts";

/** Runs every statement; after one that failed goes on only when the batch is unordered. */
function eachStatement<T>(items: T[], isOrdered: boolean, run: (item: T, index: number) => void): Doc {
	const writeErrors: Doc[] = [];
	for (const [index, item] of items.entries()) {
		try {
			run(item, index);
		} catch (error) {
			if (!(error instanceof MongoError)) throw error;
			writeErrors.push({ index, code: error.code, ...error.extra, errmsg: error.message });
			if (isOrdered) break;
		}
	}
	return writeErrors.length ? { writeErrors } : {};
}
const isOrdered = (command: Doc) => command["ordered"] !== false;

function insert(context: Context): Reply {
	const { engine, db, command } = context;
	const documents = listOf(command["documents"], "insert.documents") as unknown as (Uint8Array | Doc)[];
	const collection = engine.ensure(db, nameIn(context));
	let n = 0;
	const errors = eachStatement(documents, isOrdered(command), given => {
		const raw = given instanceof Uint8Array ? Buffer.from(given.buffer, given.byteOffset, given.length) : undefined;
		engine.insert(collection, raw ? decode(raw) : (given as Doc), raw);
		n++;
	});
	context.profile({ op: "insert", namespace: collection.namespace, counts: { ninserted: n } });
	return { n, ...errors, ok: 1 };
}

/** What one change of a query's documents came to. */
interface Changed {
	matched: number;
	modified: number;
	upserted?: Doc;
}

function upsert(engine: Engine, collection: Collection, filter: Doc, update: Update, context: UpdateOptions): Doc {
	const seed = seedOf(filter);
	const base: Doc = isReplacement(update) ? ("_id" in seed ? { _id: seed["_id"] } : {}) : seed;
	return engine.insert(collection, compileUpdate(update, { ...context, filter, isInsert: true })(base)).doc;
}
interface UpdateOptions {
	arrayFilters: Doc[] | undefined;
	evaluation: Context["evaluation"];
}

function updateOne(context: Context, collection: Collection, statement: Doc, costs: Costs): Changed {
	const { engine } = context;
	const filter = filterOf(statement["q"], "q");
	const update = statement["u"] as Update;
	const isMulti = statement["multi"] === true;
	const evaluation = isPlain(statement["c"]) ? evaluationOf(statement) : context.evaluation;
	const options = { arrayFilters: statement["arrayFilters"] as Doc[] | undefined, evaluation };
	if (isMulti && isReplacement(update))
		throw failedToParse("multi update is not supported for replacement-style update");
	const apply = compileUpdate(update, { ...options, filter });
	const limit = isMulti ? 0 : 1;
	const found = select(collection, { ...queryOf(context, filter, { ...statement, limit }), evaluation }, costs);
	let modified = 0;
	for (const s of found) if (engine.replace(collection, s, apply(collection.doc(s)))) modified++;
	if (found.length || !statement["upsert"]) return { matched: found.length, modified };
	return { matched: 0, modified: 0, upserted: upsert(engine, collection, filter, update, options) };
}

function update(context: Context): Reply {
	const { engine, db, command } = context;
	const statements = listOf(command["updates"], "update.updates");
	const collection = engine.ensure(db, nameIn(context));
	let n = 0;
	let nModified = 0;
	const upserted: Doc[] = [];
	const errors = eachStatement(statements, isOrdered(command), (statement, index) => {
		const costs = noCosts();
		const changed = updateOne(context, collection, statement, costs);
		n += changed.matched + (changed.upserted ? 1 : 0);
		nModified += changed.modified;
		if (changed.upserted) upserted.push({ index, _id: changed.upserted["_id"] });
		context.profile({
			op: "update",
			namespace: collection.namespace,
			command: statement,
			costs,
			counts: { nMatched: changed.matched, nModified: changed.modified, nUpserted: changed.upserted ? 1 : 0 },
		});
	});
	return { n, nModified, ...(upserted.length ? { upserted } : {}), ...errors, ok: 1 };
}

function remove(context: Context): Reply {
	const { engine, command } = context;
	const collection = collectionIn(context);
	let n = 0;
	const errors = eachStatement(listOf(command["deletes"], "delete.deletes"), isOrdered(command), statement => {
		const costs = noCosts();
		const found = select(collection, queryOf(context, filterOf(statement["q"], "q"), statement), costs);
		for (const s of found) if (collection) engine.remove(collection, s);
		n += found.length;
		context.profile({
			op: "remove",
			namespace: namespaceIn(context),
			command: statement,
			costs,
			counts: { ndeleted: found.length },
		});
	});
	return { n, ...errors, ok: 1 };
}

interface Modified {
	value: Doc | null;
	lastErrorObject: Doc;
	counts: Doc;
}

function findAndModify(context: Context): Reply {
	const { engine, db, command } = context;
	const filter = filterOf(command["query"], "query");
	if (command["remove"] && command["update"]) throw failedToParse("Cannot specify both an update and remove=true");
	if (!command["remove"] && !command["update"])
		throw failedToParse("Either an update or remove=true must be specified");
	if (command["remove"] && command["new"]) throw failedToParse("Cannot specify both new=true and remove=true");
	const collection = command["upsert"] ? engine.ensure(db, nameIn(context)) : collectionIn(context);
	const costs = noCosts();
	const found = select(collection, queryOf(context, filter, { ...command, limit: 1 }), costs)[0];
	const changed = command["remove"]
		? takeOut(engine, collection, found)
		: modify(context, collection, found, filter, command["update"] as Update);
	const fields = command["fields"];
	const value =
		changed.value && isPlain(fields) && Object.keys(fields).length
			? compileFind(fields, filter, context.evaluation)(changed.value)
			: changed.value;
	context.profile({
		op: "command",
		namespace: namespaceIn(context),
		costs,
		counts: { ...changed.counts, nreturned: value ? 1 : 0 },
	});
	return { lastErrorObject: changed.lastErrorObject, value, ok: 1 };
}

function takeOut(engine: Engine, collection: Collection | undefined, found: Stored | undefined): Modified {
	if (!found || !collection) return { value: null, lastErrorObject: { n: 0 }, counts: { ndeleted: 0 } };
	const value = collection.doc(found);
	engine.remove(collection, found);
	return { value, lastErrorObject: { n: 1 }, counts: { ndeleted: 1 } };
}

function modify(
	context: Context,
	collection: Collection | undefined,
	found: Stored | undefined,
	filter: Doc,
	update: Update,
): Modified {
	const { engine, command, evaluation } = context;
	const options = { arrayFilters: command["arrayFilters"] as Doc[] | undefined, evaluation };
	const apply = compileUpdate(update, { ...options, filter });
	const isNew = Boolean(command["new"]);
	if (found && collection) {
		const before = collection.doc(found);
		const after = apply(before);
		const isChanged = engine.replace(collection, found, after) !== undefined;
		return {
			value: isNew && isChanged ? after : before,
			lastErrorObject: { n: 1, updatedExisting: true },
			counts: { nMatched: 1, nModified: isChanged ? 1 : 0 },
		};
	}
	if (!collection || !command["upsert"]) {
		return { value: null, lastErrorObject: { n: 0, updatedExisting: false }, counts: { nMatched: 0, nModified: 0 } };
	}
	const made = upsert(engine, collection, filter, update, options);
	return {
		value: isNew ? made : null,
		lastErrorObject: { n: 1, updatedExisting: false, upserted: made["_id"] },
		counts: { nMatched: 0, nModified: 0, nUpserted: 1 },
	};
}

export const writeCommands: Handlers = {
	insert,
	update,
	delete: remove,
	findAndModify,
	findandmodify: findAndModify,
};
