// aggregate: what an index can do of a pipeline it does, the rest runs over the documents found.
import { ObjectId } from "bson";
import type { Collection } from "../collection.ts";
import { checkName, UNFINISHED } from "../engine.ts";
import { failedToParse, MongoError } from "../errors.ts";
import type { Evaluation } from "../expressions.ts";
import { type Environment, nameOfStage, runPipeline } from "../pipeline.ts";
import { type Costs, noCosts, select } from "../select.ts";
import type { Collation, SortSpec } from "../sort.ts";
import { compileUpdate } from "../update.ts";
import { type Doc, isPlain, own, toNumber } from "../values.ts";
import { type Context, docBatches, firstBatch, queryOf, type Reply, storedBatches } from "./context.ts";

/** The beginning of a pipeline that is a query. */
interface Head {
	filter: Doc;
	sort?: SortSpec;
	limit?: number;
	skip?: number;
	rest: Doc[];
}

function headOf(pipeline: Doc[]): Head {
	const rest = [...pipeline];
	const filters: Doc[] = [];
	for (let stage = rest[0]; stage && isPlain(stage["$match"]); stage = rest[0]) {
		filters.push(stage["$match"]);
		rest.shift();
	}
	const [only] = filters;
	const head: Head = { filter: filters.length > 1 ? { $and: filters } : (only ?? {}), rest };
	if (isPlain(rest[0]?.["$sort"])) head.sort = rest.shift()?.["$sort"] as SortSpec;
	const skip = rest[0]?.["$skip"];
	if (skip !== undefined && toNumber(skip) >= 0) {
		head.skip = toNumber(skip);
		rest.shift();
	}
	const limit = rest[0]?.["$limit"];
	if (limit !== undefined && toNumber(limit) > 0) {
		head.limit = toNumber(limit);
		rest.shift();
	}
	return head;
}

/** What `countDocuments` sends: no document has to be looked at for it beyond the filter. */
function isCount(stages: Doc[]): string | undefined {
	const [stage, more] = stages;
	const group = stage?.["$group"];
	if (more || !isPlain(group) || !("_id" in group) || typeof group["_id"] === "string" || isPlain(group["_id"]))
		return undefined;
	const [name, ...others] = Object.keys(group).filter(k => k !== "_id");
	return name && !others.length && own(group[name], "$sum") === 1 ? name : undefined;
}

function environment(context: Context, costs: Costs): Environment {
	const { engine, db, command, evaluation } = context;
	const env: Environment = {
		evaluation,
		collation: command["collation"] as Collation | undefined,
		read(name, pipeline, inner) {
			const own = noCosts();
			const collection = engine.find(db, name);
			const head = headOf(pipeline);
			const found = select(
				collection,
				{ ...queryOf(context, head.filter, head as unknown as Doc), evaluation: inner },
				own,
			);
			costs.keysExamined += own.keysExamined;
			costs.docsExamined += own.docsExamined;
			const docs = collection ? found.map(s => collection.doc(s)) : [];
			return runPipeline(head.rest, docs, { ...env, evaluation: inner });
		},
	};
	return env;
}

export function aggregate(context: Context): Reply {
	const { engine, db, command } = context;
	const name = command["aggregate"];
	const pipeline = command["pipeline"];
	if (!Array.isArray(pipeline)) throw failedToParse("'pipeline' option must be specified as an array");
	for (const stage of pipeline) nameOfStage(stage);
	const namespace = `${db}.${typeof name === "string" ? name : "$cmd.aggregate"}`;
	const sink = sinkOf(pipeline.at(-1));
	const { rest, ...head } = headOf(sink ? pipeline.slice(0, -1) : pipeline);
	const batchSize = own(command["cursor"], "batchSize");
	const costs = noCosts();
	const note = (counts: Doc) => context.profile({ op: "command", namespace, costs, counts });

	if (name === "system.profile") {
		const docs = runPipeline(pipeline, engine.profiler.entries(db), environment(context, costs));
		return firstBatch(context, docBatches(namespace, docs), batchSize);
	}
	const collection = typeof name === "string" ? engine.find(db, name) : undefined;
	const query = queryOf(context, head.filter, { ...head, hint: command["hint"], collation: command["collation"] });
	const found = select(collection, query, costs);
	const counted = isCount(rest);
	if (counted && found.length && !sink) {
		note({ nreturned: 1 });
		return firstBatch(
			context,
			docBatches(namespace, [{ _id: own(rest[0]?.["$group"], "_id") ?? null, [counted]: found.length }]),
			batchSize,
		);
	}
	if (!rest.length && !sink) {
		note({ nreturned: found.length });
		return firstBatch(context, storedBatches(namespace, found), batchSize);
	}
	const docs = runPipeline(rest, collection ? found.map(s => collection.doc(s)) : [], environment(context, costs));
	if (sink) sink(context, docs);
	note({ nreturned: sink ? 0 : docs.length });
	return firstBatch(context, docBatches(namespace, sink ? [] : docs), batchSize);
}

