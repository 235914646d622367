// Projections of `find`, and the stages $project, $addFields and $unset, over one tree of fields.
import { badValue, MongoError } from "./errors.ts";
import type { Evaluation } from "./expressions.ts";
import { elementTest, isOperatorDoc } from "./matcher.ts";
import { keysOf, withId } from "./order.ts";
import { positionOf } from "./positional.ts";
import { bsonType, clone, type Doc, getPath, isNumeric, isPlain, own, set, toNumber } from "./values.ts";

type Change = (doc: Doc) => Doc;
type Compute = (doc: unknown) => unknown;
/** Undefined takes the field away. */
type Pick = (list: unknown[]) => unknown[] | undefined;
/** A field of the tree: taken (or left out), computed, or fields below it. */
type Node = true | Compute | Tree;
type Tree = Map<string, Node>;

function put(tree: Tree, path: string, node: Node): void {
	const parts = path.split(".");
	const last = parts.pop() ?? "";
	let at = tree;
	for (const part of parts) {
		const next = at.get(part);
		if (next !== undefined && !(next instanceof Map)) throw collision(path);
		const below: Tree = next ?? new Map();
		if (!next) at.set(part, below);
		at = below;
	}
	if (at.has(last)) throw collision(path);
	at.set(last, node);
}
const collision = (path: string) => new MongoError(31250, "Location31250", `Path collision at ${path}`);

const isFlag = (v: unknown) => typeof v === "boolean" || (v !== null && v !== undefined && isNumeric(v));
const isOn = (v: unknown) => (typeof v === "boolean" ? v : toNumber(v) !== 0);

/** What a projection asks for, sorted by kind. */
class Plan {
	readonly included: Tree = new Map();
	readonly excluded: Tree = new Map();
	readonly computed: Tree = new Map();
	/** `$slice`, `$elemMatch` and the positional operator: they change an array of the result. */
	readonly arrays: { path: string; pick: Pick }[] = [];
	id: boolean | undefined;
	readonly #evaluation: Evaluation;
	readonly #filter: Doc | undefined;

	constructor(spec: Doc, evaluation: Evaluation, filter?: Doc) {
		this.#evaluation = evaluation;
		this.#filter = filter;
		for (const [path, v] of Object.entries(spec)) this.#read(path, v);
		if (this.isInclusion && this.excluded.size) {
			const [field] = this.excluded.keys();
			throw new MongoError(31254, "Location31254", `Cannot do exclusion on field ${field} in inclusion projection`);
		}
	}

	get isInclusion(): boolean {
		return this.included.size > 0 || this.computed.size > 0 || (this.id === true && !this.excluded.size);
	}

