import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EmbeddedMongod, startEmbeddedMongod } from "../../embedded-mongod/src/index.ts";
import { DomainError } from "../../lib/errors.ts";
import { Client } from "../support/client.ts";
import { create, rawBroker } from "../support/gateway.ts";
import { startNats, type TestNats } from "../support/nats.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { until } from "../support/until.ts";

type Mode = "well" | "silent" | "conflict" | "unavailable" | "wrong";
const MODES: Record<string, Mode> = { "node-b": "well", "node-c": "well" };

/** Answers as its node is told to. */
const part = (nodeId: string) => ({
	name: "part",
	actions: {
		ask: {
			visibility: "published",
			permissions: "anyone",
			openapi: { summary: "A part" },
			rest: "GET /part",
			timeout: 200,
			handler() {
				const mode = MODES[nodeId];
				if (mode === "silent") return new Promise(() => undefined);
				if (mode === "conflict") throw new DomainError("CONFLICT", nodeId);
				if (mode === "unavailable") throw new DomainError("SERVICE_UNAVAILABLE", nodeId);
				if (mode === "wrong") throw new Error(nodeId);
				return { node: nodeId };
			},
		},
	},
});

describe("The circuit breaker of a gateway", () => {
	let nats: TestNats;
	let mongod: EmbeddedMongod;
	let dataDir: string;
	let nodes: TestNode[] = [];
	let client: Client;
	const ask = async () => (await client.get("/part")).status;
	const asked = async (times: number) => {
		const statuses: number[] = [];
		for (let i = 0; i < times; i++) statuses.push(await ask());
		return statuses;
	};

	beforeAll(async () => {
		dataDir = await mkdtemp(join(tmpdir(), "stoa-cluster-"));
		[nats, mongod] = await Promise.all([startNats(), startEmbeddedMongod({ dataDir })]);
		const start = (NODE_ID: string, service: string) =>
			startTestNode({ services: [service], env: { NODE_ID, NATS_URL: nats.url, MONGODB_URI: mongod.uri } });
		nodes = await Promise.all([start("node-a", "api"), start("node-b", "users"), start("node-c", "users")]);
		const [a, b, c] = nodes;
		if (!a || !b || !c) throw new Error("There are no nodes");
		client = new Client(a.broker.stoa.publicUrl);
		await create(rawBroker(b), part("node-b"));
		await create(rawBroker(c), part("node-c"));
		await until("both parts", () => endpoints(a).length === 2);
	}, 60_000);
	afterAll(async () => {
		await Promise.all(nodes.map(node => node.stop()));
		await nats?.stop();
		await mongod?.close();
		await rm(dataDir, { recursive: true, force: true });
	}, 60_000);
	beforeEach(async () => {
		for (const node of Object.keys(MODES)) MODES[node] = "well";
		await until("both to answer", async () => (await asked(10)).every(status => status === 200), 20_000);
	});

	const endpoints = (node: TestNode) =>
		(
			node.broker.registry as unknown as {
				actions: { get(name: string): { endpoints: { state: boolean }[] } | null };
			}
		).actions.get("part.ask")?.endpoints ?? [];
	const passedOver = () => (nodes[0] ? endpoints(nodes[0]).filter(({ state }) => !state).length : 0);

	it.each(["conflict", "unavailable", "wrong"] as const)("stays closed whatever is answered: %s", async mode => {
		for (const node of Object.keys(MODES)) MODES[node] = mode;
		await asked(60);
		expect(passedOver()).toBe(0);
		for (const node of Object.keys(MODES)) MODES[node] = "well";
		expect(new Set(await asked(20))).toEqual(new Set([200]));
	}, 60_000);

	it("opens for one that is silent, tries it again, and is closed by any answer", async () => {
		MODES["node-b"] = "silent";
		await until("the breaker to open", async () => (await asked(1)) && passedOver() === 1, 30_000);
		expect(new Set(await asked(20))).toEqual(new Set([200]));
		// It is tried, it is silent, it is passed over again: never more than one request in a while pays for that.
		MODES["node-b"] = "conflict";
		await until("its first answer", async () => (await ask()) === 409, 30_000);
		const after = await asked(20);
		expect([after.filter(status => status === 409).length, passedOver()]).toEqual([10, 0]);
	}, 90_000);

	it("never takes the last one away, which answers the moment it is well", async () => {
		MODES["node-b"] = "silent";
		MODES["node-c"] = "silent";
		await asked(30);
		expect(passedOver()).toBeLessThan(2);
		for (const node of Object.keys(MODES)) MODES[node] = "well";
		expect(new Set(await asked(10))).toEqual(new Set([200]));

		MODES["node-b"] = "silent";
		await until("the breaker to open", async () => (await asked(1)) && passedOver() === 1, 30_000);
		const other = rawBroker(nodes[2] as TestNode);
		const service = other.getLocalService("part");
		if (service) await other.destroyService(service);
		await until("the other to be gone", () => nodes[0] && endpoints(nodes[0]).length === 1);
		await until("the last one to be asked again", () => passedOver() === 0);
		MODES["node-b"] = "well";
		expect(await asked(5)).toEqual([200, 200, 200, 200, 200]);
	}, 90_000);
});
