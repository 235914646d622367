import type { DbVars } from "../../mixins/db.mixin.ts";
import type { Order } from "../../services/orders/orders.contract.ts";
import type { OrderDocument, orderModels } from "../../services/orders/orders.model.ts";
import type { CancelDeps } from "../../services/orders/use-cases/cancel-order.ts";
import { finishRefund } from "../../services/orders/use-cases/refund-order.ts";
import type { paymentModels } from "../../services/payments/payments.model.ts";
import payments from "../../services/payments/payments.service.ts";
import type { chargeModels } from "../../services/test-payments/test-payments.model.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { ADDRESS, eur } from "../support/shop.ts";
import { until } from "../support/until.ts";

const staff = (role: "admin" | "support" | "manager") => ({ id: `usr_${role}`, sessionId: "ses_1", roles: [role] });
const STAFF = { user: staff("admin") };
const SERVICES = ["products", "inventory", "carts", "orders", "payments", "test-payments"];

type Ask = { amount?: object; lines?: { sku: string; quantity: number }[]; shipping?: object };

let node: TestNode;
let orders: DbVars<typeof orderModels>["models"]["orders"];
let n = 0;

beforeAll(async () => {
	node = await startTestNode({ services: SERVICES });
	orders = (node.broker.getLocalService("orders") as unknown as DbVars<typeof orderModels>).models.orders;
	for (const [sku, price] of [
		["A", 1_000],
		["B", 333],
		["FREE", 0],
	] as const) {
		const variants = [{ sku, price: eur(price) }];
		await node.broker.call("products.create", { title: sku, status: "published", variants }, { meta: STAFF });
		await node.broker.call("inventory.receive", { sku, quantity: 1_000, reason: "opening" }, { meta: STAFF });
	}
}, 60_000);
afterAll(() => node?.stop(), 60_000);

const paid = () => (node.broker.getLocalService("payments") as unknown as DbVars<typeof paymentModels>).models.payments;

async function bought(
	quantities: Record<string, number>,
	user?: ReturnType<typeof staff>,
	token = "tok_ok",
): Promise<Order> {
	const lines = Object.entries(quantities).map(([sku, quantity]) => ({ sku, quantity }));
	const meta = { ...(user ? { user } : {}) };
	const cart = await node.broker.call("carts.create", { lines }, { meta });
	const params = {
		id: cart.id,
		email: "ada@shop.test",
		shippingAddress: ADDRESS,
		payment: { method: "test", token },
		expectedTotal: cart.totals.total,
	};
	return node.broker.call("orders.place", params, { meta: { ...meta, idempotencyKey: `buy-${++n}` } });
}

const refund = (order: Order, ask: Ask, key = `key-${++n}`): Promise<Order> =>
	node.broker.call(
		"orders.refund",
		{ id: order.id, reason: "scratched", ...ask } as never,
		{ meta: { ...STAFF, idempotencyKey: key } } as never,
	);
const refusalOf = (promise: Promise<unknown>) =>
	promise.then(
		answer => ({ type: "done", answer }),
		({ type, message, data }) => ({ type, message, data }),
	);
const stored = async (order: Order): Promise<OrderDocument> => {
	const found = await orders.findById(order.id).lean<OrderDocument>();
	if (!found) throw new Error(`No ${order.id}`);
	return found;
};
const paidBack = async ({ id: orderId }: Order): Promise<number[]> => {
	const { items } = await node.broker.call("payments.testLedger", { orderId }, { meta: STAFF });
	return items.filter(({ kind }) => kind === "refund").map(({ amount }) => amount.amount);
};
const lines = (...all: [sku: string, quantity: number][]) => ({
	lines: all.map(([sku, quantity]) => ({ sku, quantity })),
});

