import type { Count } from "./counters.ts";

/**
 * Cached reads and shared counters. A value is kept under its aggregate's generation: a read takes the generation
 * *before* it loads, a write bumps it *after* its commit, so a value loaded before the write is never found after it.
 * Two engines: memory (one process, or nodes that tell each other) and Redis.
 */
export interface CacheStore {
	readonly engine: "memory" | "redis";
	start(): Promise<void>;
	stop(): Promise<void>;
	/** The present generation of an aggregate type such as `products`; undefined when the engine is away: do not cache. */
	generation(aggregate: string): Promise<string | undefined>;
	/** Makes every value of this aggregate stale on every node at once. Call it after the commit, before the answer. */
	bump(aggregate: string): Promise<void>;
	get<T>(key: string): Promise<T | undefined>;
	set<T>(key: string, value: T, ttlMs: number): Promise<void>;
	/** Counts one hit in a fixed window. While a shared engine is away each process counts what it sees itself. */
	hit(key: string, windowMs: number): Promise<Count>;
	/** What `hit` has counted so far, without counting. */
	look(key: string): Promise<Count>;
	isReady(): boolean;
}
