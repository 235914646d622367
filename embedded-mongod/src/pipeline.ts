// Aggregation stages over lists of documents. What is not here is mingo's (mingo.ts).
import { badValue, located } from "./errors.ts";
import type { Evaluation } from "./expressions.ts";
import { group } from "./group.ts";
import { compileFilter } from "./matcher.ts";
import { mingoStage } from "./mingo.ts";
import { compileAddFields, compileProject, compileUnset } from "./project.ts";
import { type Collation, type SortSpec, sortBy } from "./sort.ts";
import { compileReplaceRoot } from "./update.ts";
import { type Doc, getPath, idKey, isPlain, own, set, toNumber, valuesAt } from "./values.ts";

/** Where a pipeline runs: its moment and variables, and the other collections it may read. */
export interface Environment {
	evaluation: Evaluation;
	collation: Collation | undefined;
	/** Runs a pipeline on a collection of the same database, by its indexes. */
	read(collection: string, pipeline: Doc[], evaluation: Evaluation): Doc[];
}
type Stage = (docs: Doc[], arg: unknown, env: Environment) => Doc[];

export function runPipeline(stages: Doc[], docs: Doc[], env: Environment): Doc[] {
	return stages.reduce((list, stage) => runStage(stage, list, env), docs);
}

export function nameOfStage(stage: unknown): string {
	const names = isPlain(stage) ? Object.keys(stage) : [];
	if (names.length !== 1) throw located(40323, "A pipeline stage specification object must contain exactly one field.");
	return names[0] ?? "";
}

function runStage(stage: Doc, docs: Doc[], env: Environment): Doc[] {
	const name = nameOfStage(stage);
	const own = STAGES[name];
	if (own) return own(docs, stage[name], env);
	return mingoStage(stage, docs, env.evaluation, collection => env.read(collection, [], env.evaluation));
}

function whole(name: string, v: unknown, least: number): number {
	const n = toNumber(v);
	if (!Number.isInteger(n) || n < least)
		throw located(15958, `the ${name} must be a whole number of at least ${least}`);
	return n;
}

function unwind(docs: Doc[], arg: unknown): Doc[] {
	const spec = isPlain(arg) ? arg : { path: arg };
	const { path: given, includeArrayIndex: indexField, preserveNullAndEmptyArrays: keepsEmpty } = spec as Doc;
	if (typeof given !== "string" || !given.startsWith("$")) {
		throw located(28818, `path option to $unwind stage should be prefixed with a '$': ${given}`);
	}
	const path = given.slice(1);
	const emit = (doc: Doc, v: unknown, index: number | null) => {
		const out = withPath(doc, path.split("."), v);
		return typeof indexField === "string" ? { ...out, [indexField]: index } : out;
	};
	return docs.flatMap(doc => {
		const v = getPath(doc, path);
		if (Array.isArray(v) && v.length) return v.map((e, i) => emit(doc, e, i));
		const isEmpty = v === undefined || v === null || Array.isArray(v);
		if (!isEmpty) return [emit(doc, v, null)];
		return keepsEmpty ? [emit(doc, v === null ? null : undefined, null)] : [];
	});
}

/** A copy with another value at a path; undefined takes it away. */
function withPath(doc: Doc, parts: string[], v: unknown): Doc {
	const [first = "", ...rest] = parts;
	const out = { ...doc };
	if (rest.length) {
		const below = own(doc, first);
		if (isPlain(below) || v !== undefined) set(out, first, withPath(isPlain(below) ? below : {}, rest, v));
	} else if (v === undefined) delete out[first];
	else set(out, first, v);
	return out;
}

function lookup(docs: Doc[], arg: unknown, env: Environment): Doc[] {
	const { from, localField, foreignField, as, pipeline = [], let: vars = {} } = arg as Doc;
	if (typeof from !== "string" || typeof as !== "string") throw located(4570, "$lookup needs 'from' and 'as'");
	if (!Array.isArray(pipeline)) throw located(4572, "$lookup's 'pipeline' has to be an array");
	const computed = Object.entries(vars as Doc).map(([k, e]) => [k, env.evaluation.compile(e)] as const);
	return docs.map(doc => {
		const bound = env.evaluation.with(Object.fromEntries(computed.map(([k, run]) => [k, run(doc)])));
		const stages =
			typeof foreignField === "string" ? [joinOn(doc, String(localField), foreignField), ...pipeline] : pipeline;
		return withPath(doc, as.split("."), env.read(from, stages, bound));
	});
}
function joinOn(doc: Doc, localField: string, foreignField: string): Doc {
	const values = valuesAt(doc, localField).values.filter(
		v => v === undefined || v === null || typeof v !== "object" || !("rank" in v),
	);
	return { $match: { [foreignField]: { $in: values.map(v => v ?? null) } } };
}

