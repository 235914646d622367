import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mongoose, { type Model } from "mongoose";
import { startEmbeddedMongod } from "../../embedded-mongod/src/index.ts";
import type { FailpointName } from "../../lib/failpoints.ts";
import type { Loop } from "../../lib/loop.ts";
import type { CartDocument } from "../../services/carts/carts.model.ts";
import type { Order } from "../../services/orders/orders.contract.ts";
import { StaleLease } from "../../services/orders/use-cases/saga.ts";
import { adoptPayments } from "../../services/payments/adopt.ts";
import type { PaymentDocument } from "../../services/payments/payments.model.ts";
import { type MoneyShop, STAFF, startMoneyShop } from "../support/money-shop.ts";
import { makeOld } from "../support/old-shop.ts";
import { ADDRESS, eur } from "../support/shop.ts";
import { until } from "../support/until.ts";

describe("A shop that ran with an earlier version", () => {
	let server: Awaited<ReturnType<typeof startEmbeddedMongod>>;
	let dir: string;
	let client: mongoose.mongo.MongoClient;
	let shop: MoneyShop;
	const left: Record<string, Order> = {};
	const stopped: Partial<Record<FailpointName, string>> = {};
	let held = "";
	let edited = "";

	beforeAll(async () => {
		dir = await mkdtemp(join(tmpdir(), "stoa-old-"));
		server = await startEmbeddedMongod({ dataDir: dir });
		client = await mongoose.mongo.MongoClient.connect(server.uri);
		const before = await startMoneyShop({ env: { MONGODB_URI: server.uri } });
		await live(before);
		await before.stop();
		await makeOld(client);
		shop = await startMoneyShop({ env: { MONGODB_URI: server.uri } });
	}, 120_000);
	afterAll(async () => {
		await shop?.stop();
		await client?.close();
		await server?.close();
		await rm(dir, { recursive: true, force: true });
	}, 60_000);

	const refund = (in_: MoneyShop, { id }: Order, amount: number, idempotencyKey: string) =>
		in_.broker.call(
			"orders.refund",
			{ id, amount: eur(amount), reason: "scratch" },
			{ meta: { ...STAFF, idempotencyKey } },
		);
	const carts = () => client.db("carts").collection<CartDocument>("carts");
	const statusOf = async (id: string) => (await shop.order(id)).status;

	/** Everything that may be under way when the old version is stopped. */
	async function live(old: MoneyShop): Promise<void> {
		// Nobody goes on with what stops here.
		const { recovery, asking } = old.broker.getLocalService("orders") as unknown as { recovery: Loop; asking: Loop };
		const { sweep } = old.broker.getLocalService("carts") as unknown as { sweep: Loop };
		await Promise.all([recovery.stop(), asking.stop(), sweep.stop()]);
		await old.product("A", 1_000);
		for (const name of ["paid", "part", "cancelling", "refunding"]) left[name] = await old.place("tok_ok");
		for (const name of ["asked", "waiting"])
			left[name] = await old.place(name === "asked" ? "tok_refund_later" : "tok_async");
		await refund(old, orderOf("part"), 600, "part");
		await refund(old, orderOf("asked"), 300, "asked");
		const stopAt = async (name: FailpointName, work: () => Promise<unknown>) => {
			old.at(name, async () => {
				const last = await old.orders.find({}).sort({ createdAt: -1 }).limit(1).next();
				stopped[name] = last?._id ?? "";
				throw new StaleLease("it");
			});
			await work().catch(() => undefined);
			expect(stopped[name]).toBeDefined();
		};
		await stopAt("orders.cancel.restock:before", () => old.cancel(orderOf("cancelling")));
		await stopAt("orders.refund.pay:before", () => refund(old, orderOf("refunding"), 300, "refunding"));
		await stopAt("orders.place.reserve:after", () => old.place("tok_ok"));
		await stopAt("orders.place.confirm:after", () => old.place("tok_ok"));
		await stopAt("orders.decline.mark:after", () => old.place("tok_declined"));
		held = (await old.broker.call("carts.create", { lines: [{ sku: "A", quantity: 1 }] })).id;
		await old.broker.call("carts.claim", { id: held, orderId: "ord_never_written", keyHash: "a key" });
		await old.broker.call("orders.fate", { orderId: "ord_ended", cartId: held });
		edited = (await old.broker.call("carts.create", {})).id;
		await edit(old);
		await old.isCaptured(orderOf("waiting").id);
		const { webhooks } = old.broker.getLocalService("test-payments") as unknown as { webhooks: Loop };
		await webhooks.stop();
		left["pending"] = await old.place("tok_async");
	}
	const orderOf = (name: string): Order => {
		const order = left[name];
		if (!order) throw new Error(`There is no order ${name}`);
		return order;
	};
	const edit = (in_: MoneyShop) =>
		in_.broker.call("carts.addLine", { id: edited, sku: "A", quantity: 1 }, { meta: { idempotencyKey: "add one" } });

	it("gives back the money of orders that were paid then", async () => {
		for (const name of ["paid", "part"]) {
			expect((await shop.cancel(orderOf(name))).status).toBe("cancelled");
			await shop.expectNothingKept(orderOf(name).id);
		}
	}, 90_000);

	it("knows refunds that were under way, once, and holds the ceiling", async () => {
		for (const name of ["asked", "refunding"]) {
			const { id } = orderOf(name);
			await until("the refund", async () => (await shop.order(id)).refunds[0]?.status === "done", 60_000);
			const { refunded, refunding } = await shop.payment(id);
			expect([refunded, refunding, (await shop.moved(id)).refunded]).toEqual([300, 0, 300]);
			const call = (amount: number) =>
				shop.broker.call("payments.refund", { orderId: id, refundId: `ref_${amount}`, amount: eur(amount) });
			await expect(call(701)).rejects.toMatchObject({ type: "CONFLICT" });
		}
	}, 90_000);

	it("can pay back what was called refunded while it was on its way, and was refused then", async () => {
		const { models } = shop.broker.getLocalService("payments") as unknown as {
			models: { payments: Model<PaymentDocument> };
		};
		const refunds = [
			{ id: "ref_done", amount: 600, status: "done" },
			{ id: "ref_asked", amount: 400, status: "pending" },
		];
		const about = { orderId: "ord_of_old", method: "test", amount: eur(1_000), chargeId: "chg_of_old", version: 7 };
		const books = { status: "refunded", captured: 1_000, refunded: 1_000, refunds };
		await client
			.db("payments")
			.collection<{ _id: string }>("payments")
			.insertOne({ _id: "pay_of_old", ...about, ...books });
		await adoptPayments(models.payments);
		expect(await shop.payment("ord_of_old")).toMatchObject({
			status: "partially_refunded",
			refunded: 600,
			refunding: 400,
		});
		// There is no such order.
		await shop.payments.deleteOne({ orderId: "ord_of_old" });
	});

	it("goes on with sagas that were stopped, and with orders that wait for their payment", async () => {
		const ends = {
			"orders.place.reserve:after": "failed",
			"orders.place.confirm:after": "paid",
			"orders.decline.mark:after": "failed",
		} as const;
		for (const [name, status] of Object.entries(ends)) {
			const id = stopped[name as keyof typeof ends] ?? "";
			await until(`${name} to be ${status}`, async () => (await statusOf(id)) === status, 60_000);
		}
		await shop.expectNothingKept(orderOf("cancelling").id);
		await until("the payment", async () => (await statusOf(orderOf("waiting").id)) === "paid", 60_000);
		await shop.isCaptured(orderOf("pending").id);
		await until("the payment", async () => (await statusOf(orderOf("pending").id)) === "paid", 60_000);
	}, 120_000);

	it("opens carts that were held, and does nothing twice in them", async () => {
		await until("the cart", async () => (await carts().findOne({ _id: held }))?.checkout === null, 60_000);
		await client
			.db("carts")
			.collection("commands")
			.updateMany({}, { $set: { outcome: null, leaseUntil: new Date(0) } });
		expect((await edit(shop)).lines.map(({ quantity }) => quantity)).toEqual([1]);
	}, 90_000);

	it("tells orders from attempts that came to none", async () => {
		expect((await shop.order("ord_ended")).isTombstone).toBe(true);
		const { items } = await shop.broker.call("orders.adminList", { limit: 100 }, { meta: STAFF });
		expect(items.map(({ id }) => id)).toEqual(expect.arrayContaining(Object.values(left).map(({ id }) => id)));
		expect(items.map(({ id }) => id)).not.toContain("ord_ended");
	});

	it("has its products in lists by price", async () => {
		const { items } = await shop.broker.call("products.list", { sort: "price" });
		expect(items.flatMap(({ variants }) => variants.map(({ sku }) => sku))).toEqual(["A"]);
		const [product] = await client.db("products").collection("products").find({}).toArray();
		expect([product?.["prices"], product?.["minPrice"]]).toEqual([{ a: { currency: "EUR", min: 1_000 } }, undefined]);
		const indexes = await client.db("products").collection("products").indexes();
		expect(indexes.filter(({ key }) => "minPrice" in key)).toEqual([]);
	});

	it("sells on, and its books are equal", async () => {
		const cart = await shop.broker.call("carts.create", { lines: [{ sku: "A", quantity: 2 }] });
		const input = {
			id: cart.id,
			email: "ada@shop.test",
			shippingAddress: ADDRESS,
			payment: { method: "test", token: "tok_ok" },
			expectedTotal: eur(2_000),
		};
		const order = await shop.broker.call("orders.place", input, { meta: { idempotencyKey: "after it" } });
		expect(order.status).toBe("paid");
		await until("everything to end", async () => (await shop.violations()).length === 0, 60_000).catch(() => undefined);
		expect(await shop.violations()).toEqual([]);
	}, 90_000);
});
