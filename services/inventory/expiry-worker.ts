import type { Clock } from "../../lib/clock.ts";
import { createLoop, type Loop } from "../../lib/loop.ts";
import type { StockRepository } from "./stock.repository.ts";

const EVERY_MS = 500;
const BATCH = 50;

/** Ends holds whose time is up, on every node: each end is one conditional update, so that only one of them does it. */
export class ExpiryWorker {
	readonly #stock: StockRepository;
	readonly #clock: Clock;
	readonly #loop: Loop;
	readonly #onExpired: (skus: string[]) => void;

	constructor(
		stock: StockRepository,
		clock: Clock,
		on: { expired(skus: string[]): void; error(error: unknown): void },
	) {
		this.#stock = stock;
		this.#clock = clock;
		this.#onExpired = on.expired;
		this.#loop = createLoop(EVERY_MS, () => this.#run(), on.error);
	}

	start(): void {
		this.#loop.start();
	}

	stop(): Promise<void> {
		return this.#loop.stop();
	}

	async #run(): Promise<void> {
		for (;;) {
			const now = this.#clock.now();
			const documents = await this.#stock.due(now, BATCH);
			const skus = await Promise.all(
				documents.map(async document => {
					const over = document.reservations.filter(hold => hold.expiresAt <= now);
					const ended = await Promise.all(over.map(hold => this.#stock.expire(document, hold, now)));
					await this.#stock.reschedule(document._id);
					return ended.includes(true) ? [document.sku] : [];
				}),
			);
			this.#onExpired(skus.flat());
			if (documents.length < BATCH) return;
		}
	}
}
