import { DomainError } from "../../../lib/errors.ts";
import { textRule } from "../../../lib/rules.ts";
import { commandId } from "../../../mixins/commands.mixin.ts";
import { added, changed, one, removed } from "../domain/categories.ts";
import { slugRule } from "../products.rules.ts";
import type { ProductsActionGroup } from "../products.types.ts";

const title = textRule(200);
const tags = ["Catalogue, staff"];

/** How staff keep the tree of categories. */
export const categoryActions: ProductsActionGroup<"createCategory" | "updateCategory" | "removeCategory"> = {
	createCategory: {
		visibility: "published",
		rest: { route: "POST /admin/categories", status: 201, location: "/categories/:slug" },
		permissions: ["products:write"],
		idempotency: "commands",
		params: { slug: slugRule(), title, parent: slugRule({ optional: true }) },
		openapi: { summary: "A new category", response: "Category", tags },
		async handler(ctx) {
			const { slug, title: name, parent = null } = ctx.params;
			const category = { id: commandId(ctx, "cat"), slug, title: name, parent, version: 1 };
			const tree = await this.categories.change(all =>
				all.some(({ id }) => id === category.id) ? all : added(all, category),
			);
			await this.broker.stoa.cache.bump("products");
			return one(tree, slug);
		},
	},
	updateCategory: {
		visibility: "published",
		rest: "PATCH /admin/categories/:slug",
		permissions: ["products:write"],
		params: {
			slug: slugRule(),
			title: { ...title, optional: true },
			parent: slugRule({ optional: true, nullable: true }),
		},
		openapi: { summary: "Renames or moves a category", response: "Category", tags },
		async handler(ctx) {
			const { slug, ...change } = ctx.params;
			const { ifMatch } = ctx.meta;
			const tree = await this.categories.change(
				all => {
					if (ifMatch !== undefined && one(all, slug).version !== ifMatch)
						throw new DomainError("VERSION_MISMATCH", `${slug} was changed meanwhile: read it again, then decide`);
					return changed(all, slug, change);
				},
				change.parent === undefined ? undefined : slug,
			);
			if (change.parent !== undefined) await this.categoryMover.run();
			await this.broker.stoa.cache.bump("products");
			return one(tree, slug);
		},
	},
	removeCategory: {
		visibility: "published",
		rest: { route: "DELETE /admin/categories/:slug", status: 204 },
		permissions: ["products:write"],
		params: { slug: slugRule() },
		openapi: { summary: "Removes an empty category", tags },
		async handler(ctx) {
			const { slug } = ctx.params;
			removed(await this.categories.all(), slug);
			if (await this.products.hasCategory(slug)) throw new DomainError("CONFLICT", `${slug} has products`);
			await this.categories.change(all => removed(all, slug));
			await this.broker.stoa.cache.bump("products");
		},
	},
};
