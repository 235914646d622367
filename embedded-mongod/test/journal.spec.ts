import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { encode } from "../src/bson-write.ts";
import { Engine } from "../src/engine.ts";
import { type Disk, realDisk } from "../src/journal/disk.ts";
import type { Entry } from "../src/journal/entries.ts";
import { Journal } from "../src/journal/journal.ts";
import { parseParams } from "../src/params.ts";
import { sweep } from "../src/ttl.ts";
import type { Doc } from "../src/values.ts";
import { temporaryFolder } from "./support/servers.ts";

const put = (id: number, text = ""): Entry => ({ o: "put", d: "d", c: "c", doc: encode({ _id: id, text }) });

describe("The journal", () => {
	let folder: Awaited<ReturnType<typeof temporaryFolder>>;
	let failures: Error[];
	const open = (options: { disk?: Disk; checkpointBytes?: number; state?: () => Iterable<Entry> } = {}) => {
		const read: Entry[] = [];
		const journal = new Journal({
			dir: folder.path,
			checkpointBytes: options.checkpointBytes ?? 1e9,
			checkpointDelayMs: 0,
			...(options.disk ? { disk: options.disk } : {}),
			snapshot: options.state ?? (() => []),
			onFatal: error => failures.push(error),
		});
		const found = journal.open(entry => read.push(entry));
		return { journal, read, found };
	};
	beforeEach(async () => {
		folder = await temporaryFolder();
		failures = [];
	});
	afterEach(() => folder.remove());

	it("When the disk takes seven bytes at a time, everything is written all the same", async () => {
		const disk: Disk = {
			...realDisk,
			write: (fd, data, at, length) => realDisk.write(fd, data, at, Math.min(length, 7)),
		};
		const { journal } = open({ disk });
		for (let i = 0; i < 20; i++) journal.write(put(i, "text"));
		await journal.durable();
		await journal.close();
		expect(open().read).toHaveLength(20);
	});

	it("All that wait at the same time share one fsync", async () => {
		let syncs = 0;
		const disk: Disk = {
			...realDisk,
			sync: fd => {
				syncs++;
				return realDisk.sync(fd);
			},
		};
		const { journal } = open({ disk });
		await Promise.all(
			Array.from({ length: 100 }, (_, i) => {
				journal.write(put(i));
				return journal.durable();
			}),
		);
		expect(syncs).toBeLessThanOrEqual(3);
		await journal.close();
	});

	it("Nothing waits when there is nothing to write", async () => {
		const { journal } = open();
		expect(journal.durable()).toBeUndefined();
		await journal.close();
	});

	it.each(["ENOSPC", "EIO"])("When the disk fails with %s, who waits hears of it, and no more is taken", async code => {
		let isBroken = false;
		const fail = () => Promise.reject(Object.assign(new Error(code), { code }));
		const disk: Disk = { ...realDisk, sync: fd => (isBroken ? fail() : realDisk.sync(fd)) };
		const { journal } = open({ disk });
		journal.write(put(1));
		await journal.durable();
		isBroken = true;
		journal.write(put(2));
		await expect(journal.durable()).rejects.toThrow("the journal cannot be written");
		await expect(journal.durable()).rejects.toThrow("the journal cannot be written");
		expect(() => journal.write(put(3))).toThrow("the journal cannot be written");
		expect(failures).toHaveLength(1);
		await journal.close();
		expect(open().read.length).toBeGreaterThanOrEqual(1);
	});

	it("A checkpoint holds the state of its moment, and what is written meanwhile is read after it", async () => {
		const state = [put(1, "checkpoint"), put(2, "checkpoint")];
		const { journal } = open({ state: () => [...state] });
		journal.write(put(1));
		const done = journal.checkpoint();
		journal.write(put(2));
		await journal.durable();
		await done;
		journal.write(put(3));
		await journal.durable();
		await journal.close();
		const { read, found } = open();
		expect([found.log, found.checkpointBytes > 0]).toEqual([2, true]);
		expect(read.filter(e => e.o === "put")).toHaveLength(3);
		expect(readdirSync(folder.path).sort()).toEqual(["checkpoint-0000000002", "log-0000000002", "synced"]);
	});

	it("The log is cut whenever it outgrows twice its checkpoint", async () => {
		const { journal } = open({ checkpointBytes: 10_000, state: () => [put(1, "x".repeat(20_000))] });
		for (let i = 0; i < 500; i++) {
			journal.write(put(1, "x".repeat(1000)));
			await journal.durable();
		}
		const size = readdirSync(folder.path).reduce((n, name) => n + statSync(join(folder.path, name)).size, 0);
		expect(journal.checkpoints).toBeGreaterThan(5);
		expect(size).toBeLessThan(150_000);
		await journal.close();
	});
});

describe("The engine over its files", () => {
	it("comes back with collections, indexes, renames and drops as they were", async () => {
		const folder = await temporaryFolder();
		const start = () => {
			const engine = new Engine({ dataDir: folder.path, params: parseParams({}), onFatal: () => undefined });
			engine.open();
			return engine;
		};
		const first = start();
		const a = first.ensure("d", "a");
		first.createIndex(a, { key: { x: 1 }, name: "x", unique: true });
		first.createIndex(a, { key: { y: 1 }, name: "y" });
		first.dropIndex(a, "y");
		for (let i = 0; i < 5; i++) first.insert(a, { _id: i, x: i });
		first.remove(a, a.docs.get("n3") as never);
		await first.checkpoint();
		first.insert(a, { _id: "later", x: 99 });
		first.ensure("d", "gone");
		first.drop("d", "gone");
		first.rename("d", "a", "b");
		await first.close();

		const second = start();
		const b = second.need("d", "b");
		expect([...(second.dbs.get("d")?.keys() ?? [])]).toEqual(["b"]);
		expect([...b.docs.values()].map(s => b.doc(s)["_id"])).toEqual([0, 1, 2, 4, "later"]);
		expect(b.secondary.map(i => i.name)).toEqual(["x"]);
		expect(b.validate().errors).toEqual([]);
		expect(() => second.insert(b, { _id: 9, x: 99 })).toThrow("E11000");
		await second.close();
		await folder.remove();
	});

	it("removes what its TTL index says has expired, and nothing else", () => {
		const engine = new Engine({ params: parseParams({}), onFatal: () => undefined });
		const c = engine.ensure("d", "c");
		engine.createIndex(c, { key: { at: 1 }, name: "at", expireAfterSeconds: 60 });
		const now = new Date("2026-01-01T00:10:00Z");
		const docs: Doc[] = [
			{ _id: 1, at: new Date("2026-01-01T00:08:59Z") },
			{ _id: 2, at: new Date("2026-01-01T00:09:30Z") },
			{ _id: 3, at: "2020-01-01" },
			{ _id: 4 },
			{ _id: 5, at: [new Date("2030-01-01"), new Date("2020-01-01")] },
			{ _id: 6, at: null },
		];
		for (const doc of docs) engine.insert(c, doc);
		expect(sweep(engine, now)).toBe(2);
		expect([...c.docs.values()].map(s => c.doc(s)["_id"])).toEqual([2, 3, 4, 6]);
	});
});
