// Updates: checked once, applied to one document at a time. Never changes the document it is given.
import { badValue, failedToParse, MongoError } from "./errors.ts";
import type { Evaluation } from "./expressions.ts";
import { compileFilter, type Matcher } from "./matcher.ts";
import { withId } from "./order.ts";
import { positionOf } from "./positional.ts";
import { compileAddFields, compileProject, compileUnset } from "./project.ts";
import { applyOperator, getAt, isOperator, parentOf, putAt } from "./update-operators.ts";
import { clone, type Doc, equal, isPlain, isRegex, own, typeOf } from "./values.ts";

/** What an update needs besides itself. */
export interface UpdateContext {
	filter: Doc;
	arrayFilters?: Doc[] | undefined;
	/** The document is being made by an upsert, so `$setOnInsert` counts. */
	isInsert?: boolean;
	evaluation: Evaluation;
}
export type Update = Doc | Doc[];
type Apply = (doc: Doc) => Doc;

export const isPipeline = (update: Update): update is Doc[] => Array.isArray(update);
const hasOperators = (update: Doc) => Object.keys(update).some(key => key.startsWith("$"));
export const isReplacement = (update: Update) => !isPipeline(update) && !hasOperators(update);

const immutable = (message: string) => new MongoError(66, "ImmutableField", message);
const ID_CHANGED = "Performing an update on the path '_id' would modify the immutable field '_id'";

/** @throws on what no document could take: unknown operators, two changes of one path, a stage not allowed here */
export function compileUpdate(update: Update, context: UpdateContext): Apply {
	if (isPipeline(update)) return pipelineUpdate(update, context.evaluation);
	if (!isPlain(update)) throw failedToParse("Update argument must be either an object or an array");
	if (!hasOperators(update)) return doc => replace(doc, update);
	checkOperators(update);
	return doc => modify(doc, update, context);
}

function checkOperators(update: Doc): void {
	const taken: string[] = [];
	for (const [op, fields] of Object.entries(update)) {
		if (!op.startsWith("$")) {
			throw failedToParse(`The dollar ($) prefixed and plain fields cannot be mixed: '${op}' is not an operator`);
		}
		if (!isOperator(op)) {
			throw failedToParse(
				`Unknown modifier: ${op}. Expected a valid update modifier or pipeline-style update specified as an array`,
			);
		}
		if (!isPlain(fields)) {
			throw failedToParse(`Modifiers operate on fields but we found type ${typeOf(fields)} instead`);
		}
		for (const path of Object.keys(fields)) {
			claim(taken, path);
			if (op === "$rename") claim(taken, String(fields[path]));
		}
	}
}

function claim(taken: string[], path: string): void {
	if (!path || path.split(".").includes("")) {
		throw new MongoError(
			56,
			"EmptyFieldName",
			`The update path '${path}' contains an empty field name, which is not allowed.`,
		);
	}
	for (const other of taken) {
		if (other !== path && !other.startsWith(`${path}.`) && !path.startsWith(`${other}.`)) continue;
		const at = other.length < path.length ? other : path;
		throw new MongoError(
			40,
			"ConflictingUpdateOperators",
			`Updating the path '${path}' would create a conflict at '${at}'`,
		);
	}
	taken.push(path);
}

function pipelineUpdate(stages: Doc[], evaluation: Evaluation): Apply {
	const steps = stages.map(stage => compileStage(stage, evaluation));
	return doc => {
		const out = steps.reduce((d, step) => step(d), doc);
		if (!("_id" in out)) return "_id" in doc ? withId(doc["_id"], out) : out;
		if ("_id" in doc && !equal(out["_id"], doc["_id"])) throw immutable(ID_CHANGED);
		return out;
	};
}

function compileStage(stage: Doc, evaluation: Evaluation): Apply {
	const [name = ""] = Object.keys(stage);
	const arg = stage[name];
	switch (name) {
		case "$set":
		case "$addFields":
			return compileAddFields(arg as Doc, evaluation);
		case "$unset":
			return compileUnset(arg);
		case "$project":
			return compileProject(arg as Doc, evaluation);
		case "$replaceRoot":
		case "$replaceWith":
			return compileReplaceRoot(name === "$replaceRoot" ? own(arg, "newRoot") : arg, evaluation);
		default:
			throw new MongoError(72, "InvalidOptions", `${name} is not allowed to be used within an update`);
	}
}

export function compileReplaceRoot(expression: unknown, evaluation: Evaluation): Apply {
	const run = evaluation.compile(expression);
	return doc => {
		const root = run(doc);
		if (!isPlain(root)) {
			throw new MongoError(
				40228,
				"Location40228",
				`'newRoot' expression must evaluate to an object, but resulting value was of type ${typeOf(root)}`,
			);
		}
		return root;
	};
}

function replace(doc: Doc, update: Doc): Doc {
	if (!("_id" in doc)) return clone(update);
	if ("_id" in update && !equal(update["_id"], doc["_id"])) {
		throw immutable("After applying the update, the (immutable) field '_id' was found to have been altered");
	}
	return withId(doc["_id"], clone(update));
}

