import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import type { Model } from "mongoose";
import { errorType } from "../../lib/errors.ts";
import type { ImportChunkDocument, ImportJobDocument } from "../../services/products/import/import.model.ts";
import type { ImportRepository } from "../../services/products/import/import.repository.ts";
import type { ImportWorker } from "../../services/products/import/import-worker.ts";
import { parseRow } from "../../services/products/import/parse-row.ts";
import { type NumberedRow, RowWriter } from "../../services/products/import/row-writer.ts";
import type { ImportJob } from "../../services/products/products.contract.ts";
import type { ProductDocument } from "../../services/products/products.model.ts";
import { startTestNode, type TestNode, testEnv } from "../support/node.ts";
import { until } from "../support/until.ts";

const MANAGER = { meta: { user: { id: "usr_manager", sessionId: "ses_1", roles: ["manager" as const] } } };

let node: TestNode;

const row = (sku: string, fields: object = {}) =>
	JSON.stringify({
		sku,
		title: `Imported ${sku}`,
		price: { amount: 1_000, currency: "EUR" },
		brand: "Imports",
		mpn: `M-${sku}`,
		ean: ["4006381333931"],
		releasedAt: "2012-05-01",
		imageUrl: "http://images.example/a.jpg",
		attributes: { colour: "red", watts: 9.5, dimmable: true },
		...fields,
	});
const file = (prefix: string, count: number, fields?: object) =>
	`${Array.from({ length: count }, (_, i) => row(`${prefix}-${i}`, fields)).join("\n")}\n`;

async function sent(content: string | Buffer, stock = 0): Promise<string> {
	const stream = Readable.from(Buffer.from(content).length > 0 ? [Buffer.from(content)] : []);
	const { jobId } = await node.broker.call("products.import", { stock }, { ...MANAGER, stream });
	return jobId;
}

const finished = (jobId: string): Promise<ImportJob> =>
	until(
		`the end of ${jobId}`,
		async () => {
			const job = await node.broker.call("products.importJob", { id: jobId }, MANAGER);
			return job.status !== "running" && job;
		},
		110_000,
	);

const imported = async (content: string | Buffer, stock?: number) => finished(await sent(content, stock));

const listed = async (q: string) =>
	(await node.broker.call("products.list", { q, count: true, limit: 100 })) as { total: number; items: unknown[] };

