import type { Clock } from "../../lib/clock.ts";
import { createLoop, type Loop } from "../../lib/loop.ts";
import type { LedgerRepository } from "./ledger.repository.ts";
import type { LevelRepository } from "./level.repository.ts";
import type { StockRepository } from "./stock.repository.ts";

/** Many changes make one round: what a busy shop does within it is written together. */
const GATHER_MS = 100;
const SWEEP_MS = 2_000;
const BATCH = 200;

interface Deps {
	stock: StockRepository;
	ledger: LedgerRepository;
	levels: LevelRepository;
	clock: Clock;
	/** Told after a level crossing was noted for other services. */
	onAnnounced(id: string): void;
	onError(error: unknown): void;
}

/**
 * Writes to the ledger what stock documents owe, and notes the levels their changes led to. Any node may do it, twice
 * too: ledger ids are those of the changes, levels go by versions, and only then does a journal lose its entries.
 */
export class JournalWorker {
	readonly #deps: Deps;
	readonly #loop: Loop;
	readonly #skus = new Set<string>();
	#sweptAt = 0;

	constructor(deps: Deps) {
		this.#deps = deps;
		this.#loop = createLoop(SWEEP_MS, () => this.#run(), deps.onError);
	}

	start(): void {
		this.#loop.start();
	}

	/** Writes what is known to be owed, then stops; what is left is any other node's, or the next start's. */
	async stop(): Promise<void> {
		await this.#loop.stop();
		await this.#hinted();
	}

	/** After a commit: these SKUs' journals wait. */
	hint(skus: Iterable<string>): void {
		for (const sku of skus) this.#skus.add(sku);
		this.#loop.kick(GATHER_MS);
	}

	async #run(): Promise<void> {
		await this.#hinted();
		if (Date.now() - this.#sweptAt < SWEEP_MS) return;
		this.#sweptAt = Date.now();
		const since = new Date(this.#deps.clock.now().getTime() - SWEEP_MS);
		while ((await this.#write({ since })) === BATCH);
	}

	async #hinted(): Promise<void> {
		while (this.#skus.size > 0) {
			const skus = [...this.#skus].slice(0, BATCH);
			for (const sku of skus) this.#skus.delete(sku);
			await this.#write({ skus });
		}
	}

	/** @returns how many documents it cleared */
	async #write(which: { skus: string[] } | { since: Date }): Promise<number> {
		const { stock, ledger, levels, clock, onAnnounced } = this.#deps;
		const owing = await stock.dirty(which, BATCH);
		if (owing.length === 0) return 0;
		const skus = [...new Set(owing.map(({ sku }) => sku))];
		const now = clock.now();
		await Promise.all([ledger.append(owing), stock.sums(skus).then(sums => levels.note(sums))]);
		const announcement = await levels.announce(skus, now);
		if (announcement !== undefined) onAnnounced(announcement);
		await stock.clean(
			owing.map(({ _id, journal }) => ({ id: _id, entries: journal.map(({ id }) => id) })),
			now,
		);
		return owing.length;
	}
}
