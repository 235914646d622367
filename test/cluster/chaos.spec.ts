import { DEFAULT_GROUPS } from "../../cluster/launcher.ts";
import { Client } from "../support/client.ts";
import { startTestCluster, type TestCluster } from "../support/cluster.ts";
import { killAndRestart, leftWrong, replaceServer, serverOf } from "../support/faults.ts";
import { createRandom, type Random, seedOf } from "../support/random.ts";
import { adminToken, stockProduct } from "../support/shop.ts";
import { Shoppers } from "../support/shoppers.ts";

/**
 * One fault after the other, chosen by a printed seed, in a whole cluster at work: processes killed and frozen, servers
 * killed and emptied. What was acknowledged must exist, what was refused must not, and all books agree.
 * `CHAOS_FAULTS=100` makes a long run of it.
 */
const FAULTS = Number(process.env["CHAOS_FAULTS"] ?? 8);
const SKUS = ["CHAOS-1", "CHAOS-2", "CHAOS-3"];
const NODES = ["gateway-2", "orders", "orders-2", "stock", "payments", "provider", "mail"];

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

/** Each leaves the cluster whole again. */
const faults = {
	async kill(cluster: TestCluster, random: Random) {
		const name = random.pick(NODES);
		await killAndRestart(cluster.process(name));
		return `killed ${name}`;
	},
	async killTwo(cluster: TestCluster, random: Random) {
		const names = random.shuffled(NODES).slice(0, 2);
		await Promise.all(names.map(name => killAndRestart(cluster.process(name))));
		return `killed ${names.join(" and ")}`;
	},
	async freeze(cluster: TestCluster, random: Random) {
		const name = random.pick(NODES);
		const ms = 7_000 + random.below(6_000);
		cluster.process(name).kill("SIGSTOP");
		await pause(ms);
		cluster.process(name).kill("SIGCONT");
		return `froze ${name} for ${ms} ms`;
	},
	async emptyNats(cluster: TestCluster) {
		await replaceServer(cluster, serverOf(cluster, "nats-server"), true);
		return "killed NATS and emptied it";
	},
	async killRedis(cluster: TestCluster) {
		await replaceServer(cluster, serverOf(cluster, "redis-server"), false);
		return "killed Redis";
	},
	async killMongod(cluster: TestCluster) {
		await replaceServer(cluster, serverOf(cluster, "mongod"), false);
		return "killed mongod";
	},
};

describe("A cluster in which something fails all the time", () => {
	it(`after ${FAULTS} faults everything acknowledged exists, and stock, money and mails are right`, async () => {
		const random = createRandom(seedOf("chaos"));
		const groups = [
			...DEFAULT_GROUPS,
			{ name: "gateway-2", services: ["api", "products", "carts"] },
			{ name: "orders-2", services: ["orders"] },
		];
		const cluster = await startTestCluster(groups);
		try {
			const clients = cluster.urls.map(url => new Client(url));
			const first = clients[0] ?? new Client("");
			const admin = await adminToken(first);
			for (const sku of SKUS) await stockProduct(first, admin, { sku, price: 2_000, stock: 100_000 });
			const shoppers = new Shoppers({
				clients,
				adminToken: async () => admin,
				skus: SKUS,
				random: random.fork("shoppers"),
				atOnce: 8,
			});
			shoppers.start();
			const told: string[] = [];
			const kinds = Object.keys(faults) as (keyof typeof faults)[];
			for (let i = 0; i < FAULTS; i++) {
				await pause(1_000 + random.below(2_000));
				const kind = i < kinds.length ? (kinds[i] as keyof typeof faults) : random.pick(kinds);
				told.push(await faults[kind](cluster, random));
				process.stderr.write(`chaos: ${told.at(-1)}\n`);
			}
			await shoppers.close();
			process.stderr.write(`chaos: ${JSON.stringify(Object.fromEntries(shoppers.outcomes))}\n`);

			expect(shoppers.contradictions).toEqual([]);
			expect(await leftWrong(cluster, 120_000)).toEqual([]);
			expect(await shoppers.broken()).toEqual([]);
			expect(await shoppers.repeatAll()).toEqual([]);
		} finally {
			await cluster.stop();
		}
	}, 1_800_000);
});
