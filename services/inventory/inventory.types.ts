import type { ActionName, AppService, ParamsOf, ResultOf, TypedAction } from "../../lib/typed.ts";
import type { DbVars } from "../../mixins/db.mixin.ts";
import type { OutboxVars } from "../../mixins/outbox.mixin.ts";
import type { ExpiryWorker } from "./expiry-worker.ts";
import type { Holds } from "./holds.ts";
import type { announcementModel, ledgerModel, levelModel, stockModel } from "./inventory.model.ts";
import type { JournalWorker } from "./journal-worker.ts";
import type { LedgerRepository } from "./ledger.repository.ts";
import type { StockRepository } from "./stock.repository.ts";

export interface InventoryVars
	extends OutboxVars,
		DbVars<{
			stock: typeof stockModel;
			ledger: typeof ledgerModel;
			levels: typeof levelModel;
			announcements: typeof announcementModel;
		}> {
	stock: StockRepository;
	ledger: LedgerRepository;
	holds: Holds;
	journalWorker: JournalWorker;
	expiryWorker: ExpiryWorker;
}

export type InventoryService = AppService<Record<string, unknown>, object, InventoryVars>;

/** A group of this service's actions, for a file of its own. */
export type InventoryActionGroup<A extends string> = {
	[K in A]: TypedAction<
		ParamsOf<`inventory.${K}` & ActionName>,
		ResultOf<`inventory.${K}` & ActionName>,
		InventoryService
	>;
};
