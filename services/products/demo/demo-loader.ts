import type { Model } from "mongoose";
import { isDuplicateKey } from "../../../lib/errors.ts";
import { newEvent } from "../../../lib/events.ts";
import { newId } from "../../../lib/ids.ts";
import { exponentOf } from "../../../lib/money.ts";
import type { LevelChange } from "../../inventory/inventory.contract.ts";
import type { CategoriesRepository } from "../categories.repository.ts";
import { pathTo } from "../domain/categories.ts";
import { derive, newProduct } from "../domain/product.ts";
import { slugOf } from "../domain/text.ts";
import type { Category, ProductInput } from "../products.contract.ts";
import type { CategoriesDocument, ProductDocument } from "../products.model.ts";
import { DEMO_CATEGORIES, type DemoCategory, type DemoProduct } from "./catalogue.ts";

const CLAIM = "demo";

interface Deps {
	products: Model<ProductDocument>;
	/** Where the claim is kept, beside the tree. */
	trees: Model<CategoriesDocument>;
	categories: CategoriesRepository;
	/** What the demo's prices are in. */
	currency: string;
	now(): Date;
	/** Receives stock, idempotent per reference; gives the levels after it. */
	receive(items: { sku: string; quantity: number; reference: string }[]): Promise<LevelChange[]>;
	/** Writes down those levels; cached reads are stale then. */
	onLevels(levels: LevelChange[]): Promise<void>;
}

interface DemoVariant {
	input: ProductInput["variants"][number];
	stock: number;
}

/**
 * Fills an empty shop with the demo catalogue. A claim makes it happen once among many nodes; what a crash leaves
 * undone, the next start does: products are known by their SKUs, receipts by their references.
 */
export class DemoLoader {
	readonly #deps: Deps;

	constructor(deps: Deps) {
		this.#deps = deps;
	}

	/** @returns whether there is stock to receive: the claim is open until it is */
	async loadProducts(): Promise<boolean> {
		const { products, trees } = this.#deps;
		const claim = await trees.collection.findOne({ _id: CLAIM } as never);
		if (claim) return claim["isDone"] !== true;
		if (await products.exists({ createdAt: { $gt: new Date(0) } })) return false;
		try {
			await trees.collection.insertOne({ _id: CLAIM, isDone: false } as never);
		} catch (error) {
			if (!isDuplicateKey(error)) throw error;
		}
		await this.#insert();
		return true;
	}

	/** May be repeated until it succeeds: inventory may come later than this service. */
	async loadStock(): Promise<void> {
		const { trees, receive, onLevels } = this.#deps;
		// A crash may have come before the products did.
		await this.#insert();
		const items = leaves(DEMO_CATEGORIES).flatMap(category =>
			demoProducts(category, this.#deps.currency).flatMap(({ variants }) =>
				variants
					.filter(({ stock }) => stock > 0)
					.map(({ input, stock }) => ({ sku: input.sku, quantity: stock, reference: `demo:${input.sku}` })),
			),
		);
		await onLevels(await receive(items));
		await trees.collection.updateOne({ _id: CLAIM } as never, { $set: { isDone: true } });
	}

	async #insert(): Promise<void> {
		const { products, categories, now } = this.#deps;
		const wanted = flat(DEMO_CATEGORIES, null, now().getTime());
		const tree = await categories.change(all => {
			const known = new Set(all.map(({ slug }) => slug));
			return [...all, ...wanted.filter(({ slug }) => !known.has(slug))];
		});
		const pathOf = (slug: string) => pathTo(tree, slug).map(category => category.slug);
		const at = now();
		const documents = leaves(DEMO_CATEGORIES).flatMap(category =>
			demoProducts(category, this.#deps.currency).map(({ input }, i) => {
				const createdAt = new Date(at.getTime() - i);
				const state = newProduct(input, slugOf(input.title), at.getTime());
				const id = newId("prd", at.getTime());
				const data = { productId: id, skus: state.variants.map(({ sku }) => sku) };
				return {
					_id: id,
					...state,
					...derive(state, pathOf),
					createdBy: null,
					createdAt,
					updatedAt: createdAt,
					version: 1,
					revision: 1,
					outbox: [newEvent("product.created", data, { sequence: 1, now: at })],
				};
			}),
		);
		try {
			await products.collection.insertMany(documents as never[], { ordered: false });
		} catch (error) {
			// What a start before this one brought is there.
			if (!isDuplicateKey(error)) throw error;
		}
	}
}

const leaves = (categories: readonly DemoCategory[]): DemoCategory[] =>
	categories.flatMap(category => [...(category.products ? [category] : []), ...leaves(category.children ?? [])]);

const flat = (categories: readonly DemoCategory[], parent: string | null, nowMs: number): Category[] =>
	categories.flatMap(({ slug, title, children = [] }) => [
		{ id: newId("cat", nowMs), slug, title, parent, version: 1 },
		...flat(children, slug, nowMs),
	]);

function demoProducts(
	{ slug, code = "XX", products = [] }: DemoCategory,
	currency: string,
): { input: ProductInput; variants: DemoVariant[] }[] {
	return products.map((product, i) => {
		const variants = demoVariants(product, `${code}-${101 + i}`, currency);
		const { title, brand, description } = product;
		const input: ProductInput = {
			title,
			brand,
			description,
			categories: [slug],
			status: "published",
			variants: variants.map(variant => variant.input),
		};
		return { input, variants };
	});
}

function demoVariants({ price, compareAt, stock, option }: DemoProduct, sku: string, currency: string): DemoVariant[] {
	const hundredths = 10 ** Math.max(0, exponentOf(currency) - 2);
	const priced = (amount: number) => ({
		price: { amount: amount * hundredths, currency },
		...(compareAt ? { compareAtPrice: { amount: compareAt * hundredths, currency } } : {}),
	});
	if (!option) return [{ input: { sku, ...priced(price) }, stock }];
	return option.values.map(({ value, price: own = price, stock: ownStock = stock }, i) => ({
		input: { sku: `${sku}-${i + 1}`, title: value, ...priced(own), options: { [option.name]: value } },
		stock: ownStock,
	}));
}