type Sink = (context: Context, docs: Doc[]) => void;

function sinkOf(stage: unknown): Sink | undefined {
	if (!isPlain(stage)) return undefined;
	if ("$out" in stage) return (context, docs) => out(context, docs, stage["$out"]);
	if ("$merge" in stage) return (context, docs) => merge(context, docs, stage["$merge"]);
	return undefined;
}

/** A target may name another database. */
function targetOf({ db }: Context, target: unknown): [db: string, collection: string] {
	if (typeof target === "string") return [db, target];
	return [String(own(target, "db") ?? db), String(own(target, "coll"))];
}

/**
 * Builds the result beside the target, with the target's indexes, and puts it in its place in one step: what fails on the
 * way, and whoever reads meanwhile, finds the target as it was.
 */
function out(context: Context, docs: Doc[], into: unknown): void {
	const { engine } = context;
	const [db, name] = targetOf(context, into);
	checkName(db, name);
	const target = engine.find(db, name);
	const beside = engine.ensure(db, `${UNFINISHED}${new ObjectId()}`, target?.options);
	try {
		for (const { spec } of target?.indexes ?? []) if (spec.name !== "_id_") engine.createIndex(beside, spec);
		for (const doc of docs) engine.insert(beside, doc);
	} catch (error) {
		engine.drop(db, beside.name);
		throw error;
	}
	engine.rename(db, beside.name, name);
}

function merge(context: Context, docs: Doc[], arg: unknown): void {
	const { engine } = context;
	const spec: Doc = isPlain(arg) ? arg : { into: arg };
	const collection = engine.ensure(...targetOf(context, spec["into"]));
	const on = [spec["on"] ?? "_id"].flat().map(String);
	for (const doc of docs) mergeOne(context, collection, doc, on, spec);
}

function mergeOne(context: Context, collection: Collection, doc: Doc, on: string[], spec: Doc): void {
	const { engine, evaluation } = context;
	const { whenMatched = "merge", whenNotMatched = "insert" } = spec;
	const filter = Object.fromEntries(on.map(f => [f, doc[f] ?? null]));
	const [old] = select(collection, { filter, limit: 1, evaluation }, noCosts());
	if (!old) {
		if (whenNotMatched === "fail") {
			throw new MongoError(
				13113,
				"MergeStageNoMatchingDocument",
				"$merge could not find a matching document in the target collection",
			);
		}
		if (whenNotMatched === "insert") engine.insert(collection, doc);
		return;
	}
	if (whenMatched === "keepExisting") return;
	if (whenMatched === "fail") throw new MongoError(11000, "DuplicateKey", "$merge failed due to a DuplicateKey error");
	engine.replace(collection, old, merged(collection.doc(old), doc, whenMatched, evaluation));
}

function merged(before: Doc, doc: Doc, how: unknown, evaluation: Evaluation): Doc {
	if (Array.isArray(how)) {
		return compileUpdate(how as Doc[], { filter: {}, evaluation: evaluation.with({ new: doc }) })(before);
	}
	const { _id, ...rest } = doc;
	return how === "replace" ? { _id: before["_id"], ...rest } : { ...before, ...rest };
}
