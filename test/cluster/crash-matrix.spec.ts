import type { Cluster, ClusterProcess } from "../../cluster/launcher.ts";
import { FAILPOINTS } from "../../lib/failpoints.ts";
import { Client } from "../support/client.ts";
import { startTestCluster } from "../support/cluster.ts";
import { leftWrong } from "../support/faults.ts";
import { SCENARIOS, scenarioOf } from "../support/scenarios.ts";
import { adminToken, stockProduct } from "../support/shop.ts";
import { until } from "../support/until.ts";

/**
 * kill -9 of the orders process at every step of every saga, before and after each commit. The list is the table of
 * failpoints itself: a saga that is not driven here, and a step that is never reached, fail the suite.
 */
const SKU = "CRASH-1";

describe("kill -9 of the orders process at every step of its sagas", () => {
	let cluster: Cluster;
	let orders: ClusterProcess;
	let client: Client;
	let admin: string;

	beforeAll(async () => {
		cluster = await startTestCluster([
			{ name: "shop", services: ["api", "products", "carts", "auth", "users", "inventory"] },
			{ name: "orders", services: ["orders"] },
			{ name: "money", services: ["payments", "test-payments", "notifications"] },
		]);
		orders = cluster.process("orders");
		client = new Client(cluster.urls[0] ?? "");
		admin = await adminToken(client);
		await stockProduct(client, admin, { sku: SKU, price: 2_000, stock: 1_000 });
	}, 90_000);

	afterAll(async () => {
		await cluster?.stop();
	}, 60_000);

	const names = FAILPOINTS.filter(name => name.startsWith("orders."));

	it("knows a scenario for every saga", () => {
		expect(names.length).toBeGreaterThan(10);
		const sagas = new Set(names.map(name => name.split(".")[1] ?? ""));
		expect([...sagas].filter(saga => !(saga in SCENARIOS))).toEqual([]);
	});

	it.each(names)("%s: the saga ends, the client's repeat gets the answer, stock and money are right", async name => {
		const scenario = scenarioOf(name);
		const scene = { client, admin, run: name.replace(/[^a-z]/gi, "-"), sku: SKU };
		const prepared = await scenario.prepare(scene);

		await orders.restart({ FAILPOINTS: `${name}:crash` });
		let isDead = false;
		const died = orders.exited().then(() => {
			isDead = true;
		});
		// The same command again, as a client would, should the first have found no process yet.
		await until("the process to die at its failpoint", async () => {
			await Promise.race([died, scenario.act(scene, prepared).catch(() => undefined)]);
			return isDead;
		});
		await orders.restart({ FAILPOINTS: "" });

		const answer = await scenario.repeat(scene, prepared);
		scenario.expectOutcome(scene, answer);
		expect(await leftWrong(cluster, 30_000)).toEqual([]);
	}, 120_000);
});
