// find, getMore, count, distinct, and explain.
import { Long } from "bson";
import type { Collection } from "../collection.ts";
import { notImplemented } from "../errors.ts";
import { compileFilter } from "../matcher.ts";
import type { Plan } from "../planner.ts";
import { compileFind } from "../project.ts";
import { type Costs, noCosts, planFor, select } from "../select.ts";
import { type Collation, hasSort, isSimple, sortBy } from "../sort.ts";
import { compare, type Doc, Edge, idKey, isPlain, isTrue, own, toNumber, valuesAt } from "../values.ts";
import { aggregate } from "./aggregate.ts";
import {
	type Context,
	collectionIn,
	docBatches,
	filterOf,
	firstBatch,
	type Handlers,
	nameIn,
	namespaceIn,
	queryOf,
	type Reply,
	storedBatches,
} from "./context.ts";

/** Each would give another answer than without it. */
const NOT_HERE = ["min", "max", "returnKey", "showRecordId", "tailable", "awaitData"];

const projectionOf = (v: unknown): Doc | undefined => (isPlain(v) && Object.keys(v).length ? v : undefined);

function find(context: Context): Reply {
	const { command, evaluation } = context;
	const namespace = namespaceIn(context);
	const filter = filterOf(command["filter"]);
	for (const option of NOT_HERE) if (isTrue(command[option])) throw notImplemented(`'${option}' of find`);
	const projection = projectionOf(command["projection"]);
	const change = projection && compileFind(projection, filter, evaluation);
	if (nameIn(context) === "system.profile") return findProfile(context, filter, change);
	const collection = collectionIn(context);
	const costs = noCosts();
	const found = select(collection, queryOf(context, filter, command), costs);
	const map = change && collection ? (s: (typeof found)[number]) => change(collection.doc(s)) : undefined;
	const isSingle = Boolean(command["singleBatch"]) || toNumber(command["limit"] ?? 0) < 0;
	const reply = firstBatch(context, storedBatches(namespace, found, map), command["batchSize"], isSingle);
	context.profile({ op: "query", namespace, costs, counts: returned(reply) });
	return reply;
}
function returned(reply: Reply): Doc {
	if (!("cursorReply" in reply)) return {};
	const { items, id } = reply["cursorReply"] as { items: unknown[]; id: Long };
	return { nreturned: items.length, ...(id.isZero() ? { cursorExhausted: true } : { cursorid: id }) };
}

/** The profiler's entries are read like any collection's, but are never profiled themselves. */
function findProfile(context: Context, filter: Doc, change: ((doc: Doc) => Doc) | undefined): Reply {
	const { command, engine, db, evaluation } = context;
	const { sort, limit = Number.POSITIVE_INFINITY, skip = 0 } = queryOf(context, filter, command);
	const matches = compileFilter(filter, evaluation);
	let found = engine.profiler.entries(db).filter(matches);
	if (hasSort(sort)) found = sortBy(found, d => d, sort);
	found = found.slice(skip, skip + limit);
	return firstBatch(
		context,
		docBatches(namespaceIn(context), change ? found.map(change) : found),
		command["batchSize"],
	);
}

function getMore(context: Context): Reply {
	const { engine, command } = context;
	const id = Long.fromValue(command["getMore"] as Long | number);
	const batches = engine.cursors.get(id);
	const items = batches.take(toNumber(command["batchSize"] ?? 0) || 1000);
	if (batches.isDone) engine.cursors.close(id);
	const { namespace } = batches;
	context.profile({ op: "getmore", namespace, costs: noCosts(), counts: { cursorid: id, nreturned: items.length } });
	return { cursorReply: { field: "nextBatch", items, namespace, id: batches.isDone ? Long.ZERO : id } };
}

function killCursors({ engine, command }: Context): Reply {
	const ids = command["cursors"] as unknown[];
	const cursorsKilled = ids.filter(id => engine.cursors.close(id));
	const cursorsNotFound = ids.filter(id => !cursorsKilled.includes(id));
	return { cursorsKilled, cursorsNotFound, cursorsAlive: [], cursorsUnknown: [], ok: 1 };
}

