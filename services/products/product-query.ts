import { decodeCursor, encodeCursor } from "../../lib/cursor.ts";
import { DomainError } from "../../lib/errors.ts";
import { queryTerms } from "./domain/text.ts";
import type { ProductFilters } from "./products.contract.ts";
import type { ProductDocument } from "./products.model.ts";

/** What a list can be sorted by, and the stored field behind it. */
const SORT_FIELDS = { title: "titleKey", price: "minPrice", createdAt: "createdAt" } as const;
type SortName = keyof typeof SORT_FIELDS;

export const SORTS = Object.keys(SORT_FIELDS).flatMap(name => [name, `-${name}`]);
const DEFAULT_SORT = "-createdAt";

export interface ProductQuery {
	/** Without the cursor: what `count` counts. */
	filter: Record<string, unknown>;
	/** Where the page begins; empty on the first one. */
	after: Record<string, unknown>;
	sort: Record<string, 1 | -1>;
	/** The index that both narrows and sorts: said, not left to the planner, whose guess may sort in memory. */
	hint: Record<string, 1>;
	limit: number;
	cursorOf(last: ProductDocument): string;
}

/**
 * A list as one query over one index: what narrows it, then what sorts it, then `_id`. Undefined when nothing can match.
 * @throws VALIDATION_ERROR for a cursor of another list
 */
export function productQuery(
	{ category, brand, q, priceMin, priceMax, inStock, limit = 20, cursor, sort = DEFAULT_SORT }: ProductFilters,
	status: "draft" | "published" | undefined,
): ProductQuery | undefined {
	const name = sort.replace(/^-/, "") as SortName;
	const field = SORT_FIELDS[name];
	const direction = sort.startsWith("-") ? -1 : 1;
	const terms = q === undefined ? [] : queryTerms(q);
	if (q !== undefined && terms.length === 0) return undefined;
	const [term, ...otherTerms] = terms;
	const prefix = prefixOf({ term, category, brand }, field === "createdAt" ? status : undefined);
	const isPriced = priceMin !== undefined || priceMax !== undefined;
	return {
		filter: {
			status: status ?? { $ne: "deleted" },
			...(term === undefined ? {} : { terms: term }),
			...(otherTerms.length === 0 ? {} : { $and: otherTerms.map(terms => ({ terms })) }),
			...(category === undefined ? {} : { path: category }),
			...(brand === undefined ? {} : { brand }),
			...(inStock === undefined ? {} : { isInStock: inStock }),
			...(isPriced ? { minPrice: between(priceMin, priceMax) } : {}),
		},
		after: cursor === undefined ? {} : after(field, direction, position(cursor, sort, field)),
		sort: { [field]: direction, _id: direction },
		hint: { ...prefix, [field]: 1, _id: 1 },
		limit,
		cursorOf: last => encodeCursor([sort, sortValue(last, field), last._id]),
	};
}

/** What narrows a list the most comes first in its index. */
function prefixOf(
	{ term, category, brand }: { term?: string; category?: string; brand?: string },
	status: string | undefined,
): Record<string, 1> {
	if (term !== undefined) return { terms: 1 };
	if (category !== undefined) return { path: 1 };
	if (brand !== undefined) return { brand: 1 };
	return status === undefined ? {} : { status: 1 };
}

const between = (min: number | undefined, max: number | undefined) => ({
	...(min === undefined ? {} : { $gte: min }),
	...(max === undefined ? {} : { $lte: max }),
});

type Field = (typeof SORT_FIELDS)[SortName];
interface Position {
	value: string | number | Date;
	id: string;
}

const sortValue = (product: ProductDocument, field: Field): string | number =>
	field === "createdAt" ? product.createdAt.getTime() : product[field];

function position(cursor: string, sort: string, field: Field): Position {
	const [of, value = "", id] = decodeCursor(cursor, ["string", field === "titleKey" ? "string" : "number", "string"]);
	const at = field === "createdAt" ? new Date(Number(value)) : value;
	if (of === sort && !(at instanceof Date && Number.isNaN(at.getTime()))) return { value: at, id: String(id) };
	throw new DomainError("VALIDATION_ERROR", "The cursor is not one of this list", {
		errors: [{ field: "cursor", code: "cursor", message: "Use `nextCursor` of the page before, with the same sort" }],
	});
}

/** The first condition is implied by the second: it is the one that gives the index its bounds. */
function after(field: Field, direction: 1 | -1, { value, id }: Position): Record<string, unknown> {
	const beyond = direction === 1 ? "$gt" : "$lt";
	return {
		$and: [
			{ [field]: { [`${beyond}e`]: value } },
			{ $or: [{ [field]: { [beyond]: value } }, { [field]: value, _id: { [beyond]: id } }] },
		],
	};
}
