import {
	copyFileSync,
	cpSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	truncateSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Engine } from "../src/engine.ts";
import { startEmbeddedMongod } from "../src/index.ts";
import { encodeSynced, syncedFile } from "../src/journal/synced.ts";
import { parseParams } from "../src/params.ts";
import { connect, DURABLE, type Numbered, startProcess, startRefused, temporaryFolder } from "./support/servers.ts";

const FRAME_MAGIC = Buffer.from([0xf5, 0x53, 0x74, 0xa7]);

/** Where the entries of a file begin. */
function frames(file: string): number[] {
	const bytes = readFileSync(file);
	const out: number[] = [];
	for (let at = bytes.indexOf(FRAME_MAGIC); at >= 0; at = bytes.indexOf(FRAME_MAGIC, at + 1)) out.push(at);
	return out;
}
function flip(file: string, at: number): void {
	const bytes = readFileSync(file);
	bytes[at] = (bytes[at] ?? 0) ^ 0x10;
	writeFileSync(file, bytes);
}
const fileOf = (folder: string, kind: "log" | "checkpoint") =>
	join(
		folder,
		readdirSync(folder)
			.filter(name => name.startsWith(`${kind}-`))
			.sort()
			.at(-1) ?? "",
	);

/** As a crash leaves it: so many bytes of log 2 were known to be on the disk. */
const crashAfter = (folder: string, length: number) =>
	writeFileSync(syncedFile(folder), encodeSynced({ log: 2, length, isClosed: false }));

async function idsIn(folder: string): Promise<number[]> {
	const server = await startEmbeddedMongod({ dataDir: folder });
	const client = await connect(server.uri);
	const found = await client.db("d").collection<Numbered>("c").find().sort({ _id: 1 }).toArray();
	expect(
		(
			await client
				.db("d")
				.command({ validate: "c" })
				.catch(() => ({ valid: true }))
		)["valid"],
	).toBe(true);
	await client.close();
	await server.close();
	return found.map(d => d._id);
}
const refusal = (folder: string): Promise<Error> =>
	startEmbeddedMongod({ dataDir: folder }).then(
		async server => {
			await server.close();
			throw new Error("it started");
		},
		(error: Error) => error,
	);

