import type { Cluster } from "../../cluster/launcher.ts";
import { checkInvariants } from "../../invariants/index.ts";
import { Client } from "../support/client.ts";
import { startTestCluster } from "../support/cluster.ts";
import { adminToken, cartWith, checkoutBody, stockProduct } from "../support/shop.ts";
import { until } from "../support/until.ts";

const BUYERS = 200;
const UNITS = 20;

describe("A flash sale over two gateways and two order services", () => {
	let cluster: Cluster;

	beforeAll(async () => {
		cluster = await startTestCluster([
			{ name: "gateway-1", services: ["api", "products", "carts"] },
			{ name: "gateway-2", services: ["api", "products", "carts"] },
			{ name: "orders-1", services: ["orders"] },
			{ name: "orders-2", services: ["orders"] },
			{ name: "stock", services: ["inventory", "auth", "users"] },
			{ name: "payments", services: ["payments", "test-payments"] },
			{ name: "mail", services: ["notifications"] },
		]);
	}, 90_000);

	afterAll(async () => {
		await cluster?.stop();
	}, 60_000);

	it(`When ${BUYERS} buyers want the last ${UNITS}, exactly ${UNITS} paid orders exist and nobody else is charged`, async () => {
		const clients = cluster.urls.map(url => new Client(url));
		expect(clients).toHaveLength(2);
		const [first = new Client("")] = clients;
		const admin = await adminToken(first);
		await stockProduct(first, admin, { sku: "HOT-1", price: 9_900, stock: UNITS });

		const outcomes = await Promise.all(
			Array.from({ length: BUYERS }, async (_, i) => {
				const client = clients[i % clients.length] ?? first;
				const cart = await cartWith(client, "HOT-1");
				const body = checkoutBody(cart, { email: `buyer-${i}@shop.test` });
				const answer = await client.post(`/carts/${cart.id}/checkout`, body, { key: `flash-${i}`, timeoutMs: 60_000 });
				return { status: answer.status, code: answer.body?.code, orderStatus: answer.body?.status };
			}),
		);
		const won = outcomes.filter(outcome => outcome.status === 201);
		const lost = outcomes.filter(outcome => outcome.status !== 201);
		expect(won.every(outcome => outcome.orderStatus === "paid")).toBe(true);
		expect([...new Set(lost.map(outcome => `${outcome.status} ${outcome.code}`))]).toEqual(["409 STOCK_INSUFFICIENT"]);
		expect(won).toHaveLength(UNITS);

		const { body: stock } = await first.get("/admin/inventory/HOT-1", { token: admin });
		expect(stock.totals).toMatchObject({ available: 0, sold: UNITS, received: UNITS });
		const { body: ledger } = await first.get("/admin/payments/test/ledger", { token: admin });
		const captures = ledger.items.filter((item: { kind: string }) => item.kind === "capture");
		expect(new Set(captures.map((item: { orderId: string }) => item.orderId)).size).toBe(UNITS);
		expect(captures).toHaveLength(UNITS);

		const report = await until("sagas and outboxes to end", async () => {
			const found = await checkInvariants(cluster.mongodbUri);
			return found.ok && found;
		});
		expect(report.violations).toEqual([]);
	}, 120_000);
});
