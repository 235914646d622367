import { notFound } from "../../../lib/errors.ts";
import { idRule, textRule } from "../../../lib/rules.ts";
import { commandId } from "../../../mixins/commands.mixin.ts";
import { newVariant, patched, withChangedVariant, withoutVariant, withVariant } from "../domain/product.ts";
import { type LiveProduct, mustFind } from "../products.repository.ts";
import { clearable, filterRules, productIdRule, productRules, slugRule, variantRules } from "../products.rules.ts";
import { type ProductsActionGroup, requestOf } from "../products.types.ts";
import { adminProductView } from "../products.views.ts";
import { pageOf } from "./shop.ts";

const variantId = idRule();
const tags = ["Catalogue, staff"];
const admin = { response: "AdminProduct", tags };

/** How staff keep the catalogue. */
export const productActions: ProductsActionGroup<
	"adminList" | "adminGet" | "create" | "update" | "remove" | "addVariant" | "updateVariant" | "removeVariant"
> = {
	adminList: {
		visibility: "published",
		rest: "GET /admin/products",
		permissions: ["products:read"],
		isIdempotent: true,
		params: { ...filterRules, status: productRules.status },
		openapi: { summary: "Products, drafts too", response: "AdminProductPage", tags },
		handler(ctx) {
			const { status, ...filters } = ctx.params;
			return pageOf(this, filters, status, product => adminProductView(product as LiveProduct));
		},
	},
	adminGet: {
		visibility: "published",
		rest: "GET /admin/products/:id",
		permissions: ["products:read"],
		isIdempotent: true,
		params: { id: productIdRule },
		openapi: { summary: "One product", ...admin },
		async handler(ctx) {
			return adminProductView(await mustFind(this.products.find({ _id: ctx.params.id })));
		},
	},
	create: {
		visibility: "published",
		rest: { route: "POST /admin/products", status: 201, location: "/admin/products/:id" },
		permissions: ["products:write"],
		idempotency: "commands",
		params: {
			...productRules,
			variants: { type: "array", min: 1, max: 100, items: { type: "object", props: variantRules } },
		},
		openapi: { summary: "A new product", description: "409 when a SKU or the slug is in use.", ...admin },
		async handler(ctx) {
			return adminProductView(await this.catalogue.create(commandId(ctx, "prd"), ctx.params, requestOf(ctx)));
		},
	},
	update: {
		visibility: "published",
		rest: "PATCH /admin/products/:id",
		permissions: ["products:write"],
		params: {
			id: productIdRule,
			...productRules,
			...clearable,
			title: textRule(500, { optional: true }),
			slug: slugRule({ optional: true }),
		},
		openapi: {
			summary: "Changes what it names",
			description: "An empty text or null takes away a description, a brand, an mpn or a date of release.",
			...admin,
		},
		async handler(ctx) {
			const { id, ...patch } = ctx.params;
			const changed = await this.catalogue.change(id, product => patched(product, patch), requestOf(ctx));
			return adminProductView(changed);
		},
	},
	remove: {
		visibility: "published",
		rest: { route: "DELETE /admin/products/:id", status: 204 },
		permissions: ["products:write"],
		params: { id: productIdRule },
		openapi: { summary: "Takes a product out of the catalogue", tags },
		handler(ctx) {
			return this.catalogue.remove(ctx.params.id, requestOf(ctx));
		},
	},
	addVariant: {
		visibility: "published",
		rest: { route: "POST /admin/products/:id/variants", status: 201 },
		permissions: ["products:write"],
		idempotency: "commands",
		params: { id: productIdRule, ...variantRules },
		openapi: { summary: "One more variant", ...admin },
		async handler(ctx) {
			const { id, ...input } = ctx.params;
			const added = commandId(ctx, "var");
			const next = (product: LiveProduct) =>
				product.variants.some(variant => variant.id === added)
					? product
					: withVariant(product, { ...newVariant(input, product.title, Date.now()), id: added });
			return adminProductView(await this.catalogue.change(id, next, requestOf(ctx)));
		},
	},
	updateVariant: {
		visibility: "published",
		rest: "PATCH /admin/products/:id/variants/:variantId",
		permissions: ["products:write"],
		params: {
			id: productIdRule,
			variantId,
			title: variantRules.title,
			price: { ...variantRules.price, optional: true },
			compareAtPrice: { ...variantRules.compareAtPrice, nullable: true },
			options: variantRules.options,
		},
		openapi: {
			summary: "Changes a variant: its price, its options",
			description:
				"A `compareAtPrice` is in the currency of the price and higher than it, or null; one that a new price overtakes goes.",
			...admin,
		},
		async handler(ctx) {
			const { id, variantId: which, ...change } = ctx.params;
			const changed = await this.catalogue.change(
				id,
				product => withChangedVariant(product, which, change),
				requestOf(ctx),
			);
			return adminProductView(changed);
		},
	},
	removeVariant: {
		visibility: "published",
		rest: "DELETE /admin/products/:id/variants/:variantId",
		permissions: ["products:write"],
		params: { id: productIdRule, variantId },
		openapi: { summary: "Takes a variant away; the last one goes with its product only", ...admin },
		async handler(ctx) {
			const { id, variantId: which } = ctx.params;
			const changed = await this.catalogue.change(
				id,
				product => {
					if (!product.variants.some(variant => variant.id === which)) throw notFound(`Variant ${which}`);
					return withoutVariant(product, which);
				},
				requestOf(ctx),
			);
			return adminProductView(changed);
		},
	},
};