describe("Refunds of lines", () => {
	it("pay a piece back once, say what is left, and show what they are for", async () => {
		const order = await bought({ A: 1, B: 3 });
		const [a] = order.lines;
		const first = await refund(order, lines(["A", 1]));
		expect(first.refunds).toMatchObject([
			{
				amount: eur(1_000),
				status: "done",
				lines: [{ lineId: a?.id, sku: "A", quantity: 1, amount: eur(1_000) }],
				shipping: eur(0),
			},
		]);
		expect(await refusalOf(refund(order, lines(["A", 1])))).toMatchObject({
			type: "CONFLICT",
			data: {
				details: {
					refundable: eur(999),
					lines: [
						{ sku: "A", quantity: 0, amount: eur(0) },
						{ sku: "B", quantity: 3, amount: eur(999) },
					],
					shipping: eur(0),
				},
			},
		});
		expect(await paidBack(order)).toEqual([1_000]);
	});

	it("are refused to the letter the same for the same key, also when more could be refunded by then", async () => {
		const order = await bought({ A: 2 });
		await refund(order, lines(["A", 1]));
		const first = await refusalOf(refund(order, lines(["A", 2]), "too-much"));
		expect(first).toMatchObject({ type: "CONFLICT" });
		await refund(order, {});
		expect(JSON.stringify(await refusalOf(refund(order, lines(["A", 2]), "too-much")))).toBe(JSON.stringify(first));
		expect((await refusalOf(refund(order, lines(["A", 1]), "too-much"))).type).toBe("IDEMPOTENCY_KEY_REUSED");
		expect(await paidBack(order)).toEqual([1_000, 1_000]);
	});

	it("of one piece, 20 at once, pay it back once", async () => {
		const order = await bought({ A: 1, B: 100 });
		const answers = await Promise.all(Array.from({ length: 20 }, () => refusalOf(refund(order, lines(["A", 1])))));
		expect(answers.filter(({ type }) => type === "done")).toHaveLength(1);
		expect(answers.filter(({ type }) => type === "CONFLICT")).toHaveLength(19);
		expect(await paidBack(order)).toEqual([1_000]);
		expect(await stored(order)).toMatchObject({ refundTotal: 1_000 });
	});

	it("and of amounts, 20 at once, never pay back more than was captured", async () => {
		const order = await bought({ A: 1, B: 1 });
		const asks = Array.from({ length: 20 }, (_, i) => (i % 2 ? { amount: eur(1_000) } : lines(["A", 1])));
		const answers = await Promise.all(asks.map(ask => refusalOf(refund(order, ask))));
		expect(answers.filter(({ type }) => type === "done")).toHaveLength(1);
		expect(await paidBack(order)).toEqual([1_000]);
		expect(await stored(order)).toMatchObject({
			refundTotal: 1_000,
			refunds: [{ status: "done" }],
			payment: { status: "partially_refunded" },
		});
	});

	it("of a line twice in one request are one refund of their sum", async () => {
		const order = await bought({ A: 2, B: 100 });
		expect((await refusalOf(refund(order, lines(["A", 2], ["A", 1])))).type).toBe("VALIDATION_ERROR");
		const done = await refund(order, lines(["A", 1], ["B", 1], ["A", 1]));
		expect(done.refunds).toMatchObject([{ amount: eur(2_333), lines: [{ quantity: 2 }, { quantity: 1 }] }]);
		expect((await refusalOf(refund(order, lines(["A", 1])))).type).toBe("CONFLICT");
		expect(await paidBack(order)).toEqual([2_333]);
	});

	it("and amounts share what was captured: a line is not refunded from money that went back already", async () => {
		const order = await bought({ A: 2 });
		await refund(order, { amount: eur(1_500) });
		expect(await refusalOf(refund(order, lines(["A", 1])))).toMatchObject({
			type: "CONFLICT",
			data: { details: { refundable: eur(500), lines: [{ sku: "A", quantity: 2, amount: eur(500) }] } },
		});
		const rest = await refund(order, {});
		expect(rest.refunds.map(({ amount }) => amount)).toEqual([eur(1_500), eur(500)]);
		expect(rest.payment.status).toBe("refunded");
	});

	it("know that there was no shipping to pay for, and mix with no amount", async () => {
		const order = await bought({ A: 1 });
		expect((await refusalOf(refund(order, { shipping: eur(1) }))).type).toBe("CONFLICT");
		expect((await refusalOf(refund(order, { ...lines(["A", 1]), amount: eur(1) }))).type).toBe("VALIDATION_ERROR");
		expect((await refusalOf(refund(order, { amount: { amount: 1, currency: "USD" } }))).type).toBe("VALIDATION_ERROR");
	});
});

