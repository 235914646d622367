import { randomUUID } from "node:crypto";
import { LRUCache } from "lru-cache";
import { type Count, Counters } from "./counters.ts";
import type { CacheStore } from "./port.ts";

const MAX_ENTRIES = 5_000;

/** Values of one process. Also what the Redis engine keeps its values in, so that they need not travel. */
export const createValues = (): LRUCache<string, object> =>
	new LRUCache<string, object>({ max: MAX_ENTRIES, ttl: 60_000 });

export class MemoryCache implements CacheStore {
	readonly engine = "memory";
	readonly #generations = new Map<string, string>();
	readonly #values = createValues();
	readonly #counters = new Counters();
	#tellPeers: (aggregate: string) => Promise<void> = () => Promise.resolve();

	async start(): Promise<void> {
		await Promise.resolve();
	}

	async stop(): Promise<void> {
		this.#values.clear();
		await Promise.resolve();
	}

	async generation(aggregate: string): Promise<string> {
		await Promise.resolve();
		return this.#generations.get(aggregate) ?? this.forget(aggregate);
	}

	async bump(aggregate: string): Promise<void> {
		this.forget(aggregate);
		await this.#tellPeers(aggregate);
	}

	/** Makes this process's values of an aggregate stale: another node wrote. */
	forget(aggregate: string): string {
		const generation = randomUUID();
		this.#generations.set(aggregate, generation);
		return generation;
	}

	/** In a cluster without Redis: how the other nodes are told of a write. */
	onBump(tellPeers: (aggregate: string) => Promise<void>): void {
		this.#tellPeers = tellPeers;
	}

	async get<T>(key: string): Promise<T | undefined> {
		await Promise.resolve();
		return this.#values.get(key) as T | undefined;
	}

	async set<T>(key: string, value: T, ttlMs: number): Promise<void> {
		this.#values.set(key, value as object, { ttl: ttlMs });
		await Promise.resolve();
	}

	async hit(key: string, windowMs: number): Promise<Count> {
		await Promise.resolve();
		return this.#counters.hit(key, windowMs);
	}

	async look(key: string): Promise<Count> {
		await Promise.resolve();
		return this.#counters.look(key);
	}

	isReady(): boolean {
		return true;
	}
}
