import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { errorType } from "../../lib/errors.ts";
import type { ImportJob } from "../../services/products/products.contract.ts";
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
			row("BAD 5"),
			row("BAD-6", { price: { amount: 9.99, currency: "EUR" } }),
			row("BAD-7", { price: { amount: 9, currency: "XXZ" } }),
			row("BAD-8", { attributes: { "a.b": 1 } }),
			row("BAD-9", { attributes: { $where: "1" } }),
			row("BAD-10", { categories: ["no-such"] }),
			row("BAD-11", { status: "draft" }),
			row("BAD-12").replace('"colour"', '"__proto__"'),
			"[1]",
			row("BAD-14"),
			row("BAD-14", { title: "Twice" }),
		];
		const job = await imported(lines.join("\r\n"));
		expect(job).toMatchObject({ status: "done", total: 14, processed: 14, created: 2, updated: 1, failed: 11 });
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
		expect(await node.broker.call("products.get", { idOrSlug: "imported-bad-14-bad-14" })).toMatchObject({
			title: "Twice",
		});
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