describe("A refund", () => {
	it("of all that is left names the lines, and then there is nothing left", async () => {
		const order = await bought({ A: 1, B: 2 });
		await refund(order, lines(["B", 1]));
		const all = await refund(order, {});
		expect(all.refunds[1]).toMatchObject({
			amount: eur(1_333),
			lines: [
				{ sku: "A", quantity: 1 },
				{ sku: "B", quantity: 1 },
			],
		});
		for (const ask of [{}, { amount: eur(1) }, lines(["A", 1])])
			expect(await refusalOf(refund(order, ask))).toMatchObject({
				type: "CONFLICT",
				data: { details: { refundable: eur(0) } },
			});
	});

	it("of an order that cost nothing ends with a refusal that stays", async () => {
		const order = await bought({ FREE: 1 });
		const first = await refusalOf(refund(order, {}, "of nothing"));
		expect(first).toMatchObject({ type: "CONFLICT", data: { details: { refundable: eur(0) } } });
		expect(await refusalOf(refund(order, {}, "of nothing"))).toEqual(first);
		expect((await stored(order)).refunds).toEqual([]);
	});

	it("that payments refuse has failed, stays refused for its key, and frees its share for another one", async () => {
		const order = await bought({ A: 1 });
		await paid().updateOne({ orderId: order.id }, { $set: { captured: 0 } });
		const first = await refusalOf(refund(order, lines(["A", 1]), "refused"));
		expect(first.type).toBe("CONFLICT");
		await paid().updateOne({ orderId: order.id }, { $set: { captured: 1_000 } });
		expect(JSON.stringify(await refusalOf(refund(order, lines(["A", 1]), "refused")))).toBe(JSON.stringify(first));
		expect(await stored(order)).toMatchObject({ refundTotal: 0, refunds: [{ status: "failed" }] });
		const done = await refund(order, lines(["A", 1]));
		expect(done.refunds.map(({ status }) => status)).toEqual(["failed", "done"]);
		expect(await paidBack(order)).toEqual([1_000]);
	});

	it("that the provider will do later is pending, does not count as done, and then is", async () => {
		const order = await bought({ A: 2 }, undefined, "tok_refund_later");
		const first = await refund(order, {}, "later");
		expect(first).toMatchObject({ payment: { status: "captured" }, refunds: [{ status: "pending" }] });
		expect((await refusalOf(refund(order, lines(["A", 1])))).type).toBe("CONFLICT");
		const done = await until("the refund", async () => {
			const now = await stored(order);
			return now.refunds[0]?.status === "done" && now;
		});
		expect(done).toMatchObject({ payment: { status: "refunded" }, refundTotal: 2_000 });
		expect(JSON.stringify(await refund(order, {}, "later"))).toBe(JSON.stringify(first));
		expect(await paidBack(order)).toEqual([2_000]);
	});

	it("that the provider refuses is refused for good, to the letter, and the order keeps its payment's status", async () => {
		const order = await bought({ A: 2 }, undefined, "tok_refund_refused");
		const first = await refusalOf(refund(order, lines(["A", 2]), "never"));
		expect(first.type).toBe("CONFLICT");
		expect(JSON.stringify(await refusalOf(refund(order, lines(["A", 2]), "never")))).toBe(JSON.stringify(first));
		expect(await stored(order)).toMatchObject({
			refundTotal: 0,
			payment: { status: "captured" },
			refunds: [{ status: "failed" }],
		});
	});

	it("that a late process did after all is told as done, although it was taken for failed", async () => {
		const order = await bought({ A: 1 });
		await paid().updateOne({ orderId: order.id }, { $set: { captured: 0 } });
		const first = await refusalOf(refund(order, {}, "failed first"));
		expect(first.type).toBe("CONFLICT");
		await paid().updateOne({ orderId: order.id }, { $set: { captured: 1_000 } });
		const [failed] = (await stored(order)).refunds;
		const service = node.broker.getLocalService("orders") as unknown as { depsFor(): CancelDeps };
		const asItWas = await stored(order);
		const sleeper = {
			...asItWas,
			version: asItWas.version - 1,
			refunds: [{ ...failed, status: "pending" }],
		} as OrderDocument;
		await finishRefund(service.depsFor(), sleeper, failed?.id ?? "");
		expect(await stored(order)).toMatchObject({
			refundTotal: 1_000,
			refunds: [{ status: "done" }],
			payment: { status: "refunded" },
		});
		expect(await paidBack(order)).toEqual([1_000]);
	});

	it("that the provider refused moves no money when it is asked for late, whatever the provider says by then", async () => {
		const order = await bought({ A: 1 }, undefined, "tok_refund_refused");
		expect((await refusalOf(refund(order, { amount: eur(400) }))).type).toBe("CONFLICT");
		const { charges } = (node.broker.getLocalService("test-payments") as unknown as DbVars<typeof chargeModels>).models;
		await charges.updateOne({ orderId: order.id }, { $set: { card: "tok_ok" } });
		const [refused] = (await stored(order)).refunds;
		const late = { orderId: order.id, refundId: refused?.id ?? "", amount: eur(400) };
		expect((await refusalOf(node.broker.call("payments.refund", late))).type).toBe("CONFLICT");
		expect(await paidBack(order)).toEqual([]);
		expect((await refund(order, {})).refunds.map(({ status }) => status)).toEqual(["failed", "done"]);
		expect(await paidBack(order)).toEqual([1_000]);
	});

	it("that ends after a later one leaves what the later one said of the payment", async () => {
		const order = await bought({ A: 1 });
		const before = node.broker.stoa.failpoints;
		let later: Promise<Order> | undefined;
		node.broker.stoa.failpoints = {
			async hit(name) {
				if (name !== "orders.refund.settle:before") return;
				node.broker.stoa.failpoints = before;
				later = refund(order, { amount: eur(600) });
				await later;
			},
		};
		await refund(order, { amount: eur(400) });
		expect((await later)?.payment.status).toBe("refunded");
		expect(await stored(order)).toMatchObject({ payment: { status: "refunded" }, refundTotal: 1_000 });
	});

	it("that nobody can do is tried less and less, then parked, and done when an operator resumes it", async () => {
		const order = await bought({ A: 1 });
		const local = node.broker.getLocalService("payments");
		await node.broker.destroyService(local);
		await expect(refund(order, {}, "parked")).rejects.toBeDefined();
		const [tried] = (await stored(order)).refunds;
		expect(tried).toMatchObject({ status: "pending", attempts: 1, epoch: 1 });
		expect(tried?.error).toContain("payments.refund");
		await orders.collection.updateOne({ _id: order.id as never }, [
			{
				$set: {
					refunds: [{ $mergeObjects: [{ $arrayElemAt: ["$refunds", 0] }, { attempts: 11, leaseUntil: new Date(0) }] }],
				},
			},
		]);
		const parked = await until("the parked refund", async () => {
			const items = await node.broker.call("orders.parked" as never, { limit: 100 } as never);
			return (items as { id: string }[]).find(({ id }) => id === tried?.id);
		});
		expect(parked).toMatchObject({ kind: "refund", attempts: 12, about: `1000 EUR of ${order.id}` });
		expect((await refusalOf(refund(order, {}, "parked"))).type).toBe("IDEMPOTENCY_IN_PROGRESS");
		node.broker.createService(payments);
		await node.broker.waitForServices("payments");
		const resumed = await node.broker.call("orders.resume" as never, { kind: "refund", id: tried?.id } as never);
		expect(resumed).toEqual({ resumed: true });
		await until("the refund", async () => (await stored(order)).refunds[0]?.status === "done");
		expect(await paidBack(order)).toEqual([1_000]);
		expect((await refund(order, {}, "parked")).refunds).toMatchObject([{ id: tried?.id, status: "done" }]);
		expect(await stored(order)).toMatchObject({ refundTotal: 1_000, refunds: [{ status: "done" }] });
	});

	it("is not failed by a process that slept while another one tried again", async () => {
		const order = await bought({ A: 1 });
		await paid().updateOne({ orderId: order.id }, { $set: { captured: 0 } });
		const service = node.broker.getLocalService("orders") as unknown as {
			repository: { refunds: { start(...args: unknown[]): Promise<OrderDocument | null> } };
		};
		const { refunds } = service.repository;
		const start = refunds.start.bind(refunds);
		refunds.start = async (...args) => {
			refunds.start = start;
			const marked = await start(...args);
			// Another process takes the refund over before this one comes to pay.
			await orders.updateOne({ _id: order.id }, { $inc: { "refunds.0.epoch": 1, version: 1 } });
			return marked;
		};
		expect((await refusalOf(refund(order, {}, "slept"))).type).toBe("IDEMPOTENCY_IN_PROGRESS");
		expect(await stored(order)).toMatchObject({ refundTotal: 1_000, refunds: [{ status: "pending" }] });
		await until("the other's end", async () => (await stored(order)).refunds[0]?.status === "failed", 30_000);
	}, 60_000);
});

