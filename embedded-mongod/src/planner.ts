// Chooses how a query is read: by _id, by an index, by an index per branch of an $or, or by a scan.
import {
	ALL,
	type Bound,
	type Conditions,
	conditionsOf,
	type Element,
	EXISTS,
	excludesNull,
	type Interval,
	type Intervals,
	implies,
	intersect,
	isEverything,
	isPoint,
} from "./bounds.ts";
import { badValue } from "./errors.ts";
import type { Index, IndexKey } from "./index-tree.ts";
import { entriesOf } from "./order.ts";
import { hasSort, isDescending, type SortSpec } from "./sort.ts";
import { type Doc, HIGH, hasArrayBelow, isPosition, LOW } from "./values.ts";

/** A stretch of an index's tree, from one whole key to another. */
export interface Seek {
	low: IndexKey;
	high: IndexKey;
}
export interface IndexPlan {
	stage: "IXSCAN";
	index: Index;
	seeks: Seek[];
	isReverse: boolean;
	/** What the index knows of fields behind the range: keys outside need no document. */
	keyBounds: { column: number; intervals: Intervals }[];
	/** The keys come in the wanted order. */
	isSorted: boolean;
	/** The seeks have to be merged for that. */
	isMerged: boolean;
	score: number;
}
export interface OrPlan {
	stage: "OR";
	branches: IndexPlan[];
	isSorted: boolean;
	score: number;
}
export type Plan =
	| IndexPlan
	| OrPlan
	| { stage: "COLLSCAN"; isSorted: false }
	| { stage: "EOF"; isSorted: true }
	| { stage: "IDHACK"; id: unknown; isSorted: true };

export interface PlanRequest {
	filter: Doc;
	sort?: SortSpec | undefined;
	hint?: unknown;
}

const MOST_SEEKS = 500;
const SCORE = { unique: 100, point: 10, points: 6, range: 4, keyBound: 1, sorted: 11, sortedOnly: 3, perField: -0.1 };

/** `indexes` begins with the one on _id. */
export function planQuery(indexes: readonly Index[], request: PlanRequest): Plan {
	const { filter, hint } = request;
	const conditions = conditionsOf(filter);
	if (hint !== undefined && hint !== null && hint !== "") return planHinted(indexes, conditions, request);
	const ids = conditions.paths.get("_id");
	if (ids?.length === 1 && Object.keys(filter).length === 1 && "_id" in filter) {
		const [only, more] = ids[0]?.intervals ?? [];
		if (only && !more && isPoint(only)) return { stage: "IDHACK", id: only.low, isSorted: true };
	}
	return bestOf(indexes, conditions, request) ?? { stage: "COLLSCAN", isSorted: false };
}

function planHinted(indexes: readonly Index[], conditions: Conditions, request: PlanRequest): Plan {
	const { hint } = request;
	const wanted = JSON.stringify(hint);
	if (wanted === '{"$natural":1}' || wanted === '{"$natural":-1}') return { stage: "COLLSCAN", isSorted: false };
	const index = indexes.find(i => i.name === hint || JSON.stringify(i.spec.key) === wanted);
	if (!index) {
		throw badValue(
			"error processing query: planner returned error :: caused by :: hint provided does not correspond to an existing index",
		);
	}
	return planIndex(index, conditions, request.sort);
}

function bestOf(indexes: readonly Index[], conditions: Conditions, request: PlanRequest): IndexPlan | OrPlan | null {
	let best: IndexPlan | OrPlan | null = null;
	for (const index of indexes) {
		if (!isUsable(index, conditions)) continue;
		const plan = planIndex(index, conditions, request.sort);
		if (plan.score > 0 && (!best || plan.score > best.score)) best = plan;
	}
	for (const branches of conditions.ors) {
		const plan = planOr(indexes, branches, request);
		if (plan && (!best || plan.score > best.score)) best = plan;
	}
	return best;
}

/** A sparse or partial index serves a query only when it holds every document the query could match. */
function isUsable(index: Index, conditions: Conditions): boolean {
	const { sparse, partialFilterExpression: partial } = index.spec;
	if (partial && !implies(conditions, partial)) return false;
	if (!sparse) return true;
	return index.fields.some(f => conditions.paths.get(f)?.some(b => b.intervals === EXISTS || excludesNull(b)));
}

