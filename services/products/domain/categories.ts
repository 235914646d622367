import { DomainError, notFound } from "../../../lib/errors.ts";
import type { Category, CategoryTree, CategoryWithPath } from "../products.contract.ts";

/** A shop with more has another kind of problem; the whole tree is one document, and its updates are atomic. */
export const MAX_CATEGORIES = 5_000;
const MAX_DEPTH = 12;

export type Categories = readonly Category[];

/** From the root to this category itself; empty for a category that does not exist. */
export function pathTo(categories: Categories, slug: string): Category[] {
	const bySlug = new Map(categories.map(category => [category.slug, category]));
	const path: Category[] = [];
	for (let at = bySlug.get(slug); at && path.length <= MAX_DEPTH; at = at.parent ? bySlug.get(at.parent) : undefined) {
		path.unshift(at);
	}
	return path;
}

/** The slugs of a category and all below it. */
export function subtree(categories: Categories, slug: string): string[] {
	const below = categories.filter(({ parent }) => parent === slug).flatMap(child => subtree(categories, child.slug));
	return [slug, ...below];
}

export function added(categories: Categories, category: Category): Categories {
	if (categories.some(({ slug }) => slug === category.slug)) {
		throw new DomainError("CONFLICT", `The category ${category.slug} exists already`);
	}
	if (categories.length >= MAX_CATEGORIES) throw new DomainError("CONFLICT", "There are too many categories");
	if (category.parent === category.slug)
		throw new DomainError("CONFLICT", `${category.slug} cannot stand below itself`);
	const next = [...categories, category];
	checkPlace(next, category);
	return next;
}

export function changed(
	categories: Categories,
	slug: string,
	{ title, parent }: { title?: string; parent?: string | null },
): Categories {
	const before = one(categories, slug);
	if ((title ?? before.title) === before.title && (parent === undefined || parent === before.parent)) return categories;
	const after = {
		...before,
		...(title === undefined ? {} : { title }),
		...(parent === undefined ? {} : { parent }),
		version: before.version + 1,
	};
	if (after.parent !== null && subtree(categories, slug).includes(after.parent)) {
		throw new DomainError("CONFLICT", `${slug} cannot stand below itself`);
	}
	const next = categories.map(category => (category.slug === slug ? after : category));
	checkPlace(next, after);
	return next;
}

export function removed(categories: Categories, slug: string): Categories {
	one(categories, slug);
	if (categories.some(({ parent }) => parent === slug)) {
		throw new DomainError("CONFLICT", `${slug} has categories below it`);
	}
	return categories.filter(category => category.slug !== slug);
}

export function one(categories: Categories, slug: string): Category {
	const category = categories.find(each => each.slug === slug);
	if (!category) throw notFound(`The category ${slug}`);
	return category;
}

/** Roots first, everything in the order of titles. */
export function treeOf(categories: Categories): CategoryTree[] {
	const below = (parent: string | null): CategoryTree[] =>
		categories
			.filter(category => category.parent === parent)
			.sort((a, b) => a.title.localeCompare(b.title, "en"))
			.map(category => ({ ...category, children: below(category.slug) }));
	return below(null);
}

export const withPath = (categories: Categories, slug: string): CategoryWithPath => ({
	...one(categories, slug),
	path: pathTo(categories, slug).map(category => ({ slug: category.slug, title: category.title })),
});

/** @throws VALIDATION_ERROR when one of them does not exist */
export function mustExist(categories: Categories, slugs: readonly string[], field = "categories"): void {
	const known = new Set(categories.map(({ slug }) => slug));
	const unknown = slugs.filter(slug => !known.has(slug));
	if (unknown.length === 0) return;
	throw new DomainError("VALIDATION_ERROR", `There is no category ${unknown.join(", ")}`, {
		errors: unknown.map(slug => ({ field, code: "UNKNOWN_CATEGORY", message: `There is no category ${slug}` })),
	});
}

function checkPlace(categories: Categories, { slug, parent }: Category): void {
	if (parent !== null) mustExist(categories, [parent], "parent");
	const deepest = Math.max(...subtree(categories, slug).map(each => pathTo(categories, each).length));
	if (deepest > MAX_DEPTH) throw new DomainError("CONFLICT", `Categories nest at most ${MAX_DEPTH} deep`);
}
