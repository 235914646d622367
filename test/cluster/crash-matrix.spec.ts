import type { Cluster, ClusterProcess } from "../../cluster/launcher.ts";
import { checkInvariants } from "../../invariants/index.ts";
import { FAILPOINTS } from "../../lib/failpoints.ts";
import { type Answer, Client, type Json } from "../support/client.ts";
import { startTestCluster } from "../support/cluster.ts";
import { adminToken, cartWith, checkoutBody, checkoutUntilFinal, eur, stockProduct } from "../support/shop.ts";
import { until } from "../support/until.ts";

/**
 * kill -9 of the orders process at every step of every saga, before and after each commit. The list is the table of
 * failpoints itself: a saga that is not driven here, and a step that is never reached, fail the suite.
 */
const SKU = "CRASH-1";

interface Scene {
	client: Client;
	admin: string;
	/** Names this run, for keys and addresses. */
	run: string;
}

/** What leads to a saga's steps, and how a good client goes on after the crash. */
interface Scenario {
	/** Everything before the process is armed. */
	prepare(scene: Scene): Promise<Json>;
	/** The command whose saga dies. */
	act(scene: Scene, prepared: Json): Promise<unknown>;
	/** The client's repeat with the same key; gives the final answer. */
	repeat(scene: Scene, prepared: Json): Promise<Answer>;
	/** What must be true of the final answer. */
	expectOutcome(scene: Scene, answer: Answer): void;
}

const place: Scenario = {
	prepare: async ({ client }) => cartWith(client, SKU),
	act: ({ client, run }, cart) =>
		client.post(`/carts/${cart.id}/checkout`, checkoutBody(cart), { key: run, timeoutMs: 15_000 }),
	repeat: ({ client, run }, cart) => checkoutUntilFinal(client, cart.id, checkoutBody(cart), run),
	expectOutcome: (_scene, answer) => expect([answer.status, answer.body.status]).toEqual([201, "paid"]),
};

/** The checkout whose card is declined: every step of the compensation. */
const decline: Scenario = {
	...place,
	act: ({ client, run }, cart) =>
		client.post(`/carts/${cart.id}/checkout`, checkoutBody(cart, { token: "tok_declined" }), {
			key: run,
			timeoutMs: 15_000,
		}),
	repeat: ({ client, run }, cart) =>
		checkoutUntilFinal(client, cart.id, checkoutBody(cart, { token: "tok_declined" }), run),
	expectOutcome: (_scene, answer) => expect([answer.status, answer.body.code]).toEqual([402, "PAYMENT_DECLINED"]),
};

const finalAnswer = (send: () => Promise<Answer>) =>
	until(
		"the final answer",
		async () => {
			const answer = await send();
			const isFinal = answer.status < 500 && answer.body?.code !== "IDEMPOTENCY_IN_PROGRESS";
			return isFinal && answer;
		},
		40_000,
	);

async function paidOrder({ client, run }: Scene): Promise<Json> {
	const cart = await cartWith(client, SKU);
	const answer = await checkoutUntilFinal(client, cart.id, checkoutBody(cart), `${run}-paid`);
	expect(answer.status).toBe(201);
	return answer.body;
}

const cancel: Scenario = {
	prepare: paidOrder,
	act: ({ client, run }, order) =>
		client.post(
			`/orders/${order.id}/cancel`,
			{},
			{ key: run, headers: { "x-order-token": order.accessToken }, timeoutMs: 15_000 },
		),
	repeat: ({ client, run }, order) =>
		finalAnswer(() =>
			client.post(`/orders/${order.id}/cancel`, {}, { key: run, headers: { "x-order-token": order.accessToken } }),
		),
	expectOutcome: (_scene, answer) => expect([answer.status, answer.body.status]).toEqual([200, "cancelled"]),
};

const refundOf = ({ client, admin, run }: Scene, order: Json) =>
	client.post(
		`/admin/orders/${order.id}/refunds`,
		{ amount: eur(500), reason: "crash" },
		{ token: admin, key: run, timeoutMs: 15_000 },
	);

const refund: Scenario = {
	prepare: paidOrder,
	act: refundOf,
	repeat: (scene, order) => finalAnswer(() => refundOf(scene, order)),
	expectOutcome: (_scene, answer) => {
		expect(answer.status).toBeLessThan(300);
		expect(answer.body.refunds).toHaveLength(1);
	},
};

/** By what follows `orders.` in a failpoint's name. */
const SCENARIOS: Record<string, Scenario> = { place, decline, cancel, refund };

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
		const scenario = SCENARIOS[name.split(".")[1] ?? ""] ?? place;
		const scene: Scene = { client, admin, run: name.replace(/[^a-z]/gi, "-") };
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
		const report = await until(
			"all sagas and outboxes to end",
			async () => {
				const found = await checkInvariants(cluster.mongodbUri);
				return found.ok && found;
			},
			30_000,
		).catch(() => checkInvariants(cluster.mongodbUri));
		expect(report.violations).toEqual([]);
	}, 120_000);
});
