import { createLoop } from "../../lib/loop.ts";
import { defineService } from "../../lib/typed.ts";
import { commands } from "../../mixins/commands.mixin.ts";
import { consumer } from "../../mixins/consumer.mixin.ts";
import { db } from "../../mixins/db.mixin.ts";
import { outbox } from "../../mixins/outbox.mixin.ts";
import type { StockLine } from "../inventory/inventory.contract.ts";
import { categoryActions } from "./actions/categories.ts";
import { importActions } from "./actions/imports.ts";
import { productActions } from "./actions/products.ts";
import { shopActions } from "./actions/shop.ts";
import { Catalogue } from "./catalogue.ts";
import { CategoriesRepository } from "./categories.repository.ts";
import { CategoryMover } from "./category-mover.ts";
import { DemoLoader } from "./demo/demo-loader.ts";
import { importChunkModel, importJobModel } from "./import/import.model.ts";
import { ImportRepository } from "./import/import.repository.ts";
import { ImportWorker } from "./import/import-worker.ts";
import { RowWriter } from "./import/row-writer.ts";
import { LevelsRepository } from "./levels.repository.ts";
import { categoriesModel, levelModel, productModel } from "./products.model.ts";
import { ProductsRepository } from "./products.repository.ts";
import { IMPORT_QUEUE, type ProductsVars } from "./products.types.ts";

const DEMO_RETRY_MS = 1_000;
const DEMO_WAIT_MS = 2_000;

/** The catalogue: products with their variants and prices, the tree of categories, imports. */
export default defineService<Record<string, unknown>, object, ProductsVars>()({
	name: "products",
	mixins: [
		db({
			products: productModel,
			levels: levelModel,
			categories: categoriesModel,
			importJobs: importJobModel,
			importChunks: importChunkModel,
		}),
		outbox(["products", "importJobs"]),
		commands(),
		consumer<ProductsVars>({
			async "inventory.level_changed"({ data: { changes } }) {
				await this.levels.note(changes);
				if (await this.products.setLevels(changes)) await this.broker.stoa.cache.bump("products");
			},
		}),
	],
	actions: { ...shopActions, ...productActions, ...categoryActions, ...importActions },

	created() {
		const { clock, cache, jobs } = this.broker.stoa;
		const error = (problem: unknown) => this.logger.warn("Will be tried again", problem);
		this.products = new ProductsRepository(this.models.products);
		this.categories = new CategoriesRepository(this.models.categories);
		this.levels = new LevelsRepository(this.models.levels);
		const onCommitted = async (id: string) => {
			this.outbox.hint("products", id);
			await cache.bump("products");
		};
		const { products, categories, levels } = this;
		this.catalogue = new Catalogue({ products, categories, levels, clock, onCommitted });
		this.categoryMover = new CategoryMover(categories, products, { moved: () => cache.bump("products"), error });
		const receive = async (items: (StockLine & { reference: string })[], reason: string) =>
			(await this.broker.call("inventory.receiveMany", { items, reason })).levels;
		this.imports = new ImportRepository(this.models.importJobs, this.models.importChunks);
		this.importWorker = new ImportWorker({
			imports: this.imports,
			writer: new RowWriter(this.models.products),
			categories,
			nowMs: clock.nowMs,
			receive: items => receive(items, "import"),
			knownLevels: skus => levels.of(skus),
			onBatch: async jobId => {
				this.outbox.hint("importJobs", jobId);
				await cache.bump("products");
			},
			onError: error,
		});
		this.demoLoader = new DemoLoader({
			products: this.models.products,
			trees: this.models.categories,
			categories,
			now: clock.now,
			receive: items => receive(items, "demo"),
			onLevels: async changes => {
				await levels.note(changes);
				await products.setLevels(changes);
				await cache.bump("products");
			},
		});
		this.demoStock = createLoop(
			DEMO_RETRY_MS,
			async () => {
				await this.waitForServices("inventory", DEMO_WAIT_MS);
				await this.demoLoader.loadStock();
				void this.demoStock.stop();
			},
			error,
		);
		jobs.process(IMPORT_QUEUE, 1, jobId => this.importWorker.run(jobId));
	},

	async started() {
		this.categoryMover.start();
		this.importWorker.start();
		if (this.broker.stoa.config.demoData && (await this.demoLoader.loadProducts())) this.demoStock.start();
	},

	async stopped() {
		await this.demoStock.stop();
		await this.categoryMover.stop();
		await this.importWorker.stop();
	},
});
