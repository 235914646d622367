import { createLoop } from "../../lib/loop.ts";
import type { StockLine } from "../inventory/inventory.contract.ts";
import { Catalogue } from "./catalogue.ts";
import { CategoriesRepository } from "./categories.repository.ts";
import { CategoryMover } from "./category-mover.ts";
import { DemoLoader } from "./demo/demo-loader.ts";
import { ImportRepository } from "./import/import.repository.ts";
import { ImportWorker } from "./import/import-worker.ts";
import { RowWriter } from "./import/row-writer.ts";
import { Uploads } from "./import/uploads.ts";
import { LevelsRepository } from "./levels.repository.ts";
import { ProductsRepository } from "./products.repository.ts";
import type { ProductsParts, ProductsService } from "./products.types.ts";

const DEMO_RETRY_MS = 1_000;
const DEMO_WAIT_MS = 2_000;

/** Puts the service together: what each part needs of the database, the clock and the other services. */
export function wire(service: ProductsService): ProductsParts {
	const { models, broker, logger } = service;
	const { clock, cache } = broker.stoa;
	const error = (problem: unknown) => logger.warn("Will be tried again", problem);
	const isStale = () => cache.bump("products");
	const committed = (model: "products" | "importJobs") => async (id: string) => {
		service.outbox.hint(model, id);
		await isStale();
	};
	const receive = (reason: string) => async (items: (StockLine & { reference: string })[]) =>
		(await broker.call("inventory.receiveMany", { items, reason })).levels;

	const products = new ProductsRepository(models.products);
	const categories = new CategoriesRepository(models.categories);
	const levels = new LevelsRepository(models.levels);
	const imports = new ImportRepository(models.importJobs, models.importChunks);
	const catalogue = new Catalogue({ products, categories, levels, clock, onCommitted: committed("products") });
	const importWorker = new ImportWorker({
		imports,
		writer: new RowWriter(models.products),
		categories,
		nowMs: clock.nowMs,
		receive: receive("import"),
		knownLevels: skus => levels.of(skus),
		onBatch: committed("importJobs"),
		onError: error,
	});
	const demoLoader = new DemoLoader({
		products: models.products,
		trees: models.categories,
		categories,
		currency: broker.stoa.config.shopCurrency,
		now: clock.now,
		receive: receive("demo"),
		onLevels: async changes => {
			await levels.note(changes);
			await products.setLevels(changes);
			await isStale();
		},
	});
	const stockDemo = async () => {
		await service.waitForServices("inventory", DEMO_WAIT_MS);
		await demoLoader.loadStock();
		void demoStock.stop();
	};
	const demoStock = createLoop(DEMO_RETRY_MS, stockDemo, error);
	const categoryMover = new CategoryMover(categories, products, { moved: isStale, error });
	const uploads = new Uploads();
	return {
		products,
		categories,
		levels,
		catalogue,
		categoryMover,
		imports,
		importWorker,
		uploads,
		demoLoader,
		demoStock,
	};
}
