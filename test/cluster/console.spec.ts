import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../cluster/ports.ts";
import { Client } from "../support/client.ts";
import { type Program, startProgram } from "../support/process.ts";
import { until } from "../support/until.ts";

const isAlive = (pid: number): boolean => {
	try {
		process.kill(pid, 0);
		return true;
	} catch {
		return false;
	}
};

describe("npm run cluster, and npm run console on it", () => {
	let dataDir: string;
	let port: number;
	let cluster: Program;

	const start = async () => {
		cluster = startProgram(["cluster.ts"], {
			DATA_DIR: dataDir,
			PORT: String(port),
			MAILBOX_PORT: "0",
			LOG_LEVEL: "error",
			// As container platforms hand it out.
			STOA_SECRET_FILE: join(dataDir, "given-secret"),
		});
		await cluster.prints("Stop with Ctrl-C", 60_000);
	};
	/** The processes it started, servers included, from the table it prints. */
	const pids = () => [...cluster.output.matchAll(/│ '[\w-]+'\s*│ (\d+)/g)].map(([, pid]) => Number(pid));
	const consoleRuns = async (command: string, env: Record<string, string> = { DATA_DIR: dataDir }) => {
		const program = startProgram(["console.ts", "--run", command], env);
		return { code: await program.exited, output: program.output };
	};

	beforeAll(async () => {
		dataDir = await mkdtemp(join(tmpdir(), "stoa-console-"));
		port = await freePort();
		await writeFile(join(dataDir, "given-secret"), randomBytes(48).toString("base64"));
		await start();
	}, 90_000);

	afterAll(async () => {
		cluster.kill("SIGINT");
		await cluster.exited;
		await rm(dataDir, { recursive: true, force: true });
	}, 60_000);

	it("tells what runs where, and serves the shop", async () => {
		expect(pids().length).toBeGreaterThanOrEqual(9);
		expect(cluster.output).toMatch(/Mailbox {6}http:\/\/127\.0\.0\.1:\d+|Mailbox {6}http:\/\/localhost:\d+/);
		const [health = ""] = /http:[\w/.:]+\/health\/ready/.exec(cluster.output) ?? [];
		expect((await fetch(health)).status).toBe(200);
		for (const name of ["nats-server", "mongod", "gateway", "orders", "payments"])
			expect(cluster.output).toContain(`'${name}'`);
		const client = new Client(`http://127.0.0.1:${port}`);
		await until("the demo catalogue", async () => (await client.get("/products?count=true")).body.total >= 60);
		expect((await client.get("//health/ready")).status).toBe(200);
	}, 60_000);

	it("takes secrets from the files that the environment names, the launcher as well as the console", async () => {
		expect(existsSync(join(dataDir, "secret"))).toBe(false);
		const { natsUrl, mongodbUri } = JSON.parse(await readFile(join(dataDir, "cluster.json"), "utf8"));
		const fileOf = async (name: string, content: string) => {
			await writeFile(join(dataDir, name), content);
			return join(dataDir, name);
		};
		const env = {
			DATA_DIR: join(dataDir, "elsewhere"),
			NATS_URL_FILE: await fileOf("nats-url", natsUrl),
			MONGODB_URI_FILE: await fileOf("mongodb-uri", mongodbUri),
		};
		expect(await consoleRuns("parked", env)).toMatchObject({ code: 0 });
	}, 60_000);

	it("runs commands of the shop, with an exit code by their result", async () => {
		const { body } = await new Client(`http://127.0.0.1:${port}`).get("/products?limit=1");
		const stock = await consoleRuns(`stock ${body.items[0].variants[0].sku}`);
		expect(stock.output).toMatch(/main\s+available \d+/);
		expect(stock.code).toBe(0);
		const nodes = await consoleRuns("nodes");
		expect([nodes.code, nodes.output]).toEqual([0, expect.stringMatching(/gateway.*ONLINE/)]);
		const found = await consoleRuns('call "products.list" --limit 1');
		expect([found.code, found.output]).toEqual([0, expect.stringContaining("items")]);
		expect(await consoleRuns("call products.nothing")).toMatchObject({ code: 1 });
		expect(await consoleRuns("call products.list --limit x")).toMatchObject({ code: 1 });
		const unknown = await consoleRuns("stok");
		expect([unknown.code, unknown.output]).toEqual([1, expect.stringContaining("stock")]);
		const checked = await consoleRuns("invariants");
		expect([checked.code, checked.output]).toEqual([0, expect.stringContaining("All invariants hold")]);
		const made = await consoleRuns("create-admin boss@shop.test a-long-enough-passphrase");
		expect(made.output).toContain("boss@shop.test is an admin now");
		const again = await consoleRuns("create-admin other@shop.test a-long-enough-passphrase");
		expect([again.code, again.output]).toEqual([1, expect.stringContaining("an admin already")]);
		expect((await consoleRuns("dead-letters notifications")).output).toContain("0 dead letters");
		expect((await consoleRuns("order ord_none")).code).toBe(1);
		expect((await consoleRuns("dance")).output).toContain("No command is called dance");
	}, 90_000);

	it("attaches Moleculer's REPL", async () => {
		const repl = startProgram(["console.ts"], { DATA_DIR: dataDir, HOME: dataDir });
		repl.write("nodes\n");
		await repl.prints(/gateway/);
		repl.kill("SIGTERM");
		await repl.exited;
	}, 30_000);

	it("leaves nothing behind on Ctrl-C, and nothing when it is killed itself", async () => {
		const first = pids();
		cluster.kill("SIGINT");
		expect(await cluster.exited).toBe(0);
		expect(first.filter(isAlive)).toEqual([]);

		await start();
		const second = pids();
		const { spawnSync } = await import("node:child_process");
		for (const pid of spawnSync("pgrep", ["-P", String(cluster.pid)], { encoding: "utf8" })
			.stdout.split("\n")
			.filter(Boolean)) {
			process.kill(Number(pid), "SIGKILL");
		}
		await until("all of them to end", () => second.every(pid => !isAlive(pid)), 40_000);
		await start();
	}, 150_000);

	it("gives up on a NATS that is not there", async () => {
		const gone = startProgram(["console.ts", "--nats", "nats://127.0.0.1:9", "--run", "invariants"], {
			DATA_DIR: dataDir,
		});
		expect(await gone.exited).toBe(1);
		expect(gone.output).toMatch(/is the cluster running|CONNECTION_REFUSED/);
	}, 30_000);

	it("says what to do where there is no cluster", async () => {
		const alone = startProgram(["console.ts", "--run", "invariants"], { DATA_DIR: join(dataDir, "nowhere") });
		expect(await alone.exited).toBe(1);
		expect(alone.output).toContain("npm run cluster");
	}, 30_000);
});
