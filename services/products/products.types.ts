import type { Loop } from "../../lib/loop.ts";
import type { ActionName, AppContext, AppService, ParamsOf, ResultOf, TypedAction } from "../../lib/typed.ts";
import type { DbVars } from "../../mixins/db.mixin.ts";
import type { OutboxVars } from "../../mixins/outbox.mixin.ts";
import type { Catalogue, Request } from "./catalogue.ts";
import type { CategoriesRepository } from "./categories.repository.ts";
import type { CategoryMover } from "./category-mover.ts";
import type { DemoLoader } from "./demo/demo-loader.ts";
import type { importChunkModel, importJobModel } from "./import/import.model.ts";
import type { ImportRepository } from "./import/import.repository.ts";
import type { ImportWorker } from "./import/import-worker.ts";
import type { Uploads } from "./import/uploads.ts";
import type { LevelsRepository } from "./levels.repository.ts";
import type { categoriesModel, levelModel, productModel } from "./products.model.ts";
import type { ProductsRepository } from "./products.repository.ts";

/** What the service is made of; `wiring.ts` puts it together. */
export interface ProductsParts {
	products: ProductsRepository;
	categories: CategoriesRepository;
	levels: LevelsRepository;
	catalogue: Catalogue;
	categoryMover: CategoryMover;
	imports: ImportRepository;
	importWorker: ImportWorker;
	uploads: Uploads;
	demoLoader: DemoLoader;
	/** Receives the demo's stock as soon as inventory is there. */
	demoStock: Loop;
}

export interface ProductsVars
	extends ProductsParts,
		OutboxVars,
		DbVars<{
			products: typeof productModel;
			levels: typeof levelModel;
			categories: typeof categoriesModel;
			importJobs: typeof importJobModel;
			importChunks: typeof importChunkModel;
		}> {}

/** Wakes a worker for an import that was stored. */
export const IMPORT_QUEUE = "products.import";

export type ProductsService = AppService<Record<string, unknown>, object, ProductsVars>;

/** A group of this service's actions, for a file of its own. */
export type ProductsActionGroup<A extends string> = {
	[K in A]: TypedAction<
		ParamsOf<`products.${K}` & ActionName>,
		ResultOf<`products.${K}` & ActionName>,
		ProductsService
	>;
};

/** What a change needs to know of the call that asked for it. */
export const requestOf = ({ meta, requestID }: Pick<AppContext, "meta" | "requestID">): Request => ({
	...(meta.ifMatch === undefined ? {} : { ifMatch: meta.ifMatch }),
	...(requestID ? { requestId: requestID } : {}),
});
