// $group and its accumulators.
import { MongoError } from "./errors.ts";
import { averageOf, sumOf } from "./expression-numbers.ts";
import type { Evaluation } from "./expressions.ts";
import { mingoAccumulator } from "./mingo.ts";
import { keysOf } from "./order.ts";
import { compare, type Doc, idKey, isNumeric, isPlain, set, typeOf } from "./values.ts";

/** Over a group's computed values, in the order of its documents; undefined is missing. */
type Accumulator = (values: unknown[]) => unknown;

const present = (values: unknown[]) => values.filter(v => v !== undefined && v !== null);
const numbers = (values: unknown[]) => present(values).filter(isNumeric);
const extreme =
	(sign: number): Accumulator =>
	values =>
		present(values).reduce<unknown>((best, v) => (best === null || sign * compare(v, best) > 0 ? v : best), null);

const ACCUMULATORS: Record<string, Accumulator> = {
	$sum: values => sumOf(numbers(values)),
	$avg: values => averageOf(numbers(values)),
	$min: extreme(-1),
	$max: extreme(1),
	$first: values => values[0] ?? null,
	$last: values => values.at(-1) ?? null,
	$push: values => values.filter(v => v !== undefined),
	$addToSet: values => [...new Map(values.filter(v => v !== undefined).map(v => [idKey(v), v])).values()],
	$count: values => values.length,
	$mergeObjects: values => {
		const out: Doc = {};
		for (const v of present(values)) {
			if (!isPlain(v))
				throw new MongoError(40400, "Location40400", `$mergeObjects requires object inputs, not ${typeOf(v)}`);
			for (const key of keysOf(v)) set(out, key, v[key]);
		}
		return out;
	},
};

function fieldOf(name: string, given: unknown, evaluation: Evaluation): (docs: Doc[]) => unknown {
	const [operator = "", ...more] = isPlain(given) ? Object.keys(given) : [];
	if (!isPlain(given) || !operator.startsWith("$") || more.length) {
		throw new MongoError(40234, "Location40234", `The field '${name}' must be an accumulator object`);
	}
	const accumulate = ACCUMULATORS[operator];
	if (!accumulate) return mingoAccumulator(operator, given[operator], evaluation);
	const run = evaluation.compile(given[operator]);
	return docs => accumulate(docs.map(run));
}

export function group(docs: Doc[], spec: Doc, evaluation: Evaluation): Doc[] {
	if (!("_id" in spec)) throw new MongoError(15955, "Location15955", "a group specification must include an _id");
	const { _id, ...rest } = spec;
	const idOf = evaluation.compile(_id);
	const fields = Object.entries(rest).map(([k, v]) => [k, fieldOf(k, v, evaluation)] as const);
	const groups = new Map<string, { id: unknown; docs: Doc[] }>();
	for (const doc of docs) {
		const id = idOf(doc) ?? null;
		const key = idKey(id);
		const found = groups.get(key);
		if (found) found.docs.push(doc);
		else groups.set(key, { id, docs: [doc] });
	}
	return [...groups.values()].map(({ id, docs: list }) => {
		const out: Doc = { _id: id };
		for (const [name, accumulate] of fields) set(out, name, accumulate(list));
		return out;
	});
}
