import type { Cluster, ClusterProcess } from "../../cluster/launcher.ts";
import { FAILPOINTS } from "../../lib/failpoints.ts";
import { Client, type Json } from "../support/client.ts";
import { startTestCluster } from "../support/cluster.ts";
import { leftWrong } from "../support/faults.ts";
import { createRandom, seedOf } from "../support/random.ts";
import { scenarioOf } from "../support/scenarios.ts";
import { adminToken, checkoutBody, stockProduct } from "../support/shop.ts";
import { until } from "../support/until.ts";

/**
 * kill -9 of the orders process at a step of a saga, and then nobody repeats the command; or the customer comes back
 * with another key. Beside `crash-matrix`, where a good client repeats with the same one. The crashes come one after the
 * other and heal together, so that a recovery is killed at the steps of the next crash, too.
 *
 * `MATRIX=full` takes every step, otherwise half of them for each client, by the printed seed.
 */
const SKU = "ALONE-1";
/** Longer than the oldest claim that nobody works on is left alone. */
const HEALED_MS = 120_000;

describe("kill -9 of the orders process at a step of a saga, with a client who", () => {
	const random = createRandom(seedOf("crash-alone"));
	const all = FAILPOINTS.filter(name => /^orders\.(place|decline|cancel|refund)\./.test(name));
	const sample = () =>
		process.env["MATRIX"] === "full" ? all : random.shuffled(all).slice(0, Math.ceil(all.length / 2));
	const [gone, other] = [sample(), sample()];
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

	/** @returns what the command was about: a cart, or a paid order */
	async function crashAt(name: string, column: string): Promise<Json> {
		const scenario = scenarioOf(name);
		const scene = { client, admin, run: `${column}-${name.replace(/[^a-z]/gi, "-")}`, sku: SKU };
		await orders.restart({ FAILPOINTS: "" });
		const prepared = await scenario.prepare(scene);
		await orders.restart({ FAILPOINTS: `${name}:crash` });
		let isDead = false;
		const died = orders.exited().then(() => {
			isDead = true;
		});
		// A recovery may pass the step before the command does, and die in its place.
		await until("the process to die at its failpoint", async () => {
			await Promise.race([died, scenario.act(scene, prepared).catch(() => undefined)]);
			return isDead;
		});
		return prepared;
	}

	const isCart = (subject: Json) => String(subject.id).startsWith("crt_");
	const ledgerOf = async (orderId: string) =>
		(await client.get(`/admin/payments/test/ledger?orderId=${orderId}`, { token: admin })).body.items as Json[];

	it(`is gone (${gone.length} of ${all.length} steps): every cart is open again or bought once, every order at rest`, async () => {
		const subjects: Json[] = [];
		for (const name of gone) subjects.push(await crashAt(name, "gone"));
		await orders.restart({ FAILPOINTS: "" });

		for (const subject of subjects.filter(isCart)) {
			await until(
				`the cart ${subject.id} to come to rest`,
				async () => {
					const { body } = await client.get(`/carts/${subject.id}`);
					return body.status === "open" || body.status === "ordered";
				},
				HEALED_MS,
			);
		}
		expect(await leftWrong(cluster, HEALED_MS)).toEqual([]);
		// What is open again can be bought.
		const [open] = await openOnes(subjects.filter(isCart));
		if (open) {
			const answer = await client.post(`/carts/${open.id}/checkout`, checkoutBody(open), { key: `again-${open.id}` });
			expect([answer.status, answer.body.status]).toEqual([201, "paid"]);
		}
	}, 900_000);

	it(`comes back with another key (${other.length} of ${all.length} steps): buys the cart, or finds it bought`, async () => {
		const carts: Json[] = [];
		for (const name of other) {
			const subject = await crashAt(name, "other");
			if (isCart(subject)) carts.push(subject);
		}
		await orders.restart({ FAILPOINTS: "" });
		for (const cart of carts) {
			const ended = await until(
				`the cart ${cart.id} to be bought`,
				async () => {
					const answer = await client.post(`/carts/${cart.id}/checkout`, checkoutBody(cart), {
						key: `other-${cart.id}`,
					});
					if (answer.status === 201) return { orderId: String(answer.body.id) };
					const { body } = await client.get(`/carts/${cart.id}`);
					return body.status === "ordered" && { orderId: undefined };
				},
				HEALED_MS,
			);
			if (ended.orderId) {
				const captures = (await ledgerOf(ended.orderId)).filter(({ kind }) => kind === "capture");
				expect(captures).toHaveLength(1);
			}
		}
		expect(await leftWrong(cluster, HEALED_MS)).toEqual([]);
	}, 900_000);

	async function openOnes(carts: readonly Json[]): Promise<Json[]> {
		const now = await Promise.all(carts.map(async ({ id }) => (await client.get(`/carts/${id}`)).body));
		return now.filter(({ status }) => status === "open");
	}
});