describe("An import", () => {
	beforeAll(async () => {
		node = await startTestNode({ services: ["products", "inventory"] });
	}, 120_000);
	afterAll(() => node?.stop(), 60_000);

	it("makes products of rows, on sale and in stock, and tells its progress", async () => {
		const job = await imported(file("MAKE", 1_200), 7);
		expect(job).toMatchObject({
			status: "done",
			total: 1_200,
			processed: 1_200,
			created: 1_200,
			updated: 0,
			failed: 0,
		});
		const product = await node.broker.call("products.get", { idOrSlug: "imported-make-17-make-17" });
		expect(product).toMatchObject({
			title: "Imported MAKE-17",
			brand: "Imports",
			images: ["http://images.example/a.jpg"],
			attributes: { colour: "red", watts: 9.5, dimmable: true },
			variants: [{ sku: "MAKE-17", price: { amount: 1_000, currency: "EUR" }, available: "in_stock" }],
		});
		const stock = await node.broker.call("inventory.get", { sku: "MAKE-17" }, MANAGER);
		expect(stock.totals).toMatchObject({ available: 7, received: 7 });
		expect((await listed("MAKE")).total).toBe(1_200);
	});

	it("of the same file again changes nothing, and one with new prices updates", async () => {
		await imported(file("SAME", 60), 5);
		const again = await imported(file("SAME", 60), 5);
		expect(again).toMatchObject({ created: 0, updated: 60, failed: 0 });
		const before = await node.broker.call("products.get", { idOrSlug: "imported-same-3-same-3" });
		expect(before.version).toBe(1);
		const dearer = await imported(file("SAME", 60, { price: { amount: 2_000, currency: "EUR" } }), 5);
		expect(dearer).toMatchObject({ created: 0, updated: 60 });
		const after = await node.broker.call("products.get", { idOrSlug: "imported-same-3-same-3" });
		expect(after).toMatchObject({ id: before.id, variants: [{ price: { amount: 2_000 } }] });
		const stock = await node.broker.call("inventory.get", { sku: "SAME-3" }, MANAGER);
		expect(stock.totals.received).toBe(5);
	});

	it("goes on after bad rows and names each with its number", async () => {
		const lines = [
			row("BAD-1"),
			"{ not json",
			"",
			row("BAD-4", { price: undefined }),
			row("BAD  5"),
			row("BAD-6", { price: { amount: 9.99, currency: "EUR" } }),
			row("BAD-7", { price: { amount: 9, currency: "XXZ" } }),
			row("BAD-8", { attributes: { "a.b": {} } }),
			row("BAD-9", { attributes: { $where: "1" } }),
			row("BAD-10", { categories: ["no-such"] }),
			row("BAD-11", { status: "draft" }),
			row("BAD-12").replace('"colour"', '"__proto__"'),
			"[1]",
			row("BAD-14"),
		];
		const job = await imported(lines.join("\r\n"));
		expect(job).toMatchObject({ status: "done", total: 13, processed: 13, created: 2, updated: 0, failed: 11 });
		expect(job.errors.map(error => [error.row, error.code])).toEqual([
			[2, "INVALID_JSON"],
			[4, "VALIDATION_ERROR"],
			[5, "VALIDATION_ERROR"],
			[6, "VALIDATION_ERROR"],
			[7, "VALIDATION_ERROR"],
			[8, "VALIDATION_ERROR"],
			[9, "VALIDATION_ERROR"],
			[10, "UNKNOWN_CATEGORY"],
			[11, "VALIDATION_ERROR"],
			[12, "VALIDATION_ERROR"],
			[13, "INVALID_JSON"],
		]);
	});

	it("loses nothing silently: a second row of a SKU is refused and names the first, near or far, new or known", async () => {
		const rows = Array.from({ length: 700 }, (_, i) => row(`DUP-${i}`));
		rows[3] = row("DUP-1", { title: "Garden hose" });
		rows[600] = row("DUP-1", { title: "Far hose" });
		rows[601] = row("DUP-599");
		for (const known of [
			{ created: 697, updated: 0 },
			{ created: 0, updated: 697 },
		]) {
			const job = await imported(rows.join("\n"));
			expect(job).toMatchObject({ status: "done", processed: 700, failed: 3, ...known });
			expect(job.errors).toEqual([
				{ row: 4, code: "DUPLICATE_SKU", message: "The SKU DUP-1 stands in row 2 already" },
				{ row: 601, code: "DUPLICATE_SKU", message: "The SKU DUP-1 stands in row 2 already" },
				{ row: 602, code: "DUPLICATE_SKU", message: "The SKU DUP-599 stands in row 600 already" },
			]);
		}
		const kept = await node.broker.call("products.get", { idOrSlug: "imported-dup-1-dup-1" });
		expect(kept).toMatchObject({ title: "Imported DUP-1", version: 1, variants: [{ sku: "DUP-1" }] });
		expect(kept.variants[0]).not.toHaveProperty("importedBy");
	});

	it("refuses a row whose bytes are not UTF-8, and takes those beside it as they were sent", async () => {
		const content = Buffer.concat([
			Buffer.from(`\uFEFF${row("UTF-1", { title: "Café crème" })}\n`),
			Buffer.from(`${row("UTF-2", { title: "Café crème" })}\n`, "latin1"),
			Buffer.from(`${row("UTF-3", { title: "Crème \u{1F366}" })}\n`),
			Buffer.from(row("UTF-4").replace("Imported", "\\ud83d")),
		]);
		const job = await imported(content);
		expect(job).toMatchObject({ processed: 4, created: 2, failed: 2 });
		expect(job.errors.map(error => [error.row, error.code])).toEqual([
			[2, "INVALID_ENCODING"],
			[4, "INVALID_ENCODING"],
		]);
		const titles = (await listed("creme")).items.map(item => (item as { title: string }).title);
		expect(titles.sort()).toEqual(["Café crème", "Crème \u{1F366}"]);
	});

	it("takes gzip by its first bytes, refuses what is broken, and an empty file is a job without rows", async () => {
		expect(await imported(gzipSync(file("ZIP", 30)))).toMatchObject({ created: 30 });
		const broken = gzipSync(file("BROKEN", 3_000)).fill(7, 100, 200);
		expect(await sent(broken).catch(errorType)).toBe("BAD_REQUEST");
		expect(await sent(`${"x".repeat(1_100_000)}\n`).catch(errorType)).toBe("PAYLOAD_TOO_LARGE");
		expect(await imported("")).toMatchObject({ status: "done", total: 0, processed: 0 });
	});

	it("is for staff who may write", async () => {
		const stream = Readable.from([Buffer.from(row("NO"))]);
		expect(await node.broker.call("products.import", {}, { stream }).catch(errorType)).toBe("UNAUTHENTICATED");
	});
});