describe("Keys of an order", () => {
	const command = (i: number, changes: object) => ({
		keyHash: `hash-${i}`,
		requestHash: "r",
		refundId: null,
		outcome: { status: "done", text: "{}" },
		at: new Date(),
		...changes,
	});
	const remember = (order: Order, count: number, changes: object = {}) =>
		orders.collection.updateOne(
			{ _id: order.id as never },
			{ $push: { commands: { $each: Array.from({ length: count }, (_, i) => command(i, changes)) } } as never },
		);

	it("are remembered beyond fifty: the repeat of the first refunds nothing", async () => {
		const order = await bought({ B: 100 });
		const first = await refund(order, lines(["B", 1]), "the first");
		for (let i = 0; i < 51; i++) await refund(order, lines(["B", 1]));
		expect(JSON.stringify(await refund(order, lines(["B", 1]), "the first"))).toBe(JSON.stringify(first));
		expect(await paidBack(order)).toHaveLength(52);
	}, 60_000);

	it("beyond five hundred in a day are refused, and nothing is done or forgotten", async () => {
		const order = await bought({ B: 10 });
		const first = await refund(order, lines(["B", 1]), "of many");
		await remember(order, 499);
		expect(await refusalOf(refund(order, lines(["B", 1])))).toMatchObject({
			type: "RATE_LIMITED",
			data: { retryAfterSeconds: 3_600 },
		});
		const cancel = node.broker.call("orders.cancel", { id: order.id }, { meta: { ...STAFF, idempotencyKey: "c" } });
		expect((await refusalOf(cancel)).type).toBe("RATE_LIMITED");
		expect(await stored(order)).toMatchObject({ status: "paid", refundTotal: 333, refunds: [{ status: "done" }] });
		expect(JSON.stringify(await refund(order, lines(["B", 1]), "of many"))).toBe(JSON.stringify(first));
	});

	it("make room when they have ended a day ago, never while they are pending", async () => {
		const order = await bought({ B: 10 });
		const yesterday = new Date(Date.now() - 86_401_000);
		await remember(order, 499, { at: yesterday });
		await orders.collection.updateOne(
			{ _id: order.id as never },
			{ $push: { commands: command(1_000, { keyHash: "pending", at: yesterday, outcome: null }) } as never },
		);
		await refund(order, lines(["B", 1]), "has room");
		expect((await stored(order)).commands.map(({ keyHash }) => keyHash)).toEqual(["pending", expect.any(String)]);
	});
});