function planOr(indexes: readonly Index[], branches: Doc[], request: PlanRequest): OrPlan | null {
	const rest = without(request.filter, branches);
	const plans: IndexPlan[] = [];
	for (const branch of branches) {
		const conditions = conditionsOf({ $and: [rest, branch] });
		// One level of $or is split; what is nested deeper is left to the filter.
		const plan = bestOf(indexes, { ...conditions, ors: [] }, { ...request, filter: branch });
		if (plan?.stage !== "IXSCAN" || plan.score < SCORE.range) return null;
		plans.push(plan);
	}
	const isSorted = hasSort(request.sort) && plans.every(p => p.isSorted);
	return { stage: "OR", branches: plans, isSorted, score: Math.min(...plans.map(p => p.score)) - 1 };
}
function without(filter: Doc, branches: Doc[]): Doc {
	const rest: Doc = {};
	for (const [key, v] of Object.entries(filter)) {
		if (v === branches) continue;
		rest[key] = key === "$and" ? (v as Doc[]).map(f => without(f, branches)) : v;
	}
	return rest;
}

/** How an index would serve the conditions, and how well. */
export function planIndex(index: Index, conditions: Conditions, sort: SortSpec | undefined): IndexPlan {
	const columns = columnBounds(index, conditions);
	const prefix: Intervals[] = [];
	let seeks = 1;
	for (const intervals of columns) {
		if (!intervals?.every(isPoint) || seeks * Math.max(1, intervals.length) > MOST_SEEKS) break;
		seeks *= Math.max(1, intervals.length);
		prefix.push(intervals);
	}
	const range = columns[prefix.length];
	const keyBounds = columns.flatMap((intervals, column) =>
		intervals && !isEverything(intervals) && column > prefix.length ? [{ column, intervals }] : [],
	);
	const order = sortOf(index, prefix, sort);
	const ranges = range && !isEverything(range) ? range : undefined;
	return {
		stage: "IXSCAN",
		index,
		seeks: seeksOf(index, prefix, range, order.isReverse),
		isReverse: order.isReverse,
		keyBounds,
		isSorted: order.isSorted,
		isMerged: order.isMerged,
		score: scoreOf(index, prefix, ranges, keyBounds.length, hasSort(sort) && order.isSorted, range === EXISTS),
	};
}

function scoreOf(
	index: Index,
	prefix: Intervals[],
	range: Intervals | undefined,
	keyBounds: number,
	isSorted: boolean,
	isExists: boolean,
): number {
	const points = prefix.filter(p => p.length <= 1).length;
	if (index.spec.unique && points === index.fields.length) return SCORE.unique;
	const bounded =
		points * SCORE.point +
		(prefix.length - points) * SCORE.points +
		(range ? SCORE.range : 0) +
		keyBounds * SCORE.keyBound;
	const useful = bounded || (isExists ? SCORE.keyBound : 0);
	const sorted = isSorted ? (bounded ? SCORE.sorted : SCORE.sortedOnly) : 0;
	return useful + sorted > 0 ? useful + sorted + index.fields.length * SCORE.perField : 0;
}

/**
 * The intervals of each of the index's fields. Where a field was reached through an array, conditions of a filter may
 * be met by different elements, so only one of them may bound the index, or those of one $elemMatch together.
 */
function columnBounds(index: Index, conditions: Conditions): (Intervals | undefined)[] {
	const taken: number[] = [];
	let element: Element | undefined;
	return index.fields.map((field, i) => {
		const bounds = conditions.paths.get(field);
		if (!bounds?.length) return undefined;
		const arrays = index.arrays[i] ?? 0;
		if (!arrays) return meet(bounds);
		// A number in a path stands for a place and for a field's name: the index does not tell which.
		if (field.split(".").some(isPosition)) return undefined;
		if (!taken.length) element = lightest(bounds).element;
		else if (!isOneElement(index, i, taken, element)) return undefined;
		const together = bounds.filter(b => b.element === element);
		if (!together.length) return undefined;
		taken.push(i);
		// Behind a further array, or without an $elemMatch, each condition may be met by another value.
		const isOneValue = element && !hasArrayBelow(arrays, element.depth);
		return isOneValue ? meet(together) : lightest(together).intervals;
	});
}
/** The fields of a key come from the same element: no array lies behind it on the way that they share. */
function isOneElement(index: Index, a: number, others: number[], element: Element | undefined): boolean {
	const x = index.fields[a]?.split(".") ?? [];
	return others.every(b => {
		const y = index.fields[b]?.split(".") ?? [];
		const differ = x.findIndex((part, n) => part !== y[n]);
		const arrays = (index.arrays[a] ?? 0) | (index.arrays[b] ?? 0);
		return element && !hasArrayBelow(arrays, element.depth, differ < 0 ? x.length : differ);
	});
}
const lightest = (bounds: Bound[]) => bounds.reduce((best, b) => (weight(b) < weight(best) ? b : best));
const weight = (b: Bound) => (b.intervals.every(isPoint) ? b.intervals.length : 1e6) - (b.element ? 0.5 : 0);