describe("An import whose process is killed", () => {
	let database: TestNode;

	beforeAll(async () => {
		database = await startTestNode({ services: ["inventory"] });
	}, 120_000);
	afterAll(async () => {
		await node?.stop();
		await database?.stop();
	}, 120_000);

	it("goes on in another one where it was, and every row counts once", async () => {
		const rows = 6_000;
		const env = { ...testEnv(database.dataDir), MONGODB_URI: database.mongodbUri, SERVICES: "products,inventory" };
		const child = fork(join(import.meta.dirname, "../support/import-child.ts"), { env, execArgv: [] });
		const heard = async () => (await once(child, "message"))[0] as { jobId?: string };
		const gone = once(child, "exit");
		await Promise.race([heard(), gone]);
		child.send({ file: file("KILL", rows), stock: 3, dieAt: 1_000 });
		const { jobId = "" } = await Promise.race([heard(), gone.then(() => ({ jobId: "" }))]);
		expect(await gone).toEqual([null, "SIGKILL"]);

		node = await startTestNode({ services: ["products", "inventory"], env: { MONGODB_URI: database.mongodbUri } });
		const half = await node.broker.call("products.importJob", { id: jobId }, MANAGER);
		expect(half.processed).toBeLessThan(rows);
		const job = await finished(jobId);
		expect(job).toMatchObject({ status: "done", processed: rows, created: rows, updated: 0, failed: 0 });
		expect((await listed("KILL")).total).toBe(rows);
		for (const i of [0, 499, 500, 999, 1_000, 3_000, rows - 1]) {
			const { totals } = await node.broker.call("inventory.get", { sku: `KILL-${i}` }, MANAGER);
			expect([i, totals.received]).toEqual([i, 3]);
		}
	}, 120_000);
});

