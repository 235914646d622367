import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EmbeddedMongod, startEmbeddedMongod } from "../../embedded-mongod/src/index.ts";
import { Client } from "../support/client.ts";
import { create, rawBroker } from "../support/gateway.ts";
import { startNats, type TestNats } from "../support/nats.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { until } from "../support/until.ts";

/** A service whose value another node changes; cached where it runs. */
const shelf = (value: { now: number }) => ({
	name: "shelf",
	actions: {
		get: {
			visibility: "published",
			permissions: "anyone",
			openapi: { summary: "What is on the shelf" },
			rest: "GET /shelf",
			cached: { aggregate: "shelf", keys: [], ttlMs: 60_000 },
			handler: () => ({ value: value.now }),
		},
	},
});

describe("Gateways of a cluster without Redis", () => {
	let nats: TestNats;
	let mongod: EmbeddedMongod;
	let dataDir: string;
	let nodes: TestNode[] = [];
	const value = { now: 1 };
	const brokers = () => nodes.map(rawBroker);
	const clients = () => nodes.map(node => new Client(node.broker.stoa.publicUrl));

	beforeAll(async () => {
		dataDir = await mkdtemp(join(tmpdir(), "stoa-cluster-"));
		[nats, mongod] = await Promise.all([startNats(), startEmbeddedMongod({ dataDir })]);
		const start = (NODE_ID: string) =>
			startTestNode({ services: ["api"], env: { NODE_ID, NATS_URL: nats.url, MONGODB_URI: mongod.uri } });
		nodes = await Promise.all([start("node-a"), start("node-b")]);
		for (const broker of brokers()) await create(broker, shelf(value));
		await until("the nodes to know each other", () =>
			brokers().every(broker => broker.registry.getNodeList({ onlyAvailable: true }).length === 2),
		);
	}, 60_000);
	afterAll(async () => {
		await Promise.all(nodes.map(node => node.stop()));
		await nats?.stop();
		await mongod?.close();
		await rm(dataDir, { recursive: true, force: true });
	}, 60_000);

	const read = () => Promise.all(clients().map(async client => (await client.get("/shelf")).body.value));

	it("show a write at once on every node, although each caches", async () => {
		expect(await read()).toEqual([1, 1]);
		for (value.now = 2; value.now < 12; value.now++) {
			expect(await read()).toEqual([value.now - 1, value.now - 1]);
			await nodes[value.now % 2]?.broker.stoa.cache.bump("shelf");
			expect(await read()).toEqual([value.now, value.now]);
		}
	});

	it("know every route of the shop before they meet its services: away is 503, not a page that does not exist", async () => {
		const [client] = clients();
		if (!client) throw new Error("There is no gateway");
		for (const [method, path, status] of [
			["GET", "/products", 503],
			["POST", "/carts/crt_1/checkout", 503],
			["POST", "/auth/login", 503],
			["GET", "/nowhere", 404],
		] as const) {
			const answer = await client.request(method, path, {
				body: method === "GET" ? undefined : {},
				key: "a-key-of-the-test",
			});
			expect([path, answer.status, answer.headers.get("retry-after") !== null]).toEqual([path, status, status === 503]);
		}
	});

	it("learn a service that starts on another node, and answer 503 once it has gone", async () => {
		const [, other] = brokers();
		const [client] = clients();
		if (!other || !client) throw new Error("There are no nodes");
		await create(other, {
			name: "guest",
			actions: {
				get: {
					visibility: "published",
					permissions: "anyone",
					openapi: { summary: "A guest" },
					rest: "GET /guest",
					handler: () => ({ ok: true }),
				},
			},
		});
		await until("the new route", async () => (await client.get("/guest")).status === 200);
		const guest = other.getLocalService("guest");
		if (guest) await other.destroyService(guest);
		const away = await until("the service to be away", async () => {
			const answer = await client.get("/guest");
			return answer.status !== 200 && answer;
		});
		expect([away.status, away.body.code]).toEqual([503, "SERVICE_UNAVAILABLE"]);
	});

	it("fail at once while NATS is away, say that they are not ready, and recover by themselves", async () => {
		const [a, b] = nodes;
		if (!a || !b) throw new Error("There are no nodes");
		const ready = async () => (await fetch(`${a.opsUrl}/health/ready`)).status;
		expect(await ready()).toBe(200);
		await nats.kill();
		await until("the node to notice", async () => (await ready()) === 503);
		const raw = brokers()[0];
		const call = raw?.call("$cache.forget", { aggregate: "shelf" }, { nodeID: "node-b", retries: 0 });
		await expect(call).rejects.toMatchObject({ code: 503 });
		expect((await fetch(`${a.opsUrl}/health/live`)).status).toBe(200);
		await nats.start();
		await until("the node to be ready again", async () => (await ready()) === 200, 20_000);
		await until(
			"calls to arrive again",
			() => raw?.call("$cache.forget", { aggregate: "shelf" }, { nodeID: "node-b" }),
			20_000,
		);
	}, 60_000);
});