	#read(path: string, v: unknown): void {
		if (path === "_id" && isFlag(v)) this.id = isOn(v);
		else if (isFlag(v)) put(isOn(v) ? this.included : this.excluded, path, true);
		else if (this.#filter && isPlain(v) && this.#readArray(path, v)) return;
		else if (isPlain(v) && !isOperatorDoc(v)) {
			if (!Object.keys(v).length)
				throw new MongoError(51270, "Location51270", "An empty sub-projection is not a valid value");
			for (const [key, below] of Object.entries(v)) this.#read(`${path}.${key}`, below);
		} else put(this.computed, path, this.#evaluation.compile(v));
	}

	#readArray(path: string, v: Doc): boolean {
		const slice = [v["$slice"]].flat();
		if ("$slice" in v && slice.every(n => isNumeric(n) && n !== undefined)) {
			const [a = 0, n] = slice.map(toNumber);
			this.arrays.push({ path, pick: list => sliceOf(list, a, n) });
			return true;
		}
		if (!("$elemMatch" in v)) return false;
		const test = elementTest(v["$elemMatch"] as Doc, this.#evaluation);
		put(this.included, path, true);
		this.arrays.push({ path, pick: list => firstOf(list.find(test)) });
		return true;
	}
}

function sliceOf(list: unknown[], a: number, n: number | undefined): unknown[] {
	if (n === undefined) return a < 0 ? list.slice(a) : list.slice(0, a);
	const from = a < 0 ? Math.max(0, list.length + a) : a;
	return list.slice(from, from + n);
}
const firstOf = (v: unknown) => (v === undefined ? undefined : [v]);

/** The projection of a `find` with its filter, which the positional operator needs. @throws on a mixed one */
export function compileFind(spec: Doc, filter: Doc, evaluation: Evaluation): Change {
	const positional = Object.keys(spec).find(path => path.endsWith(".$"));
	if (!positional) return compilePlan(new Plan(spec, evaluation, filter));
	const path = positional.slice(0, -2);
	const { [positional]: _, ...rest } = spec;
	const plan = new Plan({ ...rest, [path]: 1 }, evaluation, filter);
	plan.arrays.push({ path, pick: list => firstOf(list[positionOf(list, path, filter, evaluation)]) });
	return compilePlan(plan);
}

/** A $project stage. */
export function compileProject(spec: Doc, evaluation: Evaluation): Change {
	if (!Object.keys(spec).length) {
		throw new MongoError(
			51272,
			"Location51272",
			"Invalid $project :: caused by :: projection specification must have at least one field",
		);
	}
	return compilePlan(new Plan(spec, evaluation));
}

function compilePlan(plan: Plan): Change {
	const { isInclusion } = plan;
	if (isInclusion) for (const { path } of plan.arrays) if (!plan.included.has(path)) tryPut(plan.included, path);
	const keepsId = plan.id ?? true;
	return doc => {
		let out: Doc = isInclusion ? keep(doc, plan.included) : strip(doc, plan.excluded);
		if (keepsId && isInclusion && Object.hasOwn(doc, "_id")) out = withId(doc["_id"], out);
		else if (!keepsId) delete out["_id"];
		if (plan.computed.size) out = compute(out, plan.computed, doc);
		for (const { path, pick } of plan.arrays) out = replaceArray(out, path, doc, pick);
		return out;
	};
}
function tryPut(tree: Tree, path: string): void {
	if (!path.includes(".")) tree.set(path, true);
	else put(tree, path, true);
}

function replaceArray(out: Doc, path: string, doc: Doc, pick: Pick): Doc {
	const list = getPath(doc, path);
	if (!Array.isArray(list)) return out;
	const copy = path.includes(".") ? clone(out) : { ...out };
	const parts = path.split(".");
	const last = parts.pop() ?? "";
	const parent = parts.length ? getPath(copy, parts.join(".")) : copy;
	if (!isPlain(parent)) return out;
	const picked = pick(list);
	if (picked === undefined) delete parent[last];
	else set(parent, last, picked);
	return copy;
}

function keep(doc: Doc, tree: Tree): Doc {
	const out: Doc = {};
	for (const key of keysOf(doc)) {
		const node = tree.get(key);
		if (node === undefined) continue;
		const v = node instanceof Map ? keepBelow(doc[key], node) : doc[key];
		if (v !== undefined) set(out, key, v);
	}
	return out;
}
function keepBelow(v: unknown, tree: Tree): unknown {
	if (Array.isArray(v)) return v.map(e => keepBelow(e, tree)).filter(e => e !== undefined);
	return isPlain(v) ? keep(v, tree) : undefined;
}

function strip(doc: Doc, tree: Tree): Doc {
	const out: Doc = {};
	for (const key of keysOf(doc)) {
		const node = tree.get(key);
		if (node === true) continue;
		set(out, key, node instanceof Map ? stripBelow(doc[key], node) : doc[key]);
	}
	return out;
}
function stripBelow(v: unknown, tree: Tree): unknown {
	if (Array.isArray(v)) return v.map(e => stripBelow(e, tree));
	return isPlain(v) ? strip(v, tree) : v;
}

/** Sets the computed fields in a copy; what computes to missing is removed. */
function compute(target: Doc, tree: Tree, root: unknown): Doc {
	const out: Doc = { ...target };
	for (const [key, node] of tree) {
		const v = node instanceof Map ? computeBelow(own(out, key), node, root) : node === true ? undefined : node(root);
		if (v === undefined) delete out[key];
		else set(out, key, v);
	}
	return out;
}
function computeBelow(v: unknown, tree: Tree, root: unknown): unknown {
	if (Array.isArray(v)) return v.map(e => computeBelow(e, tree, root));
	return compute(isPlain(v) ? v : {}, tree, root);
}

/** $addFields, also known as $set: a nested document adds to what is there, an expression replaces it. */
export function compileAddFields(spec: Doc, evaluation: Evaluation): Change {
	const tree: Tree = new Map();
	const read = (path: string, v: unknown) => {
		if (isPlain(v) && !isOperatorDoc(v) && Object.keys(v).length && !bsonType(v)) {
			for (const [key, below] of Object.entries(v)) read(`${path}.${key}`, below);
		} else put(tree, path, evaluation.compile(v));
	};
	for (const [path, v] of Object.entries(spec)) {
		if (path.startsWith("$"))
			throw new MongoError(
				16410,
				"Location16410",
				`Invalid $set :: caused by :: FieldPath field names may not start with '$'. Consider using $getField or $setField.`,
			);
		read(path, v);
	}
	return doc => compute(doc, tree, doc);
}

export function compileUnset(spec: unknown): Change {
	const paths = Array.isArray(spec) ? spec : [spec];
	const tree: Tree = new Map();
	for (const path of paths) {
		if (typeof path !== "string" || !path)
			throw badValue("$unset specification must be a string or an array containing only string values");
		put(tree, path, true);
	}
	return doc => strip(doc, tree);
}
