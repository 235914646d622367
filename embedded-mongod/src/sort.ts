import { notImplemented } from "./errors.ts";
import { entriesOf } from "./order.ts";
import { compare, type Doc, getPath, isPlain, toNumber, valuesAt } from "./values.ts";

/** `{ field: 1 | -1 }`, in the order of its fields. */
export type SortSpec = Record<string, unknown>;
type Compare = (a: unknown, b: unknown) => number;

/** Text under a collation is only sorted, never compared: an error is better than a wrong answer. */
export interface Collation {
	locale: string;
	strength?: number;
	numericOrdering?: boolean;
}
export const isSimple = (collation: Collation | undefined) => !collation || collation.locale === "simple";

export const isDescending = (direction: unknown) => toNumber(direction) < 0;
export const hasSort = (sort: SortSpec | undefined): sort is SortSpec =>
	sort !== undefined && Object.keys(sort).length > 0;

/** A comparison of documents that looks into no arrays, as `$sortArray` and `$push` do it. */
export function orderOf(by: SortSpec): Compare {
	const fields = entriesOf(by).map(([path, direction]) => ({ path, sign: isDescending(direction) ? -1 : 1 }));
	return (a, b) => {
		for (const { path, sign } of fields) {
			const c = sign * compare(getPath(a, path), getPath(b, path));
			if (c) return c;
		}
		return 0;
	};
}

function textCompare(collation: Collation): Compare {
	const sensitivity = ({ 1: "base", 2: "accent", 3: "variant" } as const)[collation.strength ?? 3];
	const collator = new Intl.Collator(collation.locale.replace("_", "-"), {
		...(sensitivity ? { sensitivity } : {}),
		numeric: collation.numericOrdering ?? false,
	});
	return (a, b) => (typeof a === "string" && typeof b === "string" ? collator.compare(a, b) : compare(a, b));
}

/** Sorts by the given fields; of an array its least element counts, or its greatest when descending. */
export function sortBy<T>(items: T[], docOf: (item: T) => Doc, sort: SortSpec, collation?: Collation): T[] {
	const cmp = collation && !isSimple(collation) ? textCompare(collation) : compare;
	const by = entriesOf(sort).map(([path, direction]) => ({ path, sign: isDescending(direction) ? -1 : 1 }));
	const keyed = items.map(item => {
		const doc = docOf(item);
		return { item, key: by.map(({ path, sign }) => sortKey(doc, path, sign, cmp)) };
	});
	keyed.sort((a, b) => {
		for (let i = 0; i < by.length; i++) {
			const c = (by[i]?.sign ?? 1) * cmp(a.key[i], b.key[i]);
			if (c) return c;
		}
		return 0;
	});
	return keyed.map(k => k.item);
}

function sortKey(doc: Doc, path: string, sign: number, cmp: Compare): unknown {
	const { values, arrays } = valuesAt(doc, path);
	if (!arrays) return values[0];
	return values.reduce((best, v) => (sign * cmp(v, best) < 0 ? v : best));
}

/** @throws when a filter would compare text under a collation */
export function refuseText(filter: Doc, collation: Collation | undefined): void {
	if (isSimple(collation)) return;
	for (const [path, condition] of Object.entries(filter)) {
		if (path === "_id") continue;
		if (Array.isArray(condition)) for (const c of condition) isPlain(c) && refuseText(c, collation);
		else if (comparesText(condition))
			throw notImplemented(`comparison under a collation (field ${path}), only sorting`);
	}
}
const comparesText = (condition: unknown) =>
	typeof condition === "string" ||
	(isPlain(condition) &&
		Object.values(condition).some(v => typeof v === "string" || (Array.isArray(v) && v.length > 0)));
