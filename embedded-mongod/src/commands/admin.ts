// Databases and collections as such: making, dropping, listing, measuring, validating.

import type { Collection } from "../collection.ts";
import { checkName } from "../engine.ts";
import { MongoError, notImplemented } from "../errors.ts";
import { compileFilter } from "../matcher.ts";
import { type Doc, own } from "../values.ts";
import {
	type Context,
	collectionIn,
	docBatches,
	filterOf,
	firstBatch,
	type Handlers,
	nameIn,
	OK,
	type Reply,
} from "./context.ts";

const NOT_HERE = ["validator", "capped", "timeseries", "viewOn", "clusteredIndex"];

function create(context: Context): Reply {
	const { engine, db, command } = context;
	for (const option of NOT_HERE) if (command[option]) throw notImplemented(`'${option}' collections`);
	const name = nameIn(context);
	if (engine.find(db, name)) return OK;
	engine.ensure(db, name);
	return OK;
}

function drop(context: Context): Reply {
	const { engine, db } = context;
	const name = nameIn(context);
	if (name === "system.profile") engine.profiler.drop(db);
	const collection = collectionIn(context);
	if (!collection) return OK;
	engine.drop(db, name);
	return { ns: collection.namespace, nIndexesWas: collection.indexes.length, ok: 1 };
}

function dropDatabase({ engine, db }: Context): Reply {
	for (const name of [...(engine.dbs.get(db)?.keys() ?? [])]) engine.drop(db, name);
	return { dropped: db, ok: 1 };
}

function split(namespace: unknown): [db: string, collection: string] {
	const text = String(namespace);
	const dot = text.indexOf(".");
	if (dot < 1) throw new MongoError(73, "InvalidNamespace", `Invalid namespace specified '${text}'`);
	return [text.slice(0, dot), text.slice(dot + 1)];
}

function renameCollection({ engine, command }: Context): Reply {
	const [db, from] = split(command["renameCollection"]);
	const [toDb, to] = split(command["to"]);
	if (db !== toDb) throw notImplemented("renameCollection across databases");
	engine.need(db, from);
	if (from === to) throw new MongoError(20, "IllegalOperation", "Can't rename a collection to itself");
	checkName(db, to);
	if (engine.find(db, to) && !command["dropTarget"])
		throw new MongoError(48, "NamespaceExists", "target namespace exists");
	engine.rename(db, from, to);
	return OK;
}

function filtered(list: Doc[], context: Context): Doc[] {
	return list.filter(compileFilter(filterOf(context.command["filter"]), context.evaluation));
}

function listCollections(context: Context): Reply {
	const { engine, db, command } = context;
	const all = [...(engine.dbs.get(db)?.values() ?? [])].map(({ name, options }) => ({
		name,
		type: "collection",
		options,
		info: { readOnly: false },
		idIndex: { v: 2, key: { _id: 1 }, name: "_id_" },
	}));
	return firstBatch(
		context,
		docBatches(`${db}.$cmd.listCollections`, filtered(all, context)),
		own(command["cursor"], "batchSize"),
	);
}

const bytesIn = (collections: Iterable<Collection>) => {
	let bytes = 0;
	for (const c of collections) for (const s of c.docs.values()) bytes += s.bytes.length;
	return bytes;
};

function listDatabases(context: Context): Reply {
	const all = [...context.engine.dbs].map(([name, collections]) => {
		const sizeOnDisk = context.command["nameOnly"] ? 0 : bytesIn(collections.values());
		return { name, sizeOnDisk, empty: collections.size === 0 };
	});
	const databases = filtered(all, context);
	return { databases, totalSize: all.reduce((n, d) => n + d.sizeOnDisk, 0), ok: 1 };
}

function dbStats({ engine, db }: Context): Reply {
	const collections = [...(engine.dbs.get(db)?.values() ?? [])];
	const objects = collections.reduce((n, c) => n + c.size, 0);
	const dataSize = bytesIn(collections);
	return {
		db,
		collections: collections.length,
		views: 0,
		objects,
		avgObjSize: objects ? dataSize / objects : 0,
		dataSize,
		storageSize: dataSize,
		indexes: collections.reduce((n, c) => n + c.indexes.length, 0),
		indexSize: 0,
		totalSize: dataSize,
		ok: 1,
	};
}

function collStats(context: Context): Reply {
	const collection = collectionIn(context);
	const size = collection ? bytesIn([collection]) : 0;
	const count = collection?.size ?? 0;
	return {
		ns: `${context.db}.${nameIn(context)}`,
		count,
		size,
		avgObjSize: count ? size / count : 0,
		storageSize: size,
		nindexes: collection?.indexes.length ?? 0,
		indexSizes: Object.fromEntries(collection?.indexes.map(i => [i.name, 0]) ?? []),
		ok: 1,
	};
}

/** Compares every index with every document, as mongod's own `validate` does. */
function validate(context: Context): Reply {
	const collection = context.engine.need(context.db, nameIn(context));
	const { errors, keysPerIndex } = collection.validate();
	return {
		ns: collection.namespace,
		nrecords: collection.size,
		nIndexes: collection.indexes.length,
		keysPerIndex,
		valid: errors.length === 0,
		warnings: [],
		errors,
		ok: 1,
	};
}

export const adminCommands: Handlers = {
	create,
	drop,
	dropDatabase,
	renameCollection,
	listCollections,
	listDatabases,
	dbStats,
	dbstats: dbStats,
	collStats,
	collstats: collStats,
	validate,
};
