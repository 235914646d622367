import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../cluster/ports.ts";
import { Client } from "../support/client.ts";
import { type Program, startProgram } from "../support/process.ts";
import { cartWith, checkoutBody } from "../support/shop.ts";
import { until } from "../support/until.ts";

describe("npm start, as a newcomer does it", () => {
	let dataDir: string;
	let port: number;
	let running: Program | undefined;

	const start = () => {
		const env = { DATA_DIR: dataDir, PORT: String(port), OPS_PORT: "0", MAILBOX_PORT: "0", LOG_LEVEL: "error" };
		return startProgram(["main.ts"], env);
	};

	beforeAll(async () => {
		dataDir = await mkdtemp(join(tmpdir(), "stoa-start-"));
		port = await freePort();
	});

	afterAll(async () => {
		running?.kill("SIGTERM");
		await running?.exited;
		await rm(dataDir, { recursive: true, force: true });
	}, 40_000);

	it("opens a stocked shop, says where things are, and stops on Ctrl-C", async () => {
		running = start();
		await running.prints("Stoa is ready");
		for (const part of ["/api/v1", "/docs", "Mailbox", "STOA_ADMIN_EMAIL"]) expect(running.output).toContain(part);
		const client = new Client(`http://127.0.0.1:${port}`);
		const { body } = await until("the demo catalogue", async () => {
			const list = await client.get("/products?limit=100&count=true&inStock=true");
			return list.body.total >= 60 && list;
		});
		expect(
			body.items.every(
				(item: { variants: { price: { amount: number } }[] }) => (item.variants[0]?.price.amount ?? 0) > 0,
			),
		).toBe(true);
		expect((await client.get("/categories")).body.items.length).toBeGreaterThan(1);
		running.kill("SIGINT");
		expect(await running.exited).toBe(0);
		expect(running.output).toContain("Stopping: ");
		expect(running.output).toContain("Ctrl-C again");
		expect(running.output.trimEnd()).toMatch(/Stopped\.$/);
	}, 60_000);

	it("finds everything again at the second start, also after kill -9", async () => {
		running = start();
		await running.prints("Stoa is ready");
		const client = new Client(`http://127.0.0.1:${port}`);
		const { body: list } = await client.get("/products?limit=1&inStock=true");
		const cart = await cartWith(client, list.items[0].variants[0].sku);
		const placed = await client.post(`/carts/${cart.id}/checkout`, checkoutBody(cart), { key: "a-key-of-its-own" });
		expect(placed.status).toBe(201);
		// run.mjs passes no SIGKILL on: the shop itself is its child.
		const { stdout } = await import("node:child_process").then(({ spawnSync }) =>
			spawnSync("pgrep", ["-P", String(running?.pid)], { encoding: "utf8" }),
		);
		for (const pid of stdout.split("\n").filter(Boolean)) process.kill(Number(pid), "SIGKILL");
		await running.exited;

		running = start();
		await running.prints("Stoa is ready");
		const again = await client.get(`/orders/${placed.body.id}`, {
			headers: { "x-order-token": placed.body.accessToken },
		});
		expect([again.status, again.body.number, again.body.status]).toEqual([200, placed.body.number, "paid"]);
		const repeat = await client.post(`/carts/${cart.id}/checkout`, checkoutBody(cart), { key: "a-key-of-its-own" });
		expect(repeat.text).toBe(placed.text);
		const { body: count } = await client.get("/products?count=true&limit=1");
		expect(count.total).toBeLessThan(100);
	}, 90_000);

	it("refuses a second shop on the same data, and says why", async () => {
		const other = startProgram(["main.ts"], {
			DATA_DIR: dataDir,
			PORT: "0",
			OPS_PORT: "0",
			MAILBOX_PORT: "0",
			LOG_LEVEL: "error",
		});
		expect(await other.exited).toBe(1);
		expect(other.output).toMatch(/lock|in use|already/i);
	}, 30_000);

	it("refuses to start a part of the shop that could not reach the rest", async () => {
		const part = startProgram(["main.ts"], { DATA_DIR: dataDir, SERVICES: "orders" });
		expect(await part.exited).toBe(1);
		expect(part.output).toContain("set NATS_URL");
	}, 30_000);

	it("lists all wrong settings at once and ends with 1", async () => {
		const wrong = startProgram(["main.ts"], { DATA_DIR: dataDir, PORT: "x", REDIS_URL: "nowhere" });
		expect(await wrong.exited).toBe(1);
		expect(wrong.output).toContain("PORT must be");
		expect(wrong.output).toContain("REDIS_URL must be");
	}, 30_000);
});