describe("Support staff", () => {
	const support = { user: staff("support") };
	const cancelled = (order: Order, meta: object): Promise<Order> =>
		node.broker.call("orders.cancel", { id: order.id }, { meta } as never);
	const cancel = (order: Order, meta: object) => refusalOf(cancelled(order, meta));

	it("do not refund, by refunding or by cancelling", async () => {
		const order = await bought({ A: 1 });
		const params = { id: order.id, reason: "a friend's" };
		const asked = node.broker.call("orders.refund", params, { meta: { ...support, idempotencyKey: `k-${++n}` } });
		expect((await refusalOf(asked)).type).toBe("FORBIDDEN");
		expect((await cancel(order, support)).type).toBe("FORBIDDEN");
		expect(await stored(order)).toMatchObject({ status: "paid", refunds: [] });
		expect((await cancel(order, { user: staff("manager") })).type).toBe("done");
		expect(await paidBack(order)).toEqual([1_000]);
	});

	it("cancel what was not paid, and their own orders; so do guests theirs", async () => {
		const own = await bought({ A: 1 }, staff("support"));
		expect((await cancel(own, support)).type).toBe("done");
		const guests = await bought({ A: 1 });
		expect((await cancel(guests, { orderToken: guests.accessToken ?? "" })).type).toBe("done");
		expect(await paidBack(guests)).toEqual([1_000]);
		const free = await bought({ FREE: 1 });
		expect((await cancel(free, support)).type).toBe("done");
	});

	it("are told again what their cancellation came to, also when money came while it ran", async () => {
		const order = await bought({ A: 1 }, undefined, "tok_async_mute");
		await until("the capture that nobody tells", async () => {
			const { items } = await node.broker.call("payments.testLedger", { orderId: order.id }, { meta: STAFF });
			return items.some(({ kind }) => kind === "capture");
		});
		const meta = { ...support, idempotencyKey: `k-${++n}` };
		const first = await refusalOf(cancelled(order, meta));
		expect([first.type, await paidBack(order)]).toEqual(["done", [1_000]]);
		expect(JSON.stringify(await refusalOf(cancelled(order, meta)))).toBe(JSON.stringify(first));
		expect((await cancel(order, { ...support, idempotencyKey: `k-${++n}` })).type).toBe("FORBIDDEN");
	});
});
