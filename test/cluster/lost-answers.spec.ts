import type { Cluster } from "../../cluster/launcher.ts";
import { checkInvariants } from "../../invariants/index.ts";
import { Client } from "../support/client.ts";
import { startTestCluster } from "../support/cluster.ts";
import { adminToken, cartWith, checkoutBody, checkoutUntilFinal, stockProduct } from "../support/shop.ts";
import { until } from "../support/until.ts";

describe("When an answer is lost on its way", () => {
	let cluster: Cluster;
	let client: Client;
	let admin: string;

	beforeAll(async () => {
		cluster = await startTestCluster([
			{ name: "gateway-1", services: ["api"] },
			{ name: "gateway-2", services: ["api"] },
			{ name: "shop", services: ["products", "carts", "inventory", "auth", "users", "orders", "notifications"] },
			{ name: "payments", services: ["payments"] },
			{ name: "provider", services: ["test-payments"] },
		]);
		client = new Client(cluster.urls[1] ?? "");
		admin = await adminToken(client);
		await stockProduct(client, admin, { sku: "LOST-1", stock: 50 });
	}, 90_000);

	afterAll(async () => {
		await cluster?.stop();
	}, 60_000);

	const capturesOf = async (orderId: string) => {
		const { body } = await client.get(`/admin/payments/test/ledger?orderId=${orderId}`, { token: admin });
		return body.items.filter((item: { kind: string }) => item.kind === "capture");
	};

	const expectRight = async () => {
		const report = await until("sagas and outboxes to end", async () => {
			const found = await checkInvariants(cluster.mongodbUri);
			return found.ok && found;
		});
		expect(report.violations).toEqual([]);
	};

	it("a gateway killed after the commit, before the answer: the repeat at another gateway gets the very order", async () => {
		const gateway = cluster.process("gateway-1");
		const doomed = new Client(cluster.urls[0] ?? "");
		const cart = await cartWith(client, "LOST-1");
		await gateway.restart({ FAILPOINTS: "api.answer:before:crash" });
		const died = gateway.exited();
		await expect(
			doomed.post(`/carts/${cart.id}/checkout`, checkoutBody(cart), { key: "lost-gateway" }),
		).rejects.toThrow();
		await died;

		const answer = await checkoutUntilFinal(client, cart.id, checkoutBody(cart), "lost-gateway");
		expect([answer.status, answer.body.status, answer.headers.get("idempotent-replayed")]).toEqual([
			201,
			"paid",
			"true",
		]);
		expect(await capturesOf(answer.body.id)).toHaveLength(1);
		await gateway.restart({ FAILPOINTS: "" });
		await expectRight();
	}, 60_000);

	it("a payment that charges and never answers: asked again under the same key, one charge, one order", async () => {
		const cart = await cartWith(client, "LOST-1");
		const answer = await checkoutUntilFinal(
			client,
			cart.id,
			checkoutBody(cart, { token: "tok_timeout_after_charge" }),
			"lost-charge",
		);
		expect([answer.status, answer.body.status]).toEqual([201, "paid"]);
		const { body } = await client.get(`/admin/payments/test/ledger?orderId=${answer.body.id}`, { token: admin });
		expect(body.items.map((item: { kind: string }) => item.kind)).toEqual(["authorize", "capture"]);
		await expectRight();
	}, 60_000);

	it("50 equal keys at once over two gateways: one order, one charge, one answer", async () => {
		const cart = await cartWith(client, "LOST-1");
		const clients = cluster.urls.map(url => new Client(url));
		const answers = await Promise.all(
			Array.from({ length: 50 }, (_, i) =>
				checkoutUntilFinal(clients[i % 2] ?? client, cart.id, checkoutBody(cart), "fifty"),
			),
		);
		expect([...new Set(answers.map(answer => answer.status))]).toEqual([201]);
		expect(new Set(answers.map(answer => answer.text)).size).toBe(1);
		expect(await capturesOf(answers[0]?.body.id)).toHaveLength(1);
		await expectRight();
	}, 60_000);

	it("20 parallel line edits of one cart: nothing is lost", async () => {
		await Promise.all(
			Array.from({ length: 20 }, (_, i) => stockProduct(client, admin, { sku: `EDIT-${i}`, stock: 1 })),
		);
		const cart = await cartWith(client, "LOST-1");
		const edits = await Promise.all(
			Array.from({ length: 20 }, (_, i) =>
				new Client(cluster.urls[i % 2] ?? "").post(`/carts/${cart.id}/lines`, { sku: `EDIT-${i}`, quantity: 1 }),
			),
		);
		expect([...new Set(edits.map(edit => edit.status))]).toEqual([200]);
		const adds = await Promise.all(
			Array.from({ length: 20 }, () => client.post(`/carts/${cart.id}/lines`, { sku: "LOST-1", quantity: 1 })),
		);
		expect([...new Set(adds.map(edit => edit.status))]).toEqual([200]);
		const { body } = await client.get(`/carts/${cart.id}`);
		expect(body.lines).toHaveLength(21);
		expect(body.lines.find((line: { sku: string }) => line.sku === "LOST-1").quantity).toBe(21);
	}, 60_000);

	it("the whole payments process killed in the middle of many checkouts: nothing is charged twice, nothing is lost", async () => {
		const payments = cluster.process("payments");
		const carts = await Promise.all(Array.from({ length: 12 }, () => cartWith(client, "LOST-1")));
		const buying = Promise.all(
			carts.map((cart, i) =>
				checkoutUntilFinal(
					client,
					cart.id,
					checkoutBody(cart, { token: i % 3 === 0 ? "tok_slow" : "tok_ok" }),
					`killed-${i}`,
					60_000,
				),
			),
		);
		await until("the first charges", async () => {
			const { body } = await client.get("/admin/payments/test/ledger", { token: admin });
			return body.items.length > 8;
		});
		payments.kill("SIGKILL");
		await payments.exited();
		await payments.restart({});
		const answers = await buying;
		expect([...new Set(answers.map(answer => answer.status))]).toEqual([201]);
		await expectRight();
	}, 120_000);
});
