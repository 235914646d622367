// Reads the documents a query matches, and counts what that took.
import { type Intervals, isPoint } from "./bounds.ts";
import type { Collection, Stored } from "./collection.ts";
import { MongoError } from "./errors.ts";
import type { Evaluation } from "./expressions.ts";
import type { Index, IndexKey } from "./index-tree.ts";
import { compileFilter } from "./matcher.ts";
import { entriesOf, keysOf } from "./order.ts";
import { type IndexPlan, type OrPlan, type Plan, planQuery, summarize } from "./planner.ts";
import { type Collation, hasSort, isDescending, isSimple, refuseText, type SortSpec, sortBy } from "./sort.ts";
import { compare, type Doc, idKey } from "./values.ts";

export interface Query {
	filter: Doc;
	sort?: SortSpec | undefined;
	limit?: number;
	skip?: number;
	hint?: unknown;
	collation?: Collation | undefined;
	evaluation: Evaluation;
	/** Refuses a filter that no index serves, as mongod's `notablescan` does. */
	noScan?: boolean;
}
/** What one operation cost, under the profiler's names. */
export interface Costs {
	planSummary?: string;
	keysExamined: number;
	docsExamined: number;
	hasSortStage?: boolean;
}
export const noCosts = (): Costs => ({ keysExamined: 0, docsExamined: 0 });

export function planFor(collection: Collection | undefined, query: Query): Plan {
	if (!collection) return { stage: "EOF", isSorted: true };
	if (!isSimple(query.collation)) {
		refuseText(query.filter, query.collation);
		if (query.hint === undefined) return { stage: "COLLSCAN", isSorted: false };
	}
	return planQuery(collection.indexes, query);
}

/** The matching documents, in the wanted order. */
export function select(collection: Collection | undefined, query: Query, costs: Costs): Stored[] {
	const { filter, sort, limit = Number.POSITIVE_INFINITY, skip = 0, collation } = query;
	const isFiltered = Object.keys(filter).length > 0;
	const matches = isFiltered ? compileFilter(filter, query.evaluation) : undefined;
	const plan = planFor(collection, query);
	costs.planSummary = mergeSummary(costs.planSummary, summarize(plan));
	if (!collection) return [];
	if (plan.stage === "COLLSCAN" && isFiltered && query.noScan) refuseScan(collection);
	const mustSort = hasSort(sort) && !plan.isSorted;
	if (mustSort) costs.hasSortStage = true;
	const enough = mustSort ? Number.POSITIVE_INFINITY : limit + skip;
	let found: Stored[] = [];
	if (enough > 0) {
		for (const s of candidates(collection, plan, sort, costs)) {
			costs.docsExamined++;
			if (matches && !matches(collection.doc(s))) continue;
			found.push(s);
			if (found.length >= enough) break;
		}
	}
	if (mustSort) found = sortBy(found, s => collection.doc(s), sort, collation);
	return skip > 0 || found.length > limit ? found.slice(skip, skip + limit) : found;
}
const mergeSummary = (before: string | undefined, now: string) =>
	before && before !== now && before !== "EOF" ? `${before}, ${now}` : now;

function refuseScan(collection: Collection): void {
	if (["admin", "config", "local"].includes(collection.db)) return;
	throw new MongoError(
		291,
		"NoQueryExecutionPlans",
		`error processing query: ns=${collection.namespace} planner returned error :: caused by :: No indexed plans available, and running with 'notablescan'`,
	);
}

function* candidates(
	collection: Collection,
	plan: Plan,
	sort: SortSpec | undefined,
	costs: Costs,
): Generator<Stored, void, undefined> {
	switch (plan.stage) {
		case "EOF":
			return;
		case "COLLSCAN":
			yield* collection.docs.values();
			return;
		case "IDHACK": {
			const s = collection.docs.get(idKey(plan.id));
			costs.keysExamined++;
			if (s) yield s;
			return;
		}
		default: {
			const seen = needsSeen(plan) ? new Set<unknown>() : undefined;
			for (const { id } of plan.stage === "OR" ? scanOr(plan, sort, costs) : scanIndex(plan, sort, costs)) {
				if (seen?.has(id)) continue;
				seen?.add(id);
				const s = collection.docs.get(id);
				if (s) yield s;
			}
		}
	}
}
const needsSeen = (plan: IndexPlan | OrPlan) => plan.stage === "OR" || plan.index.isMultikey;

/** An index entry on its way: the document's key, and the values it is merged by. */
interface Entry {
	id: string;
	key: IndexKey;
}

function* scanIndex(plan: IndexPlan, sort: SortSpec | undefined, costs: Costs): Generator<Entry> {
	if (plan.isMerged && plan.seeks.length > 1) {
		const streams = plan.seeks.map(seek => scanSeeks({ ...plan, seeks: [seek] }, costs));
		const columns = sortColumns(plan.index, sort);
		yield* merge(
			streams.map(stream => ({ stream, columns })),
			sort,
		);
	} else yield* scanSeeks(plan, costs);
}

function* scanSeeks(plan: IndexPlan, costs: Costs): Generator<Entry> {
	const { index, keyBounds } = plan;
	const n = index.fields.length;
	for (const { low, high } of plan.seeks) {
		for (const key of index.scan(low, high, plan.isReverse)) {
			costs.keysExamined++;
			if (keyBounds.length && !keyBounds.every(b => contains(b.intervals, key[b.column]))) continue;
			yield { id: key[n] as string, key };
		}
	}
}
function contains(intervals: Intervals, v: unknown): boolean {
	return intervals.some(i => {
		if (isPoint(i)) return compare(v, i.low) === 0;
		const low = compare(v, i.low);
		const high = compare(v, i.high);
		return (low > 0 || (low === 0 && !i.lowOpen)) && (high < 0 || (high === 0 && !i.highOpen));
	});
}

function* scanOr(plan: OrPlan, sort: SortSpec | undefined, costs: Costs): Generator<Entry> {
	if (!plan.isSorted) {
		for (const branch of plan.branches) yield* scanIndex(branch, sort, costs);
		return;
	}
	yield* merge(
		plan.branches.map(branch => ({
			stream: scanIndex(branch, sort, costs),
			columns: sortColumns(branch.index, sort),
		})),
		sort,
	);
}

const sortColumns = (index: Index, sort: SortSpec | undefined) =>
	keysOf(sort ?? {}).map(path => index.fields.indexOf(path));

/** Several streams in the wanted order become one. */
function* merge(
	inputs: { stream: Generator<Entry>; columns: number[] }[],
	sort: SortSpec | undefined,
): Generator<Entry> {
	const signs = entriesOf(sort ?? {}).map(([, d]) => (isDescending(d) ? -1 : 1));
	const heads = inputs.flatMap(({ stream, columns }) => {
		const next = stream.next();
		return next.done ? [] : [{ stream, columns, entry: next.value }];
	});
	const isBefore = (a: (typeof heads)[number], b: (typeof heads)[number]) => {
		for (const [i, sign] of signs.entries()) {
			const c = sign * compare(a.entry.key[a.columns[i] ?? -1], b.entry.key[b.columns[i] ?? -1]);
			if (c) return c < 0;
		}
		return false;
	};
	while (heads.length) {
		let first = heads[0];
		for (const head of heads) if (first && isBefore(head, first)) first = head;
		if (!first) return;
		yield first.entry;
		const next = first.stream.next();
		if (next.done) heads.splice(heads.indexOf(first), 1);
		else first.entry = next.value;
	}
}