describe("Files that are not as they were written", () => {
	let folder: Awaited<ReturnType<typeof temporaryFolder>>;
	let original: string;
	let copies = 0;
	const copy = () => {
		const to = join(folder.path, `copy-${copies++}`);
		cpSync(original, to, { recursive: true });
		return to;
	};

	// A checkpoint with documents 0–49, and a log with 50–59.
	beforeAll(async () => {
		folder = await temporaryFolder();
		original = join(folder.path, "original");
		mkdirSync(original);
		const server = await startEmbeddedMongod({ dataDir: original });
		const client = await connect(server.uri);
		const c = client.db("d").collection<Numbered>("c", DURABLE);
		await c.createIndex({ a: 1 });
		await c.insertMany(Array.from({ length: 50 }, (_, i) => ({ _id: i, a: i % 5, text: "t".repeat(40) })));
		await client.db("admin").command({ fsync: 1 });
		for (let i = 50; i < 60; i++) await c.insertOne({ _id: i, a: i % 5, text: "t".repeat(40) });
		await client.close();
		await server.close();
	});
	afterAll(() => folder.remove());

	it("untouched, everything is there", async () => {
		expect(await idsIn(copy())).toEqual(Array.from({ length: 60 }, (_, i) => i));
	});

	it.each([
		"log",
		"checkpoint",
	] as const)("a flipped byte anywhere in the middle of a %s is refused, with file and offset", async kind => {
		const starts = frames(fileOf(original, kind));
		const middle = starts[Math.floor(starts.length / 2)] ?? 0;
		// In the mark, the length, the checksum, and the content of an entry.
		for (const offset of [0, 5, 9, 30]) {
			const damaged = copy();
			const file = fileOf(damaged, kind);
			flip(file, middle + offset);
			const error = await refusal(damaged);
			expect([offset, error.name]).toEqual([offset, "DamageError"]);
			expect(error.message).toContain(`${file} is damaged at byte ${middle}`);
			expect(error.message).toMatch(/backup|--repair/);
		}
	});

	it("a flipped byte in a header is refused", async () => {
		for (const kind of ["log", "checkpoint"] as const) {
			const damaged = copy();
			flip(fileOf(damaged, kind), 9);
			expect((await refusal(damaged)).message).toContain("damaged at byte 0");
		}
	});

	it("a checkpoint without its end, or a log that is missing, is refused", async () => {
		const short = copy();
		const checkpoint = fileOf(short, "checkpoint");
		truncateSync(checkpoint, frames(checkpoint).at(-1) ?? 0);
		expect((await refusal(short)).message).toContain("the mark at its end is missing");
		const missing = copy();
		rmSync(fileOf(missing, "log"));
		expect((await refusal(missing)).message).toContain("the file is missing");
	});

	it.each<[what: string, damage: (log: string) => void]>([
		["cut in half", log => truncateSync(log, statSync(log).size / 2)],
		["cut at an entry's end", log => truncateSync(log, frames(log).at(-1))],
		["emptied", log => truncateSync(log, 0)],
		["cut to its header", log => truncateSync(log, 24)],
		[
			"with zeros at its end",
			log => writeFileSync(log, Buffer.concat([readFileSync(log).subarray(0, -300), Buffer.alloc(300)])),
		],
		["removed", log => rmSync(log)],
	])("a log %s lacks acknowledged writes and is refused, after a crash as well as after a stop", async (_, damage) => {
		for (const isClosed of [true, false]) {
			const damaged = copy();
			const log = fileOf(damaged, "log");
			writeFileSync(syncedFile(damaged), encodeSynced({ log: 2, length: statSync(log).size, isClosed }));
			damage(log);
			const error = await refusal(damaged);
			expect([error.name, error.message]).toEqual(["DamageError", expect.stringContaining("--repair")]);
		}
	});

	it("after a stop nothing may follow; and the file that says how long the log is must be there", async () => {
		const longer = copy();
		writeFileSync(fileOf(longer, "log"), "torn", { flag: "a" });
		expect((await refusal(longer)).message).toContain("the server was stopped there, and 4 bytes follow");
		const without = copy();
		rmSync(syncedFile(without));
		expect((await refusal(without)).message).toContain("the file is missing");
		const other = copy();
		flip(syncedFile(other), 20);
		expect((await refusal(other)).message).toContain("how much of the log was written");
	});

	it("a log that another follows is whole", async () => {
		const folder = copy();
		const engine = new Engine({ dataDir: folder, params: parseParams({}), onFatal: () => undefined });
		engine.open();
		const kept = readFileSync(fileOf(folder, "log"));
		const checkpoint = fileOf(folder, "checkpoint");
		const before = readFileSync(checkpoint);
		await engine.checkpoint();
		await engine.close();
		// As after a crash between the new log and the new checkpoint; then with the old log cut at an entry's end.
		rmSync(fileOf(folder, "checkpoint"));
		writeFileSync(checkpoint, before);
		writeFileSync(join(folder, "log-0000000002"), kept);
		expect((await refusal(folder)).message).toContain("the mark at its end is missing");
	});

	it("refusing changes nothing: the same files are refused again, and good ones in their place start", async () => {
		const damaged = copy();
		const file = fileOf(damaged, "log");
		flip(file, (frames(file)[3] ?? 0) + 20);
		const before = readFileSync(file);
		await refusal(damaged);
		await refusal(damaged);
		expect(readFileSync(file).equals(before)).toBe(true);
		copyFileSync(fileOf(original, "log"), file);
		expect(await idsIn(damaged)).toHaveLength(60);
	});

	it("cut off at any byte of its last entry, the log starts with all entries before it", () => {
		const log = fileOf(original, "log");
		const last = frames(log).at(-1) ?? 0;
		for (let cut = last; cut < statSync(log).size; cut++) {
			const torn = copy();
			truncateSync(fileOf(torn, "log"), cut);
			crashAfter(torn, last);
			const engine = new Engine({ dataDir: torn, params: parseParams({}), onFatal: () => undefined });
			const found = engine.open();
			const c = engine.need("d", "c");
			expect([cut, c.size, found?.tornBytes, c.validate().errors]).toEqual([cut, 59, cut - last, []]);
			expect(statSync(fileOf(torn, "log")).size).toBe(last);
			rmSync(torn, { recursive: true });
		}
	});

	it("after a torn end was cut off, writing goes on behind it", async () => {
		const torn = copy();
		const log = fileOf(torn, "log");
		crashAfter(torn, frames(log).at(-1) ?? 0);
		truncateSync(log, statSync(log).size - 3);
		const server = await startEmbeddedMongod({ dataDir: torn });
		const client = await connect(server.uri);
		await client.db("d").collection<Numbered>("c", DURABLE).insertOne({ _id: 100 });
		await client.close();
		await server.close();
		expect(await idsIn(torn)).toEqual([...Array.from({ length: 59 }, (_, i) => i), 100]);
	});

	it("a log that was only begun to be made is made anew", async () => {
		for (const size of [0, 10]) {
			const begun = copy();
			truncateSync(fileOf(begun, "log"), size);
			writeFileSync(syncedFile(begun), encodeSynced({ log: 1, length: 5_000, isClosed: false }));
			expect(await idsIn(begun)).toHaveLength(50);
		}
	});

	it("an unfinished checkpoint is thrown away", async () => {
		const begun = copy();
		writeFileSync(join(begun, "checkpoint-0000000003.tmp"), "half");
		expect(await idsIn(begun)).toHaveLength(60);
		expect(readdirSync(begun).filter(name => name.endsWith(".tmp"))).toEqual([]);
	});

	it("the command line says why and ends with mongod's exit code; --repair keeps what can be read", async () => {
		const damaged = copy();
		const file = fileOf(damaged, "log");
		flip(file, (frames(file)[3] ?? 0) + 20);
		const refused = await startRefused(damaged);
		expect([refused.code, refused.output.includes("is damaged at byte")]).toEqual([14, true]);
		const repaired = await startRefused(damaged, ["--repair"]);
		expect([repaired.code, repaired.output.includes("Repaired")]).toEqual([0, true]);
		expect(readdirSync(damaged).some(name => name.startsWith("damaged-"))).toBe(true);
		expect(await idsIn(damaged)).toHaveLength(59);
	});
});

