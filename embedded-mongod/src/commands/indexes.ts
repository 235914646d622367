import type { Collection } from "../collection.ts";
import { badValue, MongoError, notImplemented } from "../errors.ts";
import type { IndexSpec } from "../index-tree.ts";
import { isArrayIndex } from "../order.ts";
import { type Collation, isSimple } from "../sort.ts";
import { type Doc, isNumeric, isPlain, own, toNumber } from "../values.ts";
import { type Context, docBatches, firstBatch, type Handlers, listOf, nameIn, OK, type Reply } from "./context.ts";

const KEPT_OPTIONS = ["unique", "sparse", "partialFilterExpression", "expireAfterSeconds"] as const;

/** @throws on what this engine has not, rather than making an index that behaves differently */
function specOf(given: Doc): IndexSpec {
	const key = given["key"];
	if (!isPlain(key) || !Object.keys(key).length)
		throw new MongoError(67, "CannotCreateIndex", "Index keys cannot be empty.");
	for (const [field, direction] of Object.entries(key)) {
		if (typeof direction === "string") throw notImplemented(`index of type '${direction}' (on ${field})`);
		if (!isNumeric(direction) || toNumber(direction) === 0) {
			throw new MongoError(67, "CannotCreateIndex", "Values in the index key pattern must be numbers other than 0.");
		}
		if (field.includes("$**")) throw notImplemented("wildcard index");
		if (isArrayIndex(field)) throw notImplemented(`index on a field named as a number (${field})`);
	}
	if (!isSimple(given["collation"] as Collation | undefined)) throw notImplemented("index with a collation");
	if (given["sparse"] && given["partialFilterExpression"]) {
		throw new MongoError(67, "CannotCreateIndex", 'cannot mix "partialFilterExpression" and "sparse" options');
	}
	const name =
		typeof given["name"] === "string"
			? given["name"]
			: Object.entries(key)
					.map(([f, d]) => `${f}_${toNumber(d)}`)
					.join("_");
	// Directions may come as any kind of number; they are compared as texts later.
	const plain = Object.fromEntries(Object.entries(key).map(([f, d]) => [f, toNumber(d)]));
	const spec: IndexSpec = { key: plain, name };
	for (const option of KEPT_OPTIONS) {
		if (given[option] !== undefined && given[option] !== false) Object.assign(spec, { [option]: given[option] });
	}
	if (spec.expireAfterSeconds !== undefined) spec.expireAfterSeconds = toNumber(spec.expireAfterSeconds);
	return spec;
}

function createIndexes(context: Context): Reply {
	const { engine, db, command } = context;
	const name = nameIn(context);
	const createdCollectionAutomatically = !engine.find(db, name);
	const collection = engine.ensure(db, name);
	const numIndexesBefore = collection.indexes.length;
	for (const given of listOf(command["indexes"], "createIndexes.indexes")) {
		const spec = specOf(given);
		if (Object.keys(spec.key).join() !== "_id") engine.createIndex(collection, spec);
	}
	const numIndexesAfter = collection.indexes.length;
	const note = numIndexesAfter === numIndexesBefore ? { note: "all indexes already exist" } : {};
	return { numIndexesBefore, numIndexesAfter, createdCollectionAutomatically, ...note, ok: 1 };
}

function namesOf(collection: Collection, index: unknown): string[] {
	if (index === "*") return collection.secondary.map(i => i.name);
	if (!isPlain(index)) return [index].flat().map(String);
	const wanted = JSON.stringify(index);
	const found = collection.indexes.find(i => JSON.stringify(i.spec.key) === wanted);
	if (!found) throw new MongoError(27, "IndexNotFound", `can't find index with key: ${wanted}`);
	return [found.name];
}

function dropIndexes(context: Context): Reply {
	const { engine, db, command } = context;
	const collection = engine.need(db, nameIn(context));
	const nIndexesWas = collection.indexes.length;
	for (const name of namesOf(collection, command["index"])) {
		if (name === "_id_") throw new MongoError(72, "InvalidOptions", "cannot drop _id index");
		if (!engine.dropIndex(collection, name)) {
			throw new MongoError(27, "IndexNotFound", `index not found with name [${name}]`);
		}
	}
	return { nIndexesWas, ok: 1 };
}

function listIndexes(context: Context): Reply {
	const collection = context.engine.need(context.db, nameIn(context));
	const specs = collection.indexes.map(i =>
		i.name === "_id_" ? { v: 2, key: { _id: 1 }, name: "_id_" } : { v: 2, ...i.spec },
	);
	return firstBatch(context, docBatches(collection.namespace, specs), own(context.command["cursor"], "batchSize"));
}

/** Of what `collMod` can change, an index's expiry. */
function collMod(context: Context): Reply {
	const { engine, db, command } = context;
	const collection = engine.need(db, nameIn(context));
	for (const option of ["validator", "viewOn"])
		if (command[option] !== undefined) throw notImplemented(`collMod of '${option}'`);
	const wanted = command["index"];
	if (!isPlain(wanted)) return OK;
	const pattern = JSON.stringify(wanted["keyPattern"]);
	const index = collection.secondary.find(i => i.name === wanted["name"] || JSON.stringify(i.spec.key) === pattern);
	if (!index)
		throw new MongoError(
			27,
			"IndexNotFound",
			`cannot find index ${wanted["name"] ?? pattern} for ns ${collection.namespace}`,
		);
	const seconds = wanted["expireAfterSeconds"];
	if (seconds === undefined) return OK;
	if (!isNumeric(seconds)) throw badValue("expireAfterSeconds must be a number");
	const before = index.spec.expireAfterSeconds;
	engine.changeExpiry(collection, index.spec, toNumber(seconds));
	return {
		...(before === undefined ? {} : { expireAfterSeconds_old: before }),
		expireAfterSeconds_new: toNumber(seconds),
		ok: 1,
	};
}

export const indexCommands: Handlers = {
	createIndexes,
	dropIndexes,
	deleteIndexes: dropIndexes,
	listIndexes,
	collMod,
};
