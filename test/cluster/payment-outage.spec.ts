import { checkInvariants } from "../../invariants/index.ts";
import { Client, type Json } from "../support/client.ts";
import { startTestCluster, type TestCluster } from "../support/cluster.ts";
import { killAndRestart } from "../support/faults.ts";
import { adminToken, cartWith, checkoutBody, checkoutUntilFinal, stockProduct } from "../support/shop.ts";
import { until } from "../support/until.ts";

const BUYERS = 60;
const UNITS = 20;

describe("A payment outage of some seconds amid a flash sale", () => {
	let cluster: TestCluster;
	let client: Client;
	let admin: string;

	beforeAll(async () => {
		cluster = await startTestCluster([
			{ name: "gateway", services: ["api", "products", "carts"] },
			{ name: "orders", services: ["orders"] },
			{ name: "stock", services: ["inventory", "auth", "users"] },
			{ name: "payments", services: ["payments"] },
			{ name: "provider", services: ["test-payments"] },
			{ name: "mail", services: ["notifications"] },
		]);
		client = new Client(cluster.urls[0] ?? "");
		admin = await adminToken(client);
		await stockProduct(client, admin, { sku: "OTHER", stock: 100 });
	}, 120_000);
	afterAll(() => cluster?.stop(), 60_000);

	it.each([
		"frozen",
		"killed",
	] as const)(`heals at once when the provider was ${"%s"}: the next checkout works, and exactly what there was is sold`, async how => {
		const sku = `HOT-${how}`;
		await stockProduct(client, admin, { sku, stock: UNITS });
		const provider = cluster.process("provider");
		const tries: number[] = [];
		const carts = await Promise.all(Array.from({ length: BUYERS }, () => cartWith(client, sku)));
		const buyer = async (cart: Json, i: number) =>
			until(
				`the answer of buyer ${i}`,
				async () => {
					const answer = await client.post(`/carts/${cart.id}/checkout`, checkoutBody(cart), {
						key: `outage-${how}-${i}`,
						timeoutMs: 60_000,
					});
					tries.push(answer.status);
					const isFinal = answer.status < 500 && answer.body?.code !== "IDEMPOTENCY_IN_PROGRESS";
					return isFinal && answer;
				},
				120_000,
			);
		// Two sales are done when the outage begins, and all others meet it: however fast the machine is.
		const done = await Promise.all(carts.slice(0, 2).map(buyer));
		provider.kill(how === "frozen" ? "SIGSTOP" : "SIGKILL");
		const rest = Promise.all(carts.slice(2).map((cart, i) => buyer(cart, i + 2)));
		// Should the test end before they do, they are not awaited any more.
		rest.catch(() => undefined);
		await until("the outage to be told", () => tries.filter(status => status === 503).length >= 10, 60_000);
		if (how === "frozen") provider.kill("SIGCONT");
		else await killAndRestart(provider);

		// Once, with no second try: whoever comes now does not pay for what was.
		const cart = await cartWith(client, "OTHER");
		const next = await client.post(`/carts/${cart.id}/checkout`, checkoutBody(cart), { key: `next-after-${how}` });
		expect([next.status, next.body?.code]).toEqual([201, undefined]);

		const outcomes = [...done, ...(await rest)];
		expect(new Set(outcomes.map(({ status, body }) => `${status} ${body.code ?? body.status}`))).toEqual(
			new Set(["201 paid", "409 STOCK_INSUFFICIENT"]),
		);
		await until("everything begun to end", async () => (await checkInvariants(cluster.mongodbUri)).ok, 90_000);
		// What was given back by who gave up in the outage is there for who comes later, down to the last piece.
		let sold = outcomes.filter(({ status }) => status === 201).length;
		for (let i = 0; ; i++) {
			const late = await cartWith(client, sku);
			const answer = await checkoutUntilFinal(client, late.id, checkoutBody(late), `late-${how}-${i}`);
			if (answer.status !== 201) break;
			sold++;
		}
		expect(sold).toBe(UNITS);
		const { body: stock } = await client.get(`/admin/inventory/${sku}`, { token: admin });
		expect(stock.totals).toMatchObject({ available: 0, sold: UNITS, received: UNITS });
		await until("all books to agree", async () => (await checkInvariants(cluster.mongodbUri)).ok, 60_000);
	}, 240_000);
});
