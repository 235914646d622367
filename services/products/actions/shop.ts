import type { Page } from "../../../lib/contracts.ts";
import { DomainError, notFound } from "../../../lib/errors.ts";
import { skuRule } from "../../../lib/rules.ts";
import { treeOf, withPath } from "../domain/categories.ts";
import { productQuery } from "../product-query.ts";
import type { ProductFilters } from "../products.contract.ts";
import type { ProductDocument } from "../products.model.ts";
import { filterRules, idOrSlugRule, slugRule } from "../products.rules.ts";
import type { ProductsActionGroup, ProductsService } from "../products.types.ts";
import { productView } from "../products.views.ts";

const CACHE_MS = 30_000;
const MAX_QUOTES = 500;

/** One query (by price one for every slot), and as many more when the client wants the total. */
export async function pageOf<T>(
	{ products, broker }: ProductsService,
	params: ProductFilters,
	status: "draft" | "published" | undefined,
	view: (product: ProductDocument) => T,
): Promise<Page<T>> {
	const query = productQuery(params, status, broker.stoa.config.shopCurrency);
	if (!query) return { items: [], nextCursor: null, ...(params.count ? { total: 0 } : {}) };
	const [found, total] = await Promise.all([products.page(query), params.count ? products.count(query) : undefined]);
	const items = found.slice(0, query.limit);
	const last = items.at(-1);
	return {
		items: items.map(view),
		nextCursor: last && found.length > query.limit ? query.cursorOf(last) : null,
		...(total === undefined ? {} : { total }),
	};
}

/** What everybody sees. */
export const shopActions: ProductsActionGroup<"list" | "get" | "listCategories" | "getCategory" | "quote"> = {
	list: {
		visibility: "published",
		rest: "GET /products",
		permissions: "anyone",
		isIdempotent: true,
		params: filterRules,
		cached: { aggregate: "products", keys: Object.keys(filterRules), ttlMs: CACHE_MS },
		openapi: {
			summary: "Products on sale",
			description:
				"`priceMin`, `priceMax` and a sort by price work within one `currency`, by default the shop's; products without a price in it are left out. Given alone, `currency` leaves only what is sold in it.",
			response: "ProductPage",
			tags: ["Catalogue"],
		},
		handler(ctx) {
			return pageOf(this, ctx.params, "published", productView);
		},
	},
	get: {
		visibility: "published",
		rest: "GET /products/:idOrSlug",
		permissions: "anyone",
		isIdempotent: true,
		params: { idOrSlug: idOrSlugRule },
		cached: { aggregate: "products", keys: ["idOrSlug"], ttlMs: CACHE_MS },
		openapi: {
			summary: "One product on sale, by id or slug",
			description: "A slug that the product had before answers 301 with `Location`.",
			response: "Product",
			tags: ["Catalogue"],
		},
		async handler(ctx) {
			const { idOrSlug } = ctx.params;
			const by = idOrSlug.startsWith("prd_") ? { _id: idOrSlug } : { slug: idOrSlug };
			const product = await this.products.find(by);
			if (product?.status === "published") return productView(product);
			const slug = "_id" in by ? undefined : await this.products.movedTo(idOrSlug);
			if (slug === undefined) throw notFound("The product");
			const location = `/products/${encodeURIComponent(slug)}`;
			throw new DomainError("MOVED_PERMANENTLY", `The product is at ${location} by now`, { location });
		},
	},
	listCategories: {
		visibility: "published",
		rest: "GET /categories",
		permissions: "anyone",
		isIdempotent: true,
		params: {},
		cached: { aggregate: "products", keys: [], ttlMs: CACHE_MS },
		openapi: { summary: "All categories, as a tree", response: "CategoryTree", tags: ["Catalogue"] },
		async handler() {
			return { items: treeOf(await this.categories.all()) };
		},
	},
	getCategory: {
		visibility: "published",
		rest: "GET /categories/:slug",
		permissions: "anyone",
		isIdempotent: true,
		params: { slug: slugRule() },
		cached: { aggregate: "products", keys: ["slug"], ttlMs: CACHE_MS },
		openapi: { summary: "One category with its path", response: "CategoryWithPath", tags: ["Catalogue"] },
		async handler(ctx) {
			return withPath(await this.categories.all(), ctx.params.slug);
		},
	},
	quote: {
		visibility: "public",
		isIdempotent: true,
		params: { skus: { type: "array", min: 1, max: MAX_QUOTES, items: skuRule() } },
		async handler(ctx) {
			return { quotes: await this.products.quotes(ctx.params.skus) };
		},
	},
};
