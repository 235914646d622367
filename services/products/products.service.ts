import type { HintContracts } from "../../lib/hints.ts";
import { defineService } from "../../lib/typed.ts";
import { commands } from "../../mixins/commands.mixin.ts";
import { consumer } from "../../mixins/consumer.mixin.ts";
import { db } from "../../mixins/db.mixin.ts";
import { outbox } from "../../mixins/outbox.mixin.ts";
import { parking } from "../../mixins/parking.mixin.ts";
import { categoryActions } from "./actions/categories.ts";
import { importActions } from "./actions/imports.ts";
import { productActions } from "./actions/products.ts";
import { shopActions } from "./actions/shop.ts";
import { adoptProducts } from "./adopt.ts";
import { importChunkModel, importJobModel } from "./import/import.model.ts";
import { categoriesModel, levelModel, productModel } from "./products.model.ts";
import { IMPORT_QUEUE, type ProductsVars } from "./products.types.ts";
import { wire } from "./wiring.ts";

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
		parking<ProductsVars>({
			import: {
				list(limit) {
					return this.imports.parked(limit);
				},
				count() {
					return this.imports.countParked();
				},
				resume(id) {
					return this.imports.resume(id);
				},
			},
		}),
		consumer<ProductsVars>({
			async "inventory.level_changed"({ data: { changes } }) {
				await this.levels.note(changes);
				if (await this.products.setLevels(changes)) await this.broker.stoa.cache.bump("products");
			},
		}),
	],
	events: {
		"upload.abandoned": {
			handler(ctx) {
				this.uploads.abandon((ctx.params as HintContracts["upload.abandoned"]).uploadId);
			},
		},
	},
	actions: { ...shopActions, ...productActions, ...categoryActions, ...importActions },

	created() {
		Object.assign(this, wire(this));
		this.broker.stoa.jobs.process(IMPORT_QUEUE, 1, jobId => this.importWorker.run(jobId));
	},

	async started() {
		if (await adoptProducts(this.models.products)) await this.broker.stoa.cache.bump("products");
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