describe("An import whose worker slept while another one took over", () => {
	interface Products {
		imports: ImportRepository;
		importWorker: ImportWorker;
		models: {
			importJobs: Model<ImportJobDocument>;
			importChunks: Model<ImportChunkDocument>;
			products: Model<ProductDocument>;
		};
	}
	let products: Products;

	beforeAll(async () => {
		node = await startTestNode({ services: ["products", "inventory"] });
		products = node.broker.getLocalService("products") as unknown as Products;
		// The service's own worker would take the jobs; these tests say who has them.
		await products.importWorker.stop();
	}, 120_000);
	afterAll(() => node?.stop(), 60_000);

	const jobOf = (jobId: string) => products.models.importJobs.findById(jobId).lean<ImportJobDocument>();
	const chunksOf = (jobId: string) => products.models.importChunks.countDocuments({ jobId });
	/** The lease runs out, and so does the pause before the next one. */
	const runOut = (jobId: string) =>
		products.models.importJobs.updateOne({ _id: jobId }, { $set: { leaseAt: new Date(0), nextAt: null } });

	const none = { lines: 1, processed: 1, created: 1, updated: 0, errors: [] };

	it("is neither ended nor counted nor robbed of its rows by the first", async () => {
		const jobId = await sent(file("SLEPT", 3));
		const first = await products.imports.claim(jobId, "first");
		expect(first).toMatchObject({ owner: "first", attempts: 1 });
		expect(await products.imports.claim(jobId, "second")).toBeNull();
		await runOut(jobId);
		expect(await products.imports.claim(jobId, "second")).toMatchObject({ owner: "second", attempts: 2 });
		const before = await jobOf(jobId);
		const late = { _id: jobId, chunk: 0, line: 0, attempts: 12 };
		expect(await products.imports.renew(jobId, "first")).toBe(false);
		expect(await products.imports.advance(late, "first", none, undefined)).toBe(false);
		expect(await products.imports.nextChunk(late, "first")).toBe(false);
		await products.imports.finish(jobId, "first", "failed", new Date());
		await products.imports.postpone(late, "first", "too late");
		await products.imports.letGo(jobId, "first");
		expect(await jobOf(jobId)).toEqual(before);
		expect(await chunksOf(jobId)).toBe(1);
		expect(await products.imports.advance(late, "second", none, undefined)).toBe(true);
		expect(await products.imports.advance(late, "second", none, undefined)).toBe(false);
		expect(await jobOf(jobId)).toMatchObject({ line: 1, processed: 1, created: 1, attempts: 0 });
		await products.imports.finish(jobId, "second", "done", new Date());
		expect(await chunksOf(jobId)).toBe(0);
	});

	const at = (jobId: string) => ({
		jobId,
		now: new Date(),
		pathOf: () => [],
		levelsOf: () => Promise.resolve(new Map()),
	});
	const priced = (number: number, amount: number): NumberedRow => ({
		number,
		row: (parseRow(row("LATE", { price: { amount, currency: "EUR" } })) as { row: NumberedRow["row"] }).row,
	});
	const priceNow = async () =>
		(await products.models.products.findOne({ "variants.sku": "LATE" }).lean<ProductDocument>())?.variants[0]?.price
			.amount;

	it("writes no row a second time, and none over that of a newer import", async () => {
		const writer = new RowWriter(products.models.products);
		await writer.write([priced(1, 100)], at("job_1"));
		expect(await writer.write([priced(1, 100)], at("job_1"))).toMatchObject({ created: [{}], updated: [] });
		await writer.write([priced(2, 200)], at("job_2"));
		expect(await writer.write([priced(2, 200)], at("job_2"))).toMatchObject({ created: [], updated: [{}] });
		expect(await writer.write([priced(7, 700)], at("job_2"))).toMatchObject({
			created: [],
			updated: [],
			errors: [{ row: 7, code: "DUPLICATE_SKU" }],
		});
		await writer.write([priced(1, 100)], at("job_1"));
		expect(await priceNow()).toBe(200);
	});

	it("is parked when it never gets on, and goes on when an operator resumes it", async () => {
		const jobId = await sent(file("PARK", 2));
		for (let attempt = 1; attempt <= 12; attempt++) {
			const job = await products.imports.claim(jobId, `worker-${attempt}`);
			expect(job?.attempts).toBe(attempt);
			if (job) await products.imports.postpone(job, `worker-${attempt}`, "the database is full");
			expect(await products.imports.claim(jobId, "impatient")).toBeNull();
			if (attempt < 12) await runOut(jobId);
		}
		await runOut(jobId);
		expect(await products.imports.claim(jobId, "again")).toBeNull();
		expect(await products.imports.waiting()).not.toContain(jobId);
		expect(await node.broker.call("products.importJob", { id: jobId }, MANAGER)).toMatchObject({ status: "failed" });
		const parked = await node.broker.call("products.parked" as never, {} as never);
		expect(parked).toMatchObject([
			{ kind: "import", id: jobId, attempts: 12, error: "the database is full", about: "row 0 of 2" },
		]);
		const resume = { kind: "import", id: jobId };
		expect(await node.broker.call("products.resume" as never, resume as never)).toEqual({ resumed: true });
		expect(await products.imports.waiting()).toContain(jobId);
		expect(await products.imports.claim(jobId, "at last")).toMatchObject({ attempts: 1 });
	});
});
