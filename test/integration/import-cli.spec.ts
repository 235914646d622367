import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { Client } from "../support/client.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { ADMIN, adminToken } from "../support/shop.ts";
import { until } from "../support/until.ts";

const SCRIPT = join(import.meta.dirname, "../../scripts/import.ts");

describe("npm run import", () => {
	let shop: TestNode;
	let folder: string;
	let client: Client;

	beforeAll(async () => {
		folder = await mkdtemp(join(tmpdir(), "stoa-import-"));
		shop = await startTestNode({
			services: ["api", "auth", "users", "products", "inventory"],
			env: { STOA_ADMIN_EMAIL: ADMIN.email, STOA_ADMIN_PASSWORD: ADMIN.password },
		});
		client = new Client(shop.broker.stoa.publicUrl);
		await adminToken(client);
	}, 60_000);
	afterAll(async () => {
		await shop?.stop();
		await rm(folder, { recursive: true, force: true });
	}, 60_000);

	const start = (args: string[], env: Record<string, string> = {}): ChildProcess =>
		spawn(process.execPath, ["--disable-warning=ExperimentalWarning", SCRIPT, ...args], {
			env: { STOA_ADMIN_EMAIL: ADMIN.email, STOA_ADMIN_PASSWORD: ADMIN.password, ...env },
		});

	async function run(args: string[], env?: Record<string, string>) {
		const child = start(args, env);
		let output = "";
		for (const stream of [child.stdout, child.stderr]) {
			stream?.setEncoding("utf8").on("data", (text: string) => {
				output += text;
			});
		}
		const [code] = await once(child, "close");
		return { code, output };
	}

	async function file(name: string, content: string | Buffer): Promise<string> {
		const path = join(folder, name);
		await writeFile(path, content);
		return path;
	}

	const row = (sku: string) => JSON.stringify({ sku, title: `Row ${sku}`, price: { amount: 100, currency: "EUR" } });
	const rows = (prefix: string, count: number) =>
		`${Array.from({ length: count }, (_, i) => row(`${prefix}-${i}`)).join("\n")}\n`;
	const url = () => ["--url", shop.broker.stoa.publicUrl];
	const found = async (q: string) => (await client.get(`/products?q=${q}&count=true&limit=1`)).body.total;

	it("loads a file, plain or gzip, and sums up what it did", async () => {
		const plain = await run([await file("a.jsonl", rows("CLIA", 700)), "--stock", "3", ...url()]);
		expect([plain.code, plain.output]).toEqual([
			0,
			expect.stringContaining("700 created, 0 updated, 0 refused of 700 rows"),
		]);
		const packed = await run([await file("b.jsonl.gz", gzipSync(rows("CLIB", 50))), ...url()]);
		expect([packed.code, packed.output]).toEqual([0, expect.stringContaining("50 created")]);
		expect([await found("clia"), await found("clib")]).toEqual([700, 50]);
	});

	it("names bad rows and says by its exit code that there were some", async () => {
		const { code, output } = await run([await file("bad.jsonl", `${row("CLIC-1")}\noops\n`), ...url()]);
		expect(code).toBe(3);
		expect(output).toContain("row 2: INVALID_JSON");
		expect(output).toContain("1 created, 0 updated, 1 refused of 2 rows");
	});

	it("killed half-way and run again makes no duplicate", async () => {
		const path = await file("killed.jsonl", rows("CLID", 4_000));
		const child = start([path, ...url()]);
		await until("some of it to be there", async () => (await found("clid")) > 0);
		child.kill("SIGKILL");
		await once(child, "exit");
		const { code, output } = await run([path, ...url()]);
		expect([code, output]).toEqual([0, expect.stringContaining("of 4,000 rows")]);
		expect(await found("clid")).toBe(4_000);
	}, 60_000);

	it("explains itself, and finds the shop on the port that PORT says", async () => {
		for (const flag of ["--help", "-h"]) {
			const help = await run([flag]);
			expect([help.code, help.output]).toEqual([0, expect.stringContaining("Loads a catalogue")]);
		}
		const { code, output } = await run([await file("port.jsonl", row("CLIF-1"))], { PORT: "1" });
		expect([code, output]).toEqual([1, expect.stringContaining("Cannot reach http://localhost:1 ")]);
	});

	it("says in plain words why it could not", async () => {
		const path = await file("one.jsonl", row("CLIE-1"));
		const cases: [string[], Record<string, string>, number, string][] = [
			[[], {}, 2, "Name one file"],
			[[path, "--stock", "many"], {}, 2, "--stock"],
			[[path, "--nonsense"], {}, 2, "nonsense"],
			[[path, ...url()], { STOA_ADMIN_EMAIL: "", STOA_ADMIN_PASSWORD: "" }, 2, "Say who you are"],
			[[join(folder, "missing.jsonl"), ...url()], {}, 1, "There is no file"],
			[[folder, ...url()], {}, 1, "is not a file"],
			[[path, "--url", "http://127.0.0.1:1"], {}, 1, "Cannot reach"],
			[[path, ...url()], { STOA_ADMIN_PASSWORD: "wrong but long enough" }, 1, "Could not sign in"],
			[[path, "--token", "nonsense", ...url()], {}, 1, "401"],
			[[await file("long.jsonl", "x".repeat(1_100_000)), ...url()], {}, 1, "413"],
		];
		for (const [args, env, code, words] of cases) {
			const result = await run(args, env);
			expect([args, result.code, result.output]).toEqual([args, code, expect.stringContaining(words)]);
		}
	}, 60_000);
});
