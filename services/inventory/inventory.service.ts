import { defineService } from "../../lib/typed.ts";
import { commands } from "../../mixins/commands.mixin.ts";
import { db } from "../../mixins/db.mixin.ts";
import { outbox } from "../../mixins/outbox.mixin.ts";
import { holdActions } from "./actions/holds.ts";
import { staffActions } from "./actions/staff.ts";
import { ExpiryWorker } from "./expiry-worker.ts";
import { Holds } from "./holds.ts";
import { announcementModel, ledgerModel, levelModel, stockModel } from "./inventory.model.ts";
import type { InventoryVars } from "./inventory.types.ts";
import { JournalWorker } from "./journal-worker.ts";
import { LedgerRepository } from "./ledger.repository.ts";
import { LevelRepository } from "./level.repository.ts";
import { StockRepository } from "./stock.repository.ts";

/** Stock per SKU and location: what can be bought, what is held, what was sold, and the ledger of it all. */
export default defineService<Record<string, unknown>, object, InventoryVars>()({
	name: "inventory",
	mixins: [
		db({ stock: stockModel, ledger: ledgerModel, levels: levelModel, announcements: announcementModel }),
		outbox(["announcements"]),
		commands(),
	],
	actions: { ...staffActions, ...holdActions },

	created() {
		const { config, database } = this.broker.stoa;
		const onError = (error: unknown) => this.logger.warn("Will be tried again", error);
		const clock = database.clockOf(this.name);
		const stock = new StockRepository(this.models.stock);
		const ledger = new LedgerRepository(this.models.ledger);
		const levels = new LevelRepository(this.models.levels, this.models.announcements);
		const onAnnounced = (id: string) => this.outbox.hint("announcements", id);
		const journalWorker = new JournalWorker({ stock, ledger, levels, clock, onAnnounced, onError });
		const onChanged = (skus: readonly string[]) => journalWorker.hint(skus);
		const { reservationTtlMs } = config;
		const holds = new Holds({ stock, ledger, clock, reservationTtlMs, onChanged });
		const expiryWorker = new ExpiryWorker(stock, clock, { expired: onChanged, error: onError });
		Object.assign(this, { stock, ledger, holds, journalWorker, expiryWorker });
	},

	started() {
		this.journalWorker.start();
		this.expiryWorker.start();
	},

	async stopped() {
		await this.expiryWorker.stop();
		await this.journalWorker.stop();
	},
});