describe("When the disk is full", () => {
	it("writes fail instead of being acknowledged, the host hears of it, and nothing acknowledged is lost", async () => {
		const folder = await temporaryFolder();
		const server = await startEmbeddedMongod({ dataDir: folder.path, params: { failDiskAfterBytes: 20_000 } });
		const ended = new Promise<Error>(done => server.onExit(done));
		const client = await connect(server.uri);
		const c = client.db("d").collection<Numbered>("c", DURABLE);
		let acknowledged = 0;
		const error = await (async () => {
			for (;;) {
				await c.insertOne({ _id: acknowledged, pad: "x".repeat(500) });
				acknowledged++;
			}
		})().catch((e: Error) => e);
		expect(error).toBeDefined();
		expect((await ended).message).toContain("The disk is full");
		await client.close(true);
		await server.close();
		expect(acknowledged).toBeGreaterThan(10);
		expect((await idsIn(folder.path)).slice(0, acknowledged)).toEqual(
			Array.from({ length: acknowledged }, (_, i) => i),
		);
		await folder.remove();
	});

	it("the command line ends with mongod's exit code", async () => {
		const folder = await temporaryFolder();
		const server = await startProcess(folder.path, { failDiskAfterBytes: 5_000 });
		const client = await connect(server.uri);
		const c = client.db("d").collection("c", DURABLE);
		const exit = new Promise(done => server.child.once("exit", done));
		await (async () => {
			for (;;) await c.insertOne({ pad: "x".repeat(500) });
		})().catch(() => undefined);
		expect(await exit).toBe(14);
		await client.close(true);
		await folder.remove();
	});
});