function meet(bounds: Bound[]): Intervals {
	const [first, ...rest] = bounds;
	return rest.reduce(
		(all, b) => (isEverything(b.intervals) ? all : intersect(all, b.intervals)),
		first?.intervals ?? ALL,
	);
}

interface Order {
	isSorted: boolean;
	isMerged: boolean;
	isReverse: boolean;
}
const UNSORTED: Order = { isSorted: false, isMerged: false, isReverse: false };

/** Whether the index gives the wanted order: behind fields that are points, all directions as they are or all reversed. */
function sortOf(index: Index, prefix: Intervals[], sort: SortSpec | undefined): Order {
	const isFixed = (i: number) => (prefix[i]?.length ?? 2) <= 1;
	// A field that holds arrays gives each document once only where it is bound to one value, and no order of its own:
	// documents sort by their least or greatest element, whichever was asked for.
	const spoils = (field: string, i: number) =>
		(index.arrays[i] ?? 0) !== 0 && (!isFixed(i) || (sort !== undefined && field in sort));
	if (!hasSort(sort) || index.fields.some(spoils)) return UNSORTED;
	const wanted = entriesOf(sort).filter(([path]) => !isFixed(index.fields.indexOf(path)));
	let isMerged = false;
	let sign = 0;
	let at = 0;
	for (const [i, field] of index.fields.entries()) {
		const next = wanted[at];
		if (!next) break;
		if (field === next[0]) {
			const direction = (isDescending(next[1]) ? -1 : 1) * (index.signs[i] ?? 1);
			if (sign && direction !== sign) return UNSORTED;
			sign = direction;
			at++;
		} else if (isFixed(i)) continue;
		else if (at === 0 && i < prefix.length) isMerged = true;
		else return UNSORTED;
	}
	if (at < wanted.length) return UNSORTED;
	return { isSorted: true, isMerged, isReverse: sign === -1 };
}

function seeksOf(index: Index, prefix: Intervals[], range: Intervals | undefined, isReverse: boolean): Seek[] {
	let heads: IndexKey[] = [[]];
	for (const [i, points] of prefix.entries()) {
		const ordered = index.signs[i] === -1 ? points.toReversed() : points;
		heads = heads.flatMap(head => ordered.map(p => [...head, p.low]));
	}
	const i = prefix.length;
	const intervals = range && i < index.fields.length ? range : [];
	const isBounded = range !== undefined && i < index.fields.length;
	const ordered = index.signs[i] === -1 ? intervals.toReversed() : intervals;
	const seeks = heads.flatMap(head =>
		isBounded
			? ordered.map(r => seekRange(index, head, r))
			: [{ low: fill(index, head, true), high: fill(index, head, false) }],
	);
	return isReverse ? seeks.reverse() : seeks;
}

function seekRange(index: Index, head: IndexKey, r: Interval): Seek {
	const isDown = index.signs[head.length] === -1;
	const [from, to] = isDown ? [r.high, r.low] : [r.low, r.high];
	const [fromOpen, toOpen] = isDown ? [r.highOpen, r.lowOpen] : [r.lowOpen, r.highOpen];
	return { low: fill(index, [...head, from], !fromOpen), high: fill(index, [...head, to], toOpen) };
}

/** A whole key before (or behind) all that begin with `head`. */
function fill(index: Index, head: IndexKey, isLow: boolean): IndexKey {
	const key = [...head];
	for (let i = head.length; i < index.fields.length; i++) key.push((index.signs[i] === 1) === isLow ? LOW : HIGH);
	key.push(isLow ? LOW : HIGH);
	return key;
}

/** As MongoDB writes it in `planSummary`. */
export function summarize(plan: Plan): string {
	switch (plan.stage) {
		case "IXSCAN":
			return `IXSCAN ${showKey(plan.index)}`;
		case "OR":
			return [...new Set(plan.branches.map(summarize))].join(", ");
		default:
			return plan.stage;
	}
}
const showKey = (index: Index) =>
	`{ ${Object.entries(index.spec.key)
		.map(([f, d]) => `${f}: ${d}`)
		.join(", ")} }`;