function count(context: Context): Reply {
	const { command } = context;
	const filter = filterOf(command["query"], "query");
	const costs = noCosts();
	const collection = collectionIn(context);
	let n: number;
	if (Object.keys(filter).length)
		n = select(
			collection,
			queryOf(context, filter, { hint: command["hint"], collation: command["collation"] }),
			costs,
		).length;
	else {
		n = collection?.size ?? 0;
		costs.planSummary = "RECORD_STORE_FAST_COUNT";
	}
	const limit = Math.abs(toNumber(command["limit"] ?? 0)) || Number.POSITIVE_INFINITY;
	context.profile({ op: "command", namespace: namespaceIn(context), costs });
	return { n: Math.max(0, Math.min(limit, n - toNumber(command["skip"] ?? 0))), ok: 1 };
}

function distinct(context: Context): Reply {
	const { command } = context;
	const costs = noCosts();
	const collection = collectionIn(context);
	const key = String(command["key"]);
	if (!isSimple(command["collation"] as Collation | undefined)) throw notImplemented("distinct under a collation");
	const seen = new Map<string, unknown>();
	for (const s of select(
		collection,
		queryOf(context, filterOf(command["query"], "query"), { collation: command["collation"] }),
		costs,
	)) {
		if (!collection) break;
		for (const v of valuesAt(collection.doc(s), key).values) {
			if (v !== undefined && !(v instanceof Edge)) seen.set(idKey(v), v);
		}
	}
	context.profile({ op: "command", namespace: namespaceIn(context), costs });
	return { values: [...seen.values()].sort(compare), ok: 1 };
}

/** The query inside whatever command is explained. */
function explained(command: Doc): { filter: Doc; from: Doc } {
	const pipeline = command["pipeline"];
	if (Array.isArray(pipeline)) {
		const match = own(pipeline[0], "$match");
		const sort = own(pipeline[match ? 1 : 0], "$sort");
		return { filter: filterOf(match), from: { ...command, ...(sort ? { sort } : {}) } };
	}
	const statement = [command["updates"], command["deletes"]].flat().find(isPlain);
	return {
		filter: filterOf(command["filter"] ?? command["query"] ?? statement?.["q"]),
		from: { ...command, ...statement },
	};
}

function planDoc(plan: Plan): Doc {
	switch (plan.stage) {
		case "IXSCAN":
			return {
				stage: "FETCH",
				inputStage: {
					stage: "IXSCAN",
					keyPattern: plan.index.spec.key,
					indexName: plan.index.name,
					isMultiKey: plan.index.isMultikey,
					isUnique: Boolean(plan.index.spec.unique),
					isSparse: Boolean(plan.index.spec.sparse),
					isPartial: Boolean(plan.index.spec.partialFilterExpression),
					direction: plan.isReverse ? "backward" : "forward",
				},
			};
		case "OR":
			return { stage: plan.isSorted ? "SORT_MERGE" : "OR", inputStages: plan.branches.map(planDoc) };
		default:
			return { stage: plan.stage };
	}
}

function explain(context: Context): Reply {
	const command = filterOf(context.command["explain"]);
	const [name = ""] = Object.keys(command);
	const inner: Context = { ...context, name, command };
	const collection: Collection | undefined = collectionIn(inner);
	const { filter, from } = explained(command);
	const query = queryOf(inner, filter, from);
	const plan = planDoc(planFor(collection, query));
	const costs: Costs = noCosts();
	const since = performance.now();
	const found = select(collection, query, costs);
	const winningPlan = costs.hasSortStage ? { stage: "SORT", sortPattern: query.sort, inputStage: plan } : plan;
	return {
		explainVersion: "1",
		queryPlanner: { namespace: namespaceIn(inner), parsedQuery: filter, winningPlan, rejectedPlans: [] },
		executionStats: {
			executionSuccess: true,
			nReturned: found.length,
			executionTimeMillis: Math.round(performance.now() - since),
			totalKeysExamined: costs.keysExamined,
			totalDocsExamined: costs.docsExamined,
		},
		ok: 1,
	};
}

export const readCommands: Handlers = { find, getMore, killCursors, count, distinct, explain, aggregate };
