import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, rmdirSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import mongoose from "mongoose";
import { connect as connectNats } from "nats";
import { type Cluster, startCluster } from "../../cluster/launcher.ts";
import { natsOptions } from "../../lib/nats-url.ts";
import { Client } from "../support/client.ts";
import { until } from "../support/until.ts";

const GROUPS = [
	{ name: "gateway", services: ["api", "carts"] },
	{ name: "catalogue", services: ["products", "inventory"] },
];
const QUIET = { RATE_LIMIT: "0", MAILBOX_PORT: "0", DEMO_DATA: "0", LOG_LEVEL: "error" };

/** The processes that have this in their command line, as the system lists them. */
const processesOf = (text: string): string[] =>
	spawnSync("pgrep", ["-f", text], { encoding: "utf8" }).stdout.split("\n").filter(Boolean);

describe("A cluster that looks after itself", () => {
	let dataDir: string;
	let cluster: Cluster;
	let client: Client;
	const told: string[] = [];
	const serves = async () => (await client.get("/products")).status === 200;

	beforeAll(async () => {
		dataDir = await mkdtemp(join(tmpdir(), "stoa-launcher-"));
		cluster = await startCluster({ dataDir, groups: GROUPS, env: QUIET, onEvent: message => told.push(message) });
		client = new Client(cluster.urls[0] ?? "");
		await until("the shop to serve", serves);
	}, 60_000);

	afterAll(async () => {
		await cluster?.stop();
		await rm(dataDir, { recursive: true, force: true });
	}, 60_000);

	it("lets nobody at its servers who does not know the password of this run", async () => {
		const bare = (url: string | undefined) => (url ?? "").replace(/\/\/[^@]*@/, "//");
		const wrong = (url: string | undefined) => (url ?? "").replace(/:[^:@]*@/, ":not-the-password@");
		for (const change of [bare, wrong]) {
			const nats = connectNats({ ...natsOptions(change(cluster.natsUrl)), reconnect: false });
			await expect(nats).rejects.toMatchObject({ code: "AUTHORIZATION_VIOLATION" });
			const mongo = new mongoose.mongo.MongoClient(change(cluster.mongodbUri));
			const asked = mongo.db("orders").collection("orders").findOne({});
			await expect(asked.finally(() => mongo.close())).rejects.toMatchObject({ code: change === bare ? 13 : 18 });
			const redis = new Redis(change(cluster.redisUrl), { maxRetriesPerRequest: 0 });
			redis.on("error", () => undefined);
			await expect(redis.get("anything").finally(() => redis.disconnect())).rejects.toThrow(/NOAUTH|WRONGPASS/);
		}
		const passwords = [cluster.natsUrl, cluster.mongodbUri, cluster.redisUrl ?? ""].map(
			url => /:([\w-]{32})@/.exec(url)?.[1] ?? "none",
		);
		expect(new Set(passwords).size).toBe(3);
		for (const password of passwords) expect(processesOf(password)).toEqual([]);
		expect(statSync(join(dataDir, "cluster.json")).mode & 0o077).toBe(0);
	}, 60_000);

	it("starts a killed node again, and the others find it", async () => {
		const catalogue = cluster.process("catalogue");
		const { pid } = catalogue;
		catalogue.kill("SIGKILL");
		await until("the catalogue to run again", () => told.includes("catalogue runs again"), 30_000);
		expect(catalogue.pid).not.toBe(pid);
		expect(await serves()).toBe(true);
		const written = JSON.parse(readFileSync(join(dataDir, "cluster.json"), "utf8"));
		expect(written.processes[1]).toMatchObject({ name: "catalogue", pid: catalogue.pid });
	}, 60_000);

	it.each([
		"mongod",
		"nats-server",
		"redis-server",
	])("starts a killed %s again, and the nodes find their way back with what was stored", async name => {
		const { body: cart } = await client.post("/carts", {});
		const server = cluster.servers.find(candidate => candidate.name === name);
		const { pid } = server ?? {};
		server?.kill("SIGKILL");
		await until(`${name} to run again`, () => told.includes(`${name} runs again`), 30_000);
		expect(server?.pid).not.toBe(pid);
		await until("the shop to serve", serves, 30_000);
		expect((await client.get(`/carts/${cart.id}`)).status).toBe(200);
	}, 90_000);

	it("starts a server again as soon as it can be, when it could not be at first", async () => {
		const server = cluster.servers.find(({ name }) => name === "redis-server");
		const log = join(dataDir, "redis", "redis-server.log");
		renameSync(log, `${log}.aside`);
		mkdirSync(log);
		told.length = 0;
		server?.kill("SIGKILL");
		await until("two starts to fail", () => told.filter(line => line.includes("EISDIR")).length >= 2, 30_000);
		rmdirSync(log);
		await until("it to run again", () => told.includes("redis-server runs again"), 40_000);
	}, 90_000);

	it("stays whole when one node cannot start with its new settings", async () => {
		const pid = cluster.process("gateway").pid;
		await expect(cluster.process("catalogue").restart({ LOG_LEVEL: "loud" })).rejects.toThrow(/before it was ready/);
		expect((await client.get("/products")).status).toBe(503);
		await cluster.process("catalogue").restart();
		await until("the shop to serve", serves, 30_000);
		expect(cluster.process("gateway").pid).toBe(pid);
	}, 60_000);

	it("keeps what it writes to its owner", () => {
		for (const file of ["cluster.json", "secret", "logs/gateway.log", "nats/nats-server.log"]) {
			expect([file, (statSync(join(dataDir, file)).mode & 0o077).toString(8)]).toEqual([file, "0"]);
		}
		expect(readFileSync(join(dataDir, "cluster.json"), "utf8")).not.toContain(
			readFileSync(join(dataDir, "secret"), "utf8"),
		);
	});

	it("leaves nothing behind when a start fails", async () => {
		const other = await mkdtemp(join(tmpdir(), "stoa-failing-"));
		const start = startCluster({ dataDir: other, groups: GROUPS, restart: false, env: { ...QUIET, PORT: "x" } });
		await expect(start).rejects.toThrow(/catalogue ended \(code 1\) before it was ready; see .*catalogue\.log/);
		expect(readFileSync(join(other, "logs/catalogue.log"), "utf8")).toContain("PORT must be");
		expect(processesOf(other)).toEqual([]);
		await rm(other, { recursive: true, force: true });
	}, 60_000);

	it("refuses to be a cluster without NATS", async () => {
		const other = await mkdtemp(join(tmpdir(), "stoa-lonely-"));
		const path = process.env["PATH"];
		process.env["PATH"] = other;
		try {
			await expect(startCluster({ dataDir: other, groups: GROUPS })).rejects.toThrow(/install nats-server|NATS_URL/);
		} finally {
			process.env["PATH"] = path;
			await rm(other, { recursive: true, force: true });
		}
	}, 30_000);
});
