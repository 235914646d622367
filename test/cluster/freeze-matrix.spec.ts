import type { Cluster, ClusterProcess } from "../../cluster/launcher.ts";
import { FAILPOINTS } from "../../lib/failpoints.ts";
import { Client } from "../support/client.ts";
import { startTestCluster } from "../support/cluster.ts";
import { isFrozen, leftWrong } from "../support/faults.ts";
import { createRandom, seedOf } from "../support/random.ts";
import { adminToken, stockProduct } from "../support/shop.ts";
import { Shoppers } from "../support/shoppers.ts";

/**
 * A process that is frozen (SIGSTOP) at a step of a saga for longer than its lease, while another one takes the order
 * over, and that then wakes up and goes on: nothing it writes may count. Customers of every kind shop all the while.
 *
 * `MATRIX=full` freezes at every step; otherwise a sample is taken by the printed seed.
 */
const SAMPLE = 14;
/** Longer than a lease (5 s) and a turn of the recovery (1 s). */
const FROZEN_MS = 8_000;
const FREEZERS = 3;
/** Sagas that shoppers bring about. */
const DRIVEN = /^orders\.(place|decline|cancel|refund)\./;

describe("A process frozen at a step of a saga past its lease", () => {
	const random = createRandom(seedOf("freeze-matrix"));
	const all = FAILPOINTS.filter(name => DRIVEN.test(name));
	const chosen = process.env["MATRIX"] === "full" ? all : random.shuffled(all).slice(0, SAMPLE);
	let cluster: Cluster;
	let freezers: ClusterProcess[];
	let admin: string;
	let clients: Client[];

	beforeAll(async () => {
		cluster = await startTestCluster([
			{ name: "shop", services: ["api", "products", "carts", "auth", "users", "inventory"] },
			...Array.from({ length: FREEZERS }, (_, i) => ({ name: `orders-${i}`, services: ["orders"] })),
			{ name: "orders-awake", services: ["orders"] },
			{ name: "money", services: ["payments", "test-payments", "notifications"] },
		]);
		freezers = cluster.processes.filter(({ name }) => /^orders-\d$/.test(name));
		clients = cluster.urls.map(url => new Client(url));
		admin = await adminToken(clients[0] ?? new Client(""));
		await stockProduct(clients[0] ?? new Client(""), admin, { sku: "FREEZE-1", price: 2_000, stock: 100_000 });
	}, 120_000);

	afterAll(async () => {
		for (const freezer of freezers ?? []) freezer.kill("SIGCONT");
		await cluster?.stop();
	}, 60_000);

	it(`wakes up at ${chosen.length} of ${all.length} steps and harms nothing`, async () => {
		const armed = freezers.map((freezer, i) => ({ freezer, names: chosen.filter((_, n) => n % FREEZERS === i) }));
		for (const { freezer, names } of armed)
			await freezer.restart({ FAILPOINTS: names.map(name => `${name}:freeze`).join(",") });

		const shoppers = new Shoppers({
			clients,
			adminToken: async () => admin,
			skus: ["FREEZE-1"],
			random: random.fork("shoppers"),
			atOnce: 6,
		});
		shoppers.start();
		await Promise.all(armed.map(({ freezer, names }) => thaw(freezer, names.length)));
		await shoppers.close();

		expect(shoppers.contradictions).toEqual([]);
		expect(await leftWrong(cluster)).toEqual([]);
		expect(await shoppers.broken()).toEqual([]);
		expect(await shoppers.repeatAll()).toEqual([]);
	}, 900_000);
});

/** Lets a process sleep as often as it has armed points, each time for longer than its leases. */
async function thaw(freezer: ClusterProcess, times: number): Promise<void> {
	for (let woken = 0; woken < times; ) {
		await new Promise(resolve => setTimeout(resolve, 100));
		if (!isFrozen(freezer)) continue;
		await new Promise(resolve => setTimeout(resolve, FROZEN_MS));
		freezer.kill("SIGCONT");
		woken++;
		await new Promise(resolve => setTimeout(resolve, 100));
	}
}
