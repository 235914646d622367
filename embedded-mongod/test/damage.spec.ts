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
		truncateSync(fileOf(torn, "log"), statSync(fileOf(torn, "log")).size - 3);
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
