import { errorType } from "../../lib/errors.ts";
import type { CartRepository } from "../../services/carts/carts.repository.ts";
import type { ClaimRepository } from "../../services/carts/claims.repository.ts";
import type { OrderRepository } from "../../services/orders/orders.repository.ts";
import type { PaymentDocument } from "../../services/payments/payments.model.ts";
import type { PaymentRepository } from "../../services/payments/payments.repository.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { ADDRESS, eur } from "../support/shop.ts";
import { until } from "../support/until.ts";

const STAFF = { user: { id: "usr_staff", sessionId: "ses_staff", roles: ["admin" as const] } };
const SERVICES = ["products", "inventory", "carts", "orders", "payments", "test-payments"];
const MINUTE_MS = 60_000;

/** What a process may still try whose precondition does not hold any more: each is refused, and nothing has changed. */
describe("A write whose condition no longer holds", () => {
	let node: TestNode;
	let keys = 0;

	beforeAll(async () => {
		node = await startTestNode({
			services: SERVICES,
			// Nobody listens there: what settles by webhook settles when a test says so.
			env: { RESERVATION_TTL_MS: "900000", PUBLIC_URL: "http://127.0.0.1:9" },
		});
		await node.broker.call(
			"products.create",
			{ title: "Thing A", status: "published", variants: [{ sku: "A", price: eur(1_000) }] },
			{ meta: STAFF },
		);
		await node.broker.call("inventory.receive", { sku: "A", quantity: 500, reason: "opening" }, { meta: STAFF });
	}, 120_000);
	afterAll(() => node?.stop(), 60_000);

	const service = <T>(name: string): T => node.broker.getLocalService(name) as unknown as T;
	const cartOf = (quantity = 1) => node.broker.call("carts.create", { lines: [{ sku: "A", quantity }] });
	async function place({ token = "tok_ok", key = `key-${++keys}`, email = "ada@shop.test", cart = cartOf() } = {}) {
		const { id, totals } = await cart;
		const params = {
			id,
			email,
			shippingAddress: ADDRESS,
			payment: { method: "test", token },
			expectedTotal: totals.total,
		};
		return node.broker.call("orders.place", params, { meta: { idempotencyKey: key } });
	}
	const typeOf = (promise: Promise<unknown>) =>
		promise.then(
			() => "done",
			error => errorType(error) ?? String(error),
		);

	describe("of an order", () => {
		const orders = () => service<{ repository: OrderRepository }>("orders").repository;
		const database = () => node.broker.stoa.database.of("orders").collection("orders");

		/** An order on which a process works. @param endsIn ms from now, when its lease is up */
		async function leased(endsIn: number) {
			const { id } = await place();
			const until = new Date(Date.now() + endsIn);
			await database().updateOne({ _id: id as never }, { $set: { lease: { until, epoch: 3, dueAt: null } } });
			const order = await orders().find(id);
			if (!order) throw new Error("The order is gone");
			return order;
		}

		it("does not take a lease that has not run out, and takes it when it has", async () => {
			const { _id } = await leased(10 * MINUTE_MS);
			expect(await orders().takeLease(_id)).toBeNull();
			await database().updateOne({ _id: _id as never }, { $set: { "lease.until": new Date(Date.now() - MINUTE_MS) } });
			expect((await orders().takeLease(_id))?.lease?.epoch).toBe(4);
		});

		it("writes nothing for a process whose lease somebody else has taken", async () => {
			const asleep = await leased(-MINUTE_MS);
			const successor = await orders().takeLease(asleep._id);
			expect(await typeOf(orders().write(asleep, () => ({ cancelReason: "a zombie", lease: "keep" })))).toBe(
				"STALE_LEASE",
			);
			expect((await orders().find(asleep._id))?.cancelReason).toBeNull();
			if (!successor) throw new Error("Nobody took the lease");
			expect((await orders().write(successor, () => ({ lease: "end" }))).lease).toBeNull();
		});

		it("writes nothing over what somebody else wrote meanwhile", async () => {
			const { id } = await place();
			const seen = await orders().find(id);
			if (!seen) throw new Error("The order is gone");
			await orders().write(seen, () => ({ cancelReason: "first", lease: "keep" }));
			expect(await typeOf(orders().write(seen, () => ({ cancelReason: "second", lease: "keep" })))).toBe("STALE_LEASE");
			expect((await orders().find(id))?.cancelReason).toBe("first");
		});

		it("writes nothing under an epoch that is not its own, whatever the version says", async () => {
			const seen = await leased(10 * MINUTE_MS);
			await database().updateOne({ _id: seen._id as never }, { $set: { "lease.epoch": 9 } });
			expect(await typeOf(orders().write(seen, () => ({ cancelReason: "a zombie", lease: "keep" })))).toBe(
				"STALE_LEASE",
			);
		});

		it("begins no saga beside another one", async () => {
			const busy = await leased(10 * MINUTE_MS);
			expect(await orders().begin(busy, { cancelReason: "beside it" })).toBeNull();
		});

		it("answers no other request with the key of an attempt that was declined", async () => {
			const cart = cartOf();
			const declined = { cart, token: "tok_declined", key: "declined once" };
			expect(await typeOf(place(declined))).toBe("PAYMENT_DECLINED");
			expect(await typeOf(place({ ...declined, email: "eve@shop.test" }))).toBe("IDEMPOTENCY_KEY_REUSED");
			expect(await typeOf(place(declined))).toBe("PAYMENT_DECLINED");
		});
	});

	describe("of a payment", () => {
		const stored = (orderId: string) =>
			node.broker.stoa.database.of("payments").collection<PaymentDocument>("payments").findOne({ orderId });
		const refund = (orderId: string, refundId: string, amount: number) =>
			typeOf(node.broker.call("payments.refund", { orderId, refundId, amount: eur(amount) }));
		const refundsOf = async (orderId: string) =>
			(await node.broker.call("payments.testLedger", { orderId }, { meta: STAFF })).items
				.filter(({ kind }) => kind === "refund")
				.map(({ amount }) => amount.amount);

		it("pays back once per id, and never asks the provider for more than was captured", async () => {
			const { id } = await place();
			for (let i = 0; i < 2; i++) expect(await refund(id, "ref_once", 400)).toBe("done");
			expect((await stored(id))?.refunded).toBe(400);
			expect(await refund(id, "ref_more", 601)).toBe("CONFLICT");
			expect((await stored(id))?.refunds.map(entry => entry.id)).toEqual(["ref_once"]);
			expect(await refund(id, "ref_rest", 600)).toBe("done");
			expect(await refundsOf(id)).toEqual([400, 600]);
		});

		it("asks for no money of an order that has ended", async () => {
			const orderId = "ord_ended";
			await node.broker.call("payments.void", { orderId });
			const late = { orderId, amount: eur(500), method: "test", token: "tok_ok" };
			expect(await typeOf(node.broker.call("payments.authorize", late))).toBe("CONFLICT");
			expect((await node.broker.call("payments.testLedger", { orderId }, { meta: STAFF })).items).toEqual([]);
		});
	});

	describe("of a payment that settles later", () => {
		it("does not settle a payment that changed since it was read", async () => {
			const { payments } = service<{ deps: { payments: PaymentRepository } }>("payments").deps;
			const { id: orderId } = await place({ token: "tok_async" });
			const seen = await payments.find(orderId);
			if (!seen?.chargeId) throw new Error("The payment has no charge");
			const settlement = { chargeId: seen.chargeId, eventId: "evt_late" };
			expect(await payments.settle({ ...seen, version: seen.version - 1 }, "captured", settlement)).toBeNull();
			expect((await payments.find(orderId))?.captured).toBe(0);
		});
	});

	describe("of a cart", () => {
		const carts = () => service<{ repository: CartRepository; claims: ClaimRepository }>("carts");

		it("adds the goods of a command once", async () => {
			const cart = await cartOf();
			const guard = { id: cart.id, userId: null };
			const line = { id: "lin_x", sku: "B", productId: "prd_b", title: "B", quantity: 2, unitPrice: eur(5) };
			expect((await carts().repository.addLine(guard, line, "seed-1"))?.lines).toHaveLength(2);
			expect(await carts().repository.addLine(guard, line, "seed-1")).toBeNull();
			expect((await carts().repository.find(cart.id))?.lines.at(-1)?.quantity).toBe(2);
		});

		it("takes no more than fits into a line", async () => {
			const { id } = await cartOf(998);
			expect(await typeOf(node.broker.call("carts.addLine", { id, sku: "A", quantity: 2 }))).toBe("VALIDATION_ERROR");
			expect(await typeOf(node.broker.call("carts.addLine", { id, sku: "A", quantity: 1 }))).toBe("done");
		});

		it("is held by one checkout, freed by its own only, and not taken again by a key that ended", async () => {
			const { id } = await cartOf();
			const { claims } = carts();
			const first = { orderId: "ord_first", keyHash: "first" };
			expect((await claims.take(id, null, first, false))?.checkout?.orderId).toBe("ord_first");
			expect(await claims.take(id, null, { orderId: "ord_second", keyHash: "second" }, false)).toBeNull();
			await claims.free(id, "ord_second", undefined, []);
			expect((await carts().repository.find(id))?.checkout?.orderId).toBe("ord_first");
			await claims.free(id, "ord_first", "first", []);
			expect(await claims.take(id, null, { orderId: "ord_third", keyHash: "first" }, false)).toBeNull();
			expect((await carts().repository.find(id))?.checkout).toBeNull();
		});

		it("is ordered once it was bought", async () => {
			const cart = cartOf();
			await place({ cart });
			const { id } = await cart;
			await until("the ordered cart", async () => (await carts().repository.find(id))?.status === "ordered");
		});
	});

	describe("of stock", () => {
		it("sells no other quantity than was held", async () => {
			const reference = "ord_quantity";
			const held = [{ sku: "A", quantity: 3 }];
			await node.broker.call("inventory.reserve", { reference, lines: held });
			const before = (await node.broker.call("inventory.get", { sku: "A" }, { meta: STAFF })).totals;
			const other = node.broker.call("inventory.commit", { reference, lines: [{ sku: "A", quantity: 2 }] });
			expect(await typeOf(other)).toBe("CONFLICT");
			expect((await node.broker.call("inventory.get", { sku: "A" }, { meta: STAFF })).totals).toEqual(before);
			expect(await typeOf(node.broker.call("inventory.commit", { reference, lines: held }))).toBe("done");
		});
	});
});
