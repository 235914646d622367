import type { Clock } from "../../lib/clock.ts";
import { asDomainError, DomainError, errorType } from "../../lib/errors.ts";
import { newEvent } from "../../lib/events.ts";
import { canonical } from "../../lib/idempotency.ts";
import type { CategoriesRepository } from "./categories.repository.ts";
import { mustExist, pathTo } from "./domain/categories.ts";
import { derive, newProduct, type ProductState, stateOf } from "./domain/product.ts";
import { slugFor } from "./domain/text.ts";
import type { LevelsRepository } from "./levels.repository.ts";
import type { ProductInput } from "./products.contract.ts";
import { type LiveProduct, mustFind, type ProductsRepository } from "./products.repository.ts";

const MAX_TRIES = 10;
const MAX_OLD_SLUGS = 20;

interface Deps {
	products: ProductsRepository;
	categories: CategoriesRepository;
	levels: LevelsRepository;
	clock: Clock;
	/** After every commit, before the answer: cached reads are stale now, and the relay has work. */
	onCommitted(productId: string): Promise<void>;
}

/** Who changes what: `ifMatch` is the version the client saw. */
export interface Request {
	ifMatch?: number;
	requestId?: string;
}

/** How products come, change and go. Every change is a compare-and-set on the product's version. */
export class Catalogue {
	readonly #deps: Deps;

	constructor(deps: Deps) {
		this.#deps = deps;
	}

	/** @param id fixed by the command, so that a repeat finds what the first one made */
	async create(id: string, input: ProductInput, { requestId }: Request): Promise<LiveProduct> {
		const { products, clock } = this.#deps;
		const now = clock.now();
		const known = await products.find({ _id: id });
		if (known) return known;
		const state = newProduct(input, input.slug ?? slugFor(id, input.title), now.getTime());
		const derived = await this.#derive(state, input.categories ?? []);
		const skus = state.variants.map(({ sku }) => sku);
		const event = newEvent("product.created", { productId: id, skus }, about(1, now, requestId));
		const made = { createdBy: null, createdAt: now, updatedAt: now, version: 1, revision: 1 };
		const document = { _id: id, ...state, ...derived, ...made };
		try {
			await products.insert({ ...document, outbox: [event] });
		} catch (error) {
			// Titles repeat, SKUs do not: a slug nobody asked for may take the SKU's help.
			if (input.slug !== undefined || !isSlugConflict(error)) throw error;
			await products.insert({ ...document, slug: slugFor(id, input.title, skus[0] ?? ""), outbox: [event] });
		}
		return this.#withLevels(id, skus);
	}

	/**
	 * What changes nothing is no version and no event.
	 * @param next what the product becomes, from what it is: called again when another change came first
	 */
	async change(
		id: string,
		next: (state: LiveProduct) => ProductState,
		{ ifMatch, requestId }: Request,
	): Promise<LiveProduct> {
		const { products, clock } = this.#deps;
		for (let tries = 0; tries < MAX_TRIES; tries++) {
			const product = await mustFind(products.find({ _id: id }));
			checkVersion(product.version, ifMatch);
			const { version } = product;
			const before = stateOf(product);
			const state = stateOf(next(product));
			const changed = changedFields(before, state);
			if (changed.length === 0) return product;
			const derived = await this.#derive(state, state.categories);
			const now = clock.now();
			const data = { productId: id, changed };
			const event = newEvent("product.updated", data, about(version + 1, now, requestId));
			const written = { ...state, ...derived, ...oldSlugsOf(product, state.slug) };
			if (!(await products.replace(product, written, now, event))) continue;
			const known = new Set(product.variants.map(({ sku }) => sku));
			const added = state.variants.map(({ sku }) => sku).filter(sku => !known.has(sku));
			return this.#withLevels(id, added);
		}
		throw new DomainError("SERVICE_UNAVAILABLE", "The product is changing too fast, try again");
	}

	async remove(id: string, { ifMatch, requestId }: Request): Promise<void> {
		const { products, clock, onCommitted } = this.#deps;
		for (let tries = 0; tries < MAX_TRIES; tries++) {
			const { version, variants } = await mustFind(products.find({ _id: id }));
			checkVersion(version, ifMatch);
			const now = clock.now();
			const data = { productId: id, skus: variants.map(({ sku }) => sku) };
			const event = newEvent("product.deleted", data, about(version + 1, now, requestId));
			if (await products.remove(id, version, now, event)) return onCommitted(id);
		}
		throw new DomainError("SERVICE_UNAVAILABLE", "The product is changing too fast, try again");
	}

	/** Stock may have been received before its product came: then its level waits for it. */
	async #withLevels(id: string, skus: readonly string[]): Promise<LiveProduct> {
		const { products, levels, onCommitted } = this.#deps;
		if (skus.length > 0) await products.setLevels(await levels.of(skus));
		await onCommitted(id);
		return mustFind(products.find({ _id: id }));
	}

	async #derive(state: ProductState, assigned: readonly string[]) {
		const categories = assigned.length > 0 ? await this.#deps.categories.all() : [];
		mustExist(categories, assigned);
		return derive(state, slug => pathTo(categories, slug).map(category => category.slug));
	}
}

const changedFields = (before: ProductState, after: ProductState): string[] =>
	(Object.keys(after) as (keyof ProductState)[]).filter(field => canonical(before[field]) !== canonical(after[field]));

/** A new slug leaves the old one behind as an address that leads to it. */
function oldSlugsOf({ slug, oldSlugs = [] }: LiveProduct, next: string): Pick<LiveProduct, "oldSlugs"> {
	if (slug === next) return {};
	return { oldSlugs: [...oldSlugs, slug].filter(old => old !== next).slice(-MAX_OLD_SLUGS) };
}

const about = (sequence: number, now: Date, requestId: string | undefined) => ({
	sequence,
	now,
	...(requestId === undefined ? {} : { requestId }),
});

function checkVersion(version: number, ifMatch: number | undefined): void {
	if (ifMatch === undefined || ifMatch === version) return;
	throw new DomainError("VERSION_MISMATCH", `This is version ${version} by now: read it again, then decide`);
}

const isSlugConflict = (error: unknown): boolean =>
	errorType(error) === "CONFLICT" && asDomainError(error)?.data.errors?.[0]?.field === "slug";
