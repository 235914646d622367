import { createLoop, type Loop } from "../../lib/loop.ts";
import type { CategoriesRepository } from "./categories.repository.ts";
import { pathTo } from "./domain/categories.ts";
import type { ProductsRepository } from "./products.repository.ts";

const SWEEP_MS = 5_000;

/** Puts products under the new path of a category that moved. What a crash leaves undone, the next sweep does. */
export class CategoryMover {
	readonly #categories: CategoriesRepository;
	readonly #products: ProductsRepository;
	readonly #onMoved: () => Promise<void>;
	readonly #loop: Loop;

	constructor(
		categories: CategoriesRepository,
		products: ProductsRepository,
		on: { moved(): Promise<void>; error(error: unknown): void },
	) {
		this.#categories = categories;
		this.#products = products;
		this.#onMoved = on.moved;
		this.#loop = createLoop(SWEEP_MS, () => this.run(), on.error);
	}

	start(): void {
		this.#loop.start();
	}

	stop(): Promise<void> {
		return this.#loop.stop();
	}

	/** Safe at any time, on several nodes at once: a path follows from the tree alone. */
	async run(): Promise<void> {
		const { slugs, categories, version } = await this.#categories.moved();
		if (slugs.length === 0) return;
		const pathOf = (assigned: readonly string[]) => [
			...new Set(assigned.flatMap(slug => pathTo(categories, slug).map(category => category.slug))),
		];
		for (const slug of slugs) await this.#products.repath(slug, pathOf, version);
		await this.#categories.settle(slugs, version);
		await this.#onMoved();
	}
}
