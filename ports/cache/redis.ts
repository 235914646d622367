import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import type { Logger } from "pino";
import { type Count, Counters } from "./counters.ts";
import { createValues } from "./memory.ts";
import type { CacheStore } from "./port.ts";

const COMMAND_TIMEOUT_MS = 200;
const RETRY_BUMP_MS = 250;
/** After a command that was not answered, reads do not even ask for so long: a frozen Redis must not slow every request. */
const AWAY_MS = 500;
/** INCR with an expiry in one step: a counter without one would never end. */
const HIT = `local n = redis.call('INCR', KEYS[1]) local t = redis.call('PTTL', KEYS[1])
if t < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) t = tonumber(ARGV[1]) end return {n, t}`;

type CountingRedis = Redis & { stoaHit(key: string, windowMs: number): Promise<[number, number]> };

/**
 * Generations and counters in Redis, values in this process: what is shared is only which values are still good, so a
 * hit costs one small GET and no transfer of the value. Each generation is a random name, so a flushed Redis never
 * comes back to an earlier one. While Redis is away nothing is cached, and each process counts by itself.
 */
export class RedisCache implements CacheStore {
	readonly engine = "redis";
	readonly #redis: CountingRedis;
	readonly #log: Logger;
	readonly #values = createValues();
	/** For as long as Redis does not answer: a limit of each process is better than none. */
	readonly #counters = new Counters();
	/** Bumps that Redis did not take yet: until it has, this process caches nothing of these aggregates. */
	readonly #pending = new Set<string>();
	#retry: NodeJS.Timeout | undefined;
	#awayUntil = 0;
	#lastError = "";
	#isStopped = false;

	constructor(url: string, log: Logger) {
		this.#log = log;
		this.#redis = new Redis(url, {
			lazyConnect: true,
			commandTimeout: COMMAND_TIMEOUT_MS,
			connectTimeout: 2_000,
			maxRetriesPerRequest: 1,
			enableOfflineQueue: false,
			enableAutoPipelining: true,
			retryStrategy: attempt => Math.min(attempt * 100, 1_000),
		}) as CountingRedis;
		this.#redis.defineCommand("stoaHit", { numberOfKeys: 1, lua: HIT });
		this.#redis.on("error", error => {
			this.#lastError = error.message;
			this.#log.debug({ err: error }, "Redis");
		});
		// What was missed while the line was down is unknown: start from nothing.
		this.#redis.on("ready", () => this.#values.clear());
	}

	/** A Redis that is down is no reason not to start: it is connected to when it is back. */
	async start(): Promise<void> {
		await this.#redis.connect().catch(error => {
			const why = this.#lastError || (error instanceof Error ? error.message : String(error));
			this.#log.warn(
				`Redis does not answer (${why}): nothing is cached until it is back; start it, or correct REDIS_URL`,
			);
		});
	}

	async stop(): Promise<void> {
		this.#isStopped = true;
		clearTimeout(this.#retry);
		this.#redis.disconnect();
		await Promise.resolve();
	}

	async generation(aggregate: string): Promise<string | undefined> {
		if (this.#pending.has(aggregate)) return undefined;
		const key = keyOf(aggregate);
		return this.#ask(async () => {
			const known = await this.#redis.get(key);
			if (known) return known;
			await this.#redis.set(key, randomUUID(), "NX");
			return (await this.#redis.get(key)) ?? undefined;
		});
	}

	async bump(aggregate: string): Promise<void> {
		this.#pending.add(aggregate);
		if (await this.#quietly(() => this.#redis.set(keyOf(aggregate), randomUUID()))) {
			this.#pending.delete(aggregate);
			return;
		}
		// Another bump that succeeded meanwhile may have been before this one's commit.
		this.#pending.add(aggregate);
		this.#retryLater();
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
		const answer = await this.#ask(() => this.#redis.stoaHit(counterOf(key), windowMs));
		return answer ? { count: answer[0], resetMs: answer[1] } : this.#counters.hit(key, windowMs);
	}

	async look(key: string): Promise<Count> {
		const answer = await this.#ask(() =>
			Promise.all([this.#redis.get(counterOf(key)), this.#redis.pttl(counterOf(key))]),
		);
		if (!answer) return this.#counters.look(key);
		return { count: Number(answer[0] ?? 0), resetMs: Math.max(0, answer[1]) };
	}

	isReady(): boolean {
		return this.#redis.status === "ready";
	}

	async #ask<T>(command: () => Promise<T>): Promise<T | undefined> {
		return Date.now() < this.#awayUntil ? undefined : this.#quietly(command);
	}

	/** A Redis that fails or hangs must cost a cache hit, never a request. */
	async #quietly<T>(command: () => Promise<T>): Promise<T | undefined> {
		if (this.#redis.status !== "ready") return undefined;
		try {
			return await command();
		} catch (error) {
			this.#log.debug({ err: error }, "Redis did not answer");
			this.#awayUntil = Date.now() + AWAY_MS;
			return undefined;
		}
	}

	#retryLater(): void {
		if (this.#isStopped) return;
		this.#retry ??= setTimeout(() => {
			this.#retry = undefined;
			for (const aggregate of [...this.#pending]) void this.bump(aggregate);
		}, RETRY_BUMP_MS).unref();
	}
}

const counterOf = (key: string): string => `stoa:hit:${key}`;
const keyOf = (aggregate: string): string => `stoa:generation:${aggregate}`;
