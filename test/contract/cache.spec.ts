import { Redis } from "ioredis";
import { newId } from "../../lib/ids.ts";
import { createLogger } from "../../lib/logger.ts";
import { MemoryCache } from "../../ports/cache/memory.ts";
import type { CacheStore } from "../../ports/cache/port.ts";
import { RedisCache } from "../../ports/cache/redis.ts";
import { findOrStartRedis } from "../support/servers.ts";
import { until } from "../support/until.ts";

const TTL_MS = 60_000;
const redis = await findOrStartRedis();
const engines = ["memory" as const, ...(redis ? ["redis" as const] : [])];
const open: CacheStore[] = [];

async function startStore(engine: CacheStore["engine"]): Promise<CacheStore> {
	const store = engine === "redis" ? new RedisCache(redis?.url ?? "", createLogger("silent")) : new MemoryCache();
	open.push(store);
	await store.start();
	return store;
}

/** As the cache middleware reads and writes: below the generation. */
const read = async (store: CacheStore, aggregate: string): Promise<unknown> => {
	const generation = await store.generation(aggregate);
	return generation && (await store.get(`${aggregate}:${generation}`));
};
const write = async (store: CacheStore, aggregate: string, value: object): Promise<void> => {
	const generation = await store.generation(aggregate);
	if (generation) await store.set(`${aggregate}:${generation}`, value, TTL_MS);
};

/** A name that no other test uses. */
const aName = () => newId("evt");

async function ask<T>(use: (client: Redis) => Promise<T>): Promise<T> {
	const client = new Redis(redis?.url ?? "");
	try {
		return await use(client);
	} finally {
		client.disconnect();
	}
}

const sockets = () => process.getActiveResourcesInfo().filter(name => name.startsWith("TCPSocket")).length;

afterEach(async () => {
	await Promise.all(open.splice(0).map(store => store.stop()));
});
afterAll(() => redis?.stop());

describe.each(engines)("The cache in %s", engine => {
	it("finds a value under the generation it was kept under, and under no other aggregate", async () => {
		const store = await startStore(engine);
		const [products, orders] = [aName(), aName()];
		await write(store, products, { title: "A lamp" });
		expect(await read(store, products)).toEqual({ title: "A lamp" });
		expect(await read(store, orders)).toBeUndefined();
	});

	it("forgets a value when its time is over", async () => {
		const store = await startStore(engine);
		const key = aName();
		await store.set(key, { title: "A lamp" }, 30);
		await until("the end of the value", async () => (await store.get(key)) === undefined);
	});

	it("When an aggregate is written, its values are not found any more, and those of others are", async () => {
		const store = await startStore(engine);
		const [products, orders] = [aName(), aName()];
		await write(store, products, { title: "A lamp" });
		await write(store, orders, { number: 1 });
		await store.bump(products);
		expect(await read(store, products)).toBeUndefined();
		expect(await read(store, orders)).toEqual({ number: 1 });
	});

	it("When a value was loaded before a write and is kept after it, it is not found", async () => {
		const store = await startStore(engine);
		const products = aName();
		const generation = await store.generation(products);
		await store.bump(products);
		await store.set(`${products}:${generation}`, { title: "An old lamp" }, TTL_MS);
		expect(await read(store, products)).toBeUndefined();
	});

	it("When many ask at once for the first time, they agree on one generation", async () => {
		const store = await startStore(engine);
		const products = aName();
		const answers = await Promise.all(Array.from({ length: 50 }, () => store.generation(products)));
		expect(new Set(answers).size).toBe(1);
		expect(answers[0]).toEqual(expect.any(String));
	});

	it("counts hits per key, loses none of many at once, and begins anew when the window is over", async () => {
		const store = await startStore(engine);
		const [one, two] = [aName(), aName()];
		const counts = await Promise.all(Array.from({ length: 100 }, () => store.hit(one, TTL_MS)));
		expect(counts.map(({ count }) => count).sort((a, b) => a - b)).toEqual(
			Array.from({ length: 100 }, (_, i) => i + 1),
		);
		for (const { resetMs } of counts) {
			expect(resetMs).toBeGreaterThan(0);
			expect(resetMs).toBeLessThanOrEqual(TTL_MS);
		}
		expect((await store.hit(two, 50)).count).toBe(1);
		await until("a new window", async () => (await store.hit(two, 50)).count === 1);
		expect((await store.look(one)).count).toBe(100);
		expect((await store.look(aName())).count).toBe(0);
		expect((await store.hit(one, TTL_MS)).count).toBe(101);
	});

	it("keeps a bounded number of values", async () => {
		const store = await startStore(engine);
		const keys = Array.from({ length: 6_000 }, () => aName());
		for (const key of keys) await store.set(key, { key }, TTL_MS);
		const found = await Promise.all(keys.map(key => store.get(key)));
		expect(found.filter(Boolean)).toHaveLength(5_000);
		expect(found.at(-1)).toEqual({ key: keys.at(-1) });
	});

	it("When it stops, it leaves no socket", async () => {
		const before = sockets();
		const store = await startStore(engine);
		await store.bump(aName());
		await store.stop();
		await until("closed sockets", () => sockets() <= before);
	});
});