function modify(doc: Doc, update: Doc, context: UpdateContext): Doc {
	const out = clone(doc);
	const filters = new ArrayFilters(context.arrayFilters ?? [], context.evaluation);
	const writer = { doc: out, before: doc, now: context.evaluation.now, evaluation: context.evaluation };
	for (const [op, fields] of Object.entries(update)) {
		if (op === "$setOnInsert" && !context.isInsert) continue;
		for (const [path, arg] of Object.entries(fields as Doc)) {
			if (op === "$rename") rename(out, path, String(arg));
			else for (const at of expand(out, doc, path.split("."), context, filters)) applyOperator(writer, op, at, arg);
		}
	}
	if (!context.isInsert && !equal(out["_id"], doc["_id"])) throw immutable(ID_CHANGED);
	filters.checkAllUsed();
	return out;
}

function rename(doc: Doc, from: string, to: string): void {
	const parts = from.split(".");
	const last = parts.at(-1) ?? "";
	const parent = parentOf(doc, parts, false);
	if (!parent || Array.isArray(parent) || !Object.hasOwn(parent, last)) return;
	const v = parent[last];
	delete parent[last];
	const target = to.split(".");
	putAt(parentOf(doc, target, true), target.at(-1) ?? "", v);
}

/** The conditions behind `$[identifier]`. */
class ArrayFilters {
	readonly #tests = new Map<string, Matcher>();
	readonly #used = new Set<string>();

	constructor(filters: Doc[], evaluation: Evaluation) {
		for (const filter of filters) {
			const name = identifierOf(filter);
			if (!name) throw failedToParse("Cannot use an expression without a top-level field name in arrayFilters");
			if (this.#tests.has(name)) {
				throw failedToParse(`Found multiple array filters with the same top-level field name ${name}`);
			}
			this.#tests.set(name, compileFilter(filter, evaluation));
		}
	}

	picks(name: string, list: unknown[], path: string): number[] {
		const test = this.#tests.get(name);
		if (!test) throw badValue(`No array filter found for identifier '${name}' in path '${path}'`);
		this.#used.add(name);
		return list.flatMap((e, i) => (test({ [name]: e }) ? [i] : []));
	}

	checkAllUsed(): void {
		for (const name of this.#tests.keys()) {
			if (!this.#used.has(name))
				throw failedToParse(`The array filter for identifier '${name}' was not used in the update`);
		}
	}
}
function identifierOf(filter: Doc): string | undefined {
	for (const [key, v] of Object.entries(filter)) {
		if (!key.startsWith("$")) return key.split(".")[0];
		if (Array.isArray(v)) return v.map(branch => identifierOf(branch as Doc)).find(Boolean);
	}
	return undefined;
}

/** Concrete paths for one that may hold `$`, `$[]` and `$[identifier]`. */
function expand(out: Doc, doc: Doc, parts: string[], context: UpdateContext, filters: ArrayFilters): string[][] {
	const i = parts.findIndex(part => part.startsWith("$"));
	if (i < 0) return [parts];
	const head = parts.slice(0, i);
	const part = parts[i] ?? "";
	// `$` means what the filter found in the document as it was; the rest goes by what the update has made by now.
	const list = getAt(part === "$" ? doc : out, head);
	if (!Array.isArray(list)) {
		throw badValue(`The path '${head.join(".")}' must exist in the document in order to apply array updates.`);
	}
	const picks = pickElements(part, list, parts, head, context, filters);
	return picks.flatMap(n => expand(out, doc, [...head, String(n), ...parts.slice(i + 1)], context, filters));
}

function pickElements(
	part: string,
	list: unknown[],
	parts: string[],
	head: string[],
	context: UpdateContext,
	filters: ArrayFilters,
): number[] {
	if (part === "$") return [positionOf(list, head.join("."), context.filter, context.evaluation)];
	if (part === "$[]") return list.map((_, n) => n);
	const name = /^\$\[([a-z]\w*)\]$/i.exec(part)?.[1];
	if (name) return filters.picks(name, list, parts.join("."));
	throw new MongoError(
		52,
		"DollarPrefixedFieldName",
		`The dollar ($) prefixed field '${part}' in '${parts.join(".")}' is not allowed in the context of an update's replacement document.`,
	);
}

/** The document an upsert starts from: the equalities of its filter. */
export function seedOf(filter: Doc): Doc {
	const out: Doc = {};
	const assign = (path: string, v: unknown) => {
		const parts = path.split(".");
		putAt(parentOf(out, parts, true), parts.at(-1) ?? "", clone(v));
	};
	const walk = (f: Doc) => {
		for (const [key, c] of Object.entries(f)) {
			if (key === "$and" || (key === "$or" && Array.isArray(c) && c.length === 1)) (c as Doc[]).forEach(walk);
			else if (key.startsWith("$")) continue;
			else if (isPlain(c) && hasOperators(c)) {
				if ("$eq" in c) assign(key, c["$eq"]);
				else for (const op of ["$in", "$all"]) if (Array.isArray(c[op]) && c[op].length === 1) assign(key, c[op][0]);
			} else if (!isRegex(c)) assign(key, c);
		}
	};
	walk(filter);
	return out;
}
