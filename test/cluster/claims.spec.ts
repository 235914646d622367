import type { Cluster } from "../../cluster/launcher.ts";
import { checkInvariants } from "../../invariants/index.ts";
import { type Answer, Client, type Json } from "../support/client.ts";
import { startTestCluster } from "../support/cluster.ts";
import { adminToken, cartWith, checkoutBody, stockProduct } from "../support/shop.ts";
import { until } from "../support/until.ts";

/** Two gateways, each with orders of its own beside it, so that a test says which process takes a request. */
describe("Claims and keys over several processes", () => {
	let cluster: Cluster;
	let one: Client;
	let two: Client;
	let admin: string;

	beforeAll(async () => {
		cluster = await startTestCluster([
			{ name: "front-1", services: ["api", "orders"] },
			{ name: "front-2", services: ["api", "orders"] },
			{ name: "shop", services: ["products", "carts", "inventory", "auth", "users", "notifications"] },
			{ name: "money", services: ["payments", "test-payments"] },
		]);
		one = new Client(cluster.urls[0] ?? "");
		two = new Client(cluster.urls[1] ?? "");
		admin = await adminToken(two);
		await stockProduct(two, admin, { sku: "CLAIM-1", stock: 50 });
	}, 90_000);
	afterAll(() => cluster?.stop(), 60_000);

	const buy = (client: Client, cart: Json, key: string, token = "tok_ok") =>
		client.post(`/carts/${cart.id}/checkout`, checkoutBody(cart, { token }), { key, timeoutMs: 60_000 });
	const statusOf = async (cart: Json) => (await two.get(`/carts/${cart.id}`)).body?.status;
	const expectRight = async () => {
		const report = await until(
			"all to end",
			async () => {
				const found = await checkInvariants(cluster.mongodbUri);
				return found.ok && found;
			},
			60_000,
		).catch(() => checkInvariants(cluster.mongodbUri));
		expect(report.violations).toEqual([]);
	};
	/** Bought by the first process, which dies or sleeps between its claim and its order. */
	async function leftBehind(mode: string) {
		await cluster.process("front-1").restart({ FAILPOINTS: `orders.place.create:before:${mode}` });
		const cart = await cartWith(two, "CLAIM-1");
		const answer: Promise<Answer | undefined> = buy(one, cart, `first-${cart.id}`).catch(() => undefined);
		await until("the cart to be held", async () => (await statusOf(cart)) === "checking_out");
		return { cart, answer };
	}

	it("a process dies between claim and order and nobody repeats: the cart opens by itself, and another key buys", async () => {
		const died = cluster.process("front-1").exited();
		const { cart } = await leftBehind("crash");
		await died;
		const early = await buy(two, cart, `other-${cart.id}`);
		expect([early.status, early.body.code]).toEqual([409, "CART_NOT_OPEN"]);
		await until("the cart to be open", async () => (await statusOf(cart)) === "open", 60_000);
		expect((await buy(two, cart, `other-${cart.id}`)).status).toBe(201);
		await cluster.process("front-1").restart({ FAILPOINTS: "" });
		await expectRight();
	}, 150_000);

	it("a process sleeps between claim and order while another key buys: it sells nothing, and says so twice alike", async () => {
		const { cart, answer } = await leftBehind("pause:25000");
		const bought = await until(
			"the other key to get past",
			async () => {
				const other = await buy(two, cart, `other-${cart.id}`);
				return other.status === 201 && other;
			},
			60_000,
		);
		const late = await answer;
		expect([late?.status, late?.body.code]).toEqual([409, "CART_NOT_OPEN"]);
		const again = await buy(two, cart, `first-${cart.id}`);
		expect(again.text).toBe(late?.text);
		expect(again.headers.get("idempotent-replayed")).toBe("true");
		const { body } = await two.get(`/admin/payments/test/ledger`, { token: admin });
		const captures = body.items.filter(({ kind, orderId }: Json) => kind === "capture" && orderId === bought.body.id);
		expect(captures).toHaveLength(1);
		await expectRight();
	}, 150_000);

	it("a refusal that another process found is the same to the letter at every gateway", async () => {
		for (const [token, quantity, code] of [
			["tok_declined", 1, "PAYMENT_DECLINED"],
			["tok_ok", 900, "STOCK_INSUFFICIENT"],
		] as const) {
			const cart = await cartWith(two, "CLAIM-1", quantity);
			const first = await buy(two, cart, `refused-${cart.id}`, token);
			expect(first.body.code).toBe(code);
			const again = await buy(one, cart, `refused-${cart.id}`, token);
			expect([again.status, again.text]).toEqual([first.status, first.text]);
			expect(again.headers.get("idempotent-replayed")).toBe("true");
		}
		const elsewhere = `/carts/crt_${"0".repeat(36)}/lines`;
		const add = (client: Client) => client.post(elsewhere, { sku: "CLAIM-1", quantity: 1 }, { key: "nowhere" });
		const first = await add(one);
		const again = await add(two);
		expect([first.status, again.text]).toEqual([404, first.text]);
	}, 60_000);
});