(redis ? describe : describe.skip)("The cache over Redis", () => {
	it("When one node writes, another node finds none of the old values, at once", async () => {
		const [one, two] = [await startStore("redis"), await startStore("redis")];
		const products = aName();
		for (const title of ["A lamp", "A better lamp", "The best lamp"]) {
			await write(two, products, { title });
			expect(await read(two, products)).toEqual({ title });
			await one.bump(products);
			expect(await read(two, products)).toBeUndefined();
		}
	});

	it("When Redis forgets everything, no earlier generation comes back", async () => {
		const [one, two] = [await startStore("redis"), await startStore("redis")];
		const products = aName();
		const seen = new Set<unknown>();
		for (let i = 0; i < 5; i++) {
			await write(two, products, { title: `Lamp ${i}` });
			seen.add(await one.generation(products));
			await one.bump(products);
			seen.add(await one.generation(products));
			await ask(client => client.flushall());
			expect(seen).not.toContain(await two.generation(products));
			expect(await two.generation(products)).toBe(await one.generation(products));
			expect(await read(two, products)).toBeUndefined();
		}
	});

	it("leaves no counter without an end in Redis", async () => {
		const store = await startStore("redis");
		const key = aName();
		await store.hit(key, TTL_MS);
		const left = await ask(client => client.pttl(`stoa:hit:${key}`));
		expect(left).toBeGreaterThan(0);
		expect(left).toBeLessThanOrEqual(TTL_MS);
	});

	if (!redis?.isOwn) return;

	/** What a request asks of the cache, many times: none may throw, wait its turn for long, get a value, or be lost to the limiter. */
	async function expectNothing(store: CacheStore, aggregate: string): Promise<void> {
		for (let i = 0; i < 300; i++) {
			expect(await store.generation(aggregate)).toBeUndefined();
			// Counted by this process alone: a limit of its own is better than none.
			expect((await store.hit(aggregate, TTL_MS)).count).toBe(i + 1);
		}
	}

	it("When Redis is frozen, requests go on without it; what was written meanwhile is never found old", async () => {
		const [one, two] = [await startStore("redis"), await startStore("redis")];
		const products = aName();
		await write(two, products, { title: "A lamp" });
		const before = await two.generation(products);
		await redis.kill("SIGSTOP");
		try {
			await expectNothing(two, products);
			await one.bump(products);
			expect(await one.generation(products)).toBeUndefined();
		} finally {
			await redis.kill("SIGCONT");
		}
		const after = await until("a generation on the writing node", () => one.generation(products));
		expect(after).not.toBe(before);
		await until("the same on the other node", async () => (await two.generation(products)) === after);
		expect(await read(two, products)).toBeUndefined();
	});

	it("When Redis is killed, requests go on without it, and it is used again when it is back", async () => {
		const [one, two] = [await startStore("redis"), await startStore("redis")];
		const products = aName();
		await write(two, products, { title: "A lamp" });
		const before = await two.generation(products);
		await redis.kill("SIGKILL");
		await until("a cache that is not ready", () => !two.isReady());
		await expectNothing(two, products);
		await Promise.all([one.bump(products), one.bump(products)]);
		const late = await startStore("redis");
		expect(late.isReady()).toBe(false);
		await redis.start();
		for (const store of [one, two, late]) {
			const after = await until("a generation", () => store.generation(products));
			expect(after).not.toBe(before);
			expect(await read(store, products)).toBeUndefined();
			expect(store.isReady()).toBe(true);
		}
		await until("counted hits", async () => (await late.hit(products, TTL_MS)).count > 0);
	});
});