/** Follows a reference from document to document, level by level, each document once. */
function graphLookup(docs: Doc[], arg: unknown, env: Environment): Doc[] {
	const spec = arg as Doc;
	const { from, connectFromField, connectToField, as, depthField, restrictSearchWithMatch } = spec;
	const startWith = env.evaluation.compile(spec["startWith"]);
	const deepest = spec["maxDepth"] === undefined ? Number.POSITIVE_INFINITY : toNumber(spec["maxDepth"]);
	return docs.map(doc => {
		const reached = new Map<string, Doc>();
		let next = [startWith(doc)].flat();
		for (let depth = 0; next.length && depth <= deepest; depth++) {
			const filter = {
				...(restrictSearchWithMatch as Doc),
				[String(connectToField)]: { $in: next.map(v => v ?? null) },
			};
			const found = env.read(String(from), [{ $match: filter }], env.evaluation);
			const fresh = found.filter(d => !reached.has(idKey(d["_id"])));
			for (const d of fresh) {
				reached.set(idKey(d["_id"]), typeof depthField === "string" ? { ...d, [depthField]: depth } : d);
			}
			next = fresh.flatMap(d => valuesAt(d, String(connectFromField)).values.filter(v => v !== undefined));
		}
		return withPath(doc, String(as).split("."), [...reached.values()]);
	});
}

/** $bucket as the $group it stands for. */
function bucket(docs: Doc[], arg: unknown, env: Environment): Doc[] {
	const { groupBy, boundaries, output = { count: { $sum: 1 } } } = arg as Doc;
	if (!Array.isArray(boundaries) || boundaries.length < 2)
		throw located(40192, "$bucket needs at least two boundaries");
	const branches = boundaries.slice(0, -1).map((low, i) => ({
		case: { $and: [{ $gte: [groupBy, { $literal: low }] }, { $lt: [groupBy, { $literal: boundaries[i + 1] }] }] },
		// biome-ignore lint/suspicious/noThenProperty: $switch names its branches' results so.
		then: { $literal: low },
	}));
	const fallback = isPlain(arg) && "default" in arg ? { default: { $literal: arg["default"] } } : {};
	const grouped = group(docs, { _id: { $switch: { branches, ...fallback } }, ...(output as Doc) }, env.evaluation);
	return sortBy(grouped, d => d, { _id: 1 });
}

const sortByCount: Stage = (docs, arg, env) =>
	sortBy(group(docs, { _id: arg, count: { $sum: 1 } }, env.evaluation), d => d, { count: -1 });

function unionWith(docs: Doc[], arg: unknown, env: Environment): Doc[] {
	const { coll, pipeline = [] } = (typeof arg === "string" ? { coll: arg } : arg) as { coll: string; pipeline?: Doc[] };
	return [...docs, ...env.read(coll, pipeline, env.evaluation)];
}

const each =
	(compile: (arg: unknown, env: Environment) => (doc: Doc) => Doc): Stage =>
	(docs, arg, env) =>
		docs.map(compile(arg, env));
const addFields = each((arg, env) => compileAddFields(arg as Doc, env.evaluation));

const STAGES: Record<string, Stage> = {
	$match: (docs, arg, env) => {
		if (!isPlain(arg)) throw located(15959, "the match filter must be an expression in an object");
		return docs.filter(compileFilter(arg, env.evaluation));
	},
	$sort: (docs, arg, env) => sortBy(docs, d => d, arg as SortSpec, env.collation),
	$limit: (docs, arg) => docs.slice(0, whole("limit", arg, 1)),
	$skip: (docs, arg) => docs.slice(whole("skip", arg, 0)),
	$count: (docs, arg) => (docs.length ? [{ [String(arg)]: docs.length }] : []),
	$project: each((arg, env) => compileProject(arg as Doc, env.evaluation)),
	$addFields: addFields,
	$set: addFields,
	$unset: each(arg => compileUnset(arg)),
	$replaceRoot: each((arg, env) => compileReplaceRoot(own(arg, "newRoot"), env.evaluation)),
	$replaceWith: each((arg, env) => compileReplaceRoot(arg, env.evaluation)),
	$unwind: unwind,
	$group: (docs, arg, env) => group(docs, arg as Doc, env.evaluation),
	$sortByCount: sortByCount,
	$bucket: bucket,
	$lookup: lookup,
	$graphLookup: graphLookup,
	$unionWith: unionWith,
	$facet: (docs, arg, env) => [
		Object.fromEntries(Object.entries(arg as Doc).map(([k, p]) => [k, runPipeline(p as Doc[], docs, env)])),
	],
	$changeStream: () => {
		throw located(40573, "The $changeStream stage is only supported on replica sets");
	},
	$out: () => {
		throw badValue("$out can only be the final stage in the pipeline");
	},
	$merge: () => {
		throw badValue("$merge can only be the final stage in the pipeline");
	},
};
