import { LRUCache } from "lru-cache";

const MAX_COUNTERS = 100_000;

export interface Count {
	count: number;
	resetMs: number;
}

/** Counters of fixed windows in one process: the memory engine's, and what Redis is replaced by while it is away. */
export class Counters {
	readonly #counters = new LRUCache<string, { count: number; endsAt: number }>({ max: MAX_COUNTERS });

	hit(key: string, windowMs: number): Count {
		const now = Date.now();
		const known = this.#counters.get(key);
		const counter = known && known.endsAt > now ? known : { count: 0, endsAt: now + windowMs };
		counter.count++;
		this.#counters.set(key, counter);
		return { count: counter.count, resetMs: counter.endsAt - now };
	}

	look(key: string): Count {
		const now = Date.now();
		const known = this.#counters.get(key);
		return known && known.endsAt > now ? { count: known.count, resetMs: known.endsAt - now } : { count: 0, resetMs: 0 };
	}
}
