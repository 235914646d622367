import { decodeCursor, encodeCursor, refusedCursor } from "../../lib/cursor.ts";
import { lowestIn, PRICE_SLOTS, type PriceSlot } from "./domain/product.ts";
import { queryTerms } from "./domain/text.ts";
import type { ProductFilters } from "./products.contract.ts";
import type { ProductDocument } from "./products.model.ts";

/** What a list can be sorted by. */
const SORT_NAMES = ["title", "price", "createdAt"] as const;
type SortName = (typeof SORT_NAMES)[number];
type Direction = 1 | -1;
type Status = "draft" | "published" | undefined;

export const SORTS = SORT_NAMES.flatMap(name => [name, `-${name}`]);
const DEFAULT_SORT = "-createdAt";

/** One query over one index: what narrows it, then what sorts it, then `_id`. */
export interface Branch {
	/** Without the cursor: what `count` counts. */
	filter: Record<string, unknown>;
	/** Where the page begins; empty on the first one. */
	after: Record<string, unknown>;
	sort: Record<string, Direction>;
	/** The index that both narrows and sorts: said, not left to the planner, whose guess may sort in memory. */
	hint: Record<string, 1>;
}

export interface ProductQuery {
	/** One; by price one for every slot a price can be in. No product is in two of them. */
	branches: Branch[];
	/** The order of the whole list, by which pages of several branches are merged. */
	compare(a: ProductDocument, b: ProductDocument): number;
	limit: number;
	cursorOf(last: ProductDocument): string;
}

/**
 * A list by keyset. Undefined when nothing can match.
 * @param shopCurrency what prices are compared in when the list does not say
 * @throws VALIDATION_ERROR for a cursor of another list
 */
export function productQuery(filters: ProductFilters, status: Status, shopCurrency: string): ProductQuery | undefined {
	const { q, limit = 20, cursor, sort = DEFAULT_SORT, currency = shopCurrency } = filters;
	const terms = q === undefined ? [] : queryTerms(q);
	if (q !== undefined && terms.length === 0) return undefined;
	const name = sort.replace(/^-/, "") as SortName;
	const direction = sort.startsWith("-") ? -1 : 1;
	// A page of prices in one currency does not go on in another.
	const list = name === "price" ? `${sort} ${currency}` : sort;
	const from = cursor === undefined ? undefined : position(cursor, list, name);
	const placeOf = (product: ProductDocument) => sortValue(product, name, currency);
	const prefix = prefixOf(filters, terms[0], name === "createdAt" ? status : undefined);
	const isPriced = filters.currency !== undefined || filters.priceMin !== undefined || filters.priceMax !== undefined;

	const branch = (field: string, priced: Record<string, unknown>, of: Record<string, 1> = {}): Branch => ({
		filter: { ...conditions(filters, terms, status), ...priced },
		after: from ? after(field, direction, from) : {},
		sort: { [field]: direction, _id: direction },
		hint: { ...prefix, ...of, [field]: 1, _id: 1 },
	});
	const inSlots = PRICE_SLOTS.map(slot => inSlot(slot, currency, filters));
	return {
		branches:
			name === "price"
				? PRICE_SLOTS.map((slot, i) =>
						branch(`prices.${slot}.min`, inSlots[i] ?? {}, { [`prices.${slot}.currency`]: 1 }),
					)
				: [branch(name === "title" ? "titleKey" : "createdAt", isPriced ? { $or: inSlots } : {})],
		compare: (a, b) => direction * (order(placeOf(a), placeOf(b)) || order(a._id, b._id)),
		limit,
		cursorOf: last => encodeCursor([list, placeOf(last), last._id]),
	};
}

function conditions(
	{ category, brand, inStock }: ProductFilters,
	[term, ...otherTerms]: readonly string[],
	status: Status,
): Record<string, unknown> {
	return {
		status: status ?? { $ne: "deleted" },
		...(term === undefined ? {} : { terms: term }),
		...(otherTerms.length === 0 ? {} : { $and: otherTerms.map(terms => ({ terms })) }),
		...(category === undefined ? {} : { path: category }),
		...(brand === undefined ? {} : { brand }),
		...(inStock === undefined ? {} : { isInStock: inStock }),
	};
}

/** What narrows a list the most comes first in its index. */
function prefixOf({ category, brand }: ProductFilters, term: string | undefined, status: Status): Record<string, 1> {
	if (term !== undefined) return { terms: 1 };
	if (category !== undefined) return { path: 1 };
	if (brand !== undefined) return { brand: 1 };
	return status === undefined ? {} : { status: 1 };
}

/** Amounts are compared within one currency only. */
function inSlot(slot: PriceSlot, currency: string, { priceMin, priceMax }: ProductFilters): Record<string, unknown> {
	const range = {
		...(priceMin === undefined ? {} : { $gte: priceMin }),
		...(priceMax === undefined ? {} : { $lte: priceMax }),
	};
	return {
		[`prices.${slot}.currency`]: currency,
		...(Object.keys(range).length === 0 ? {} : { [`prices.${slot}.min`]: range }),
	};
}

function sortValue(product: ProductDocument, name: SortName, currency: string): string | number {
	if (name === "createdAt") return product.createdAt.getTime();
	return name === "title" ? product.titleKey : (lowestIn(product.prices, currency) ?? 0);
}

const order = (a: string | number, b: string | number): number => (a < b ? -1 : a > b ? 1 : 0);

interface Position {
	value: string | number | Date;
	id: string;
}

function position(cursor: string, list: string, name: SortName): Position {
	const kind = name === "title" ? "string" : name === "createdAt" ? "time" : "number";
	const [of, value, id] = decodeCursor(cursor, ["string", kind, "string"]);
	if (of !== list) throw refusedCursor();
	return { value, id };
}

/** The first condition is implied by the second: it is the one that gives the index its bounds. */
function after(field: string, direction: Direction, { value, id }: Position): Record<string, unknown> {
	const beyond = direction === 1 ? "$gt" : "$lt";
	return {
		$and: [
			{ [field]: { [`${beyond}e`]: value } },
			{ $or: [{ [field]: { [beyond]: value } }, { [field]: value, _id: { [beyond]: id } }] },
		],
	};
}
