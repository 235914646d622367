import { checkInvariants } from "../../invariants/index.ts";
import { sign, testWebhookSecret } from "../../lib/webhook-signature.ts";
import type { Cart } from "../../services/carts/carts.contract.ts";
import type { Order } from "../../services/orders/orders.contract.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { ADDRESS, eur } from "../support/shop.ts";
import { until } from "../support/until.ts";

const STAFF = { user: { id: "usr_staff", sessionId: "ses_staff", roles: ["admin" as const] } };
const SERVICES = ["products", "inventory", "carts", "orders", "payments", "test-payments"];

describe("A checkout", () => {
	let node: TestNode;
	let n = 0;

	beforeAll(async () => {
		// Nobody listens there: what settles by webhook settles when a test says so.
		node = await startTestNode({ services: SERVICES, env: { PUBLIC_URL: "http://127.0.0.1:9" } });
		await product("A", 1_000, 500);
	}, 30_000);

	afterAll(() => node?.stop());

	async function product(sku: string, price: number, stock: number) {
		const made = await node.broker.call(
			"products.create",
			{ title: `Thing ${sku}`, status: "published", variants: [{ sku, price: eur(price) }] },
			{ meta: STAFF },
		);
		if (stock > 0)
			await node.broker.call("inventory.receive", { sku, quantity: stock, reason: "opening" }, { meta: STAFF });
		return made;
	}
	const cartOf = (sku = "A", quantity = 1) => node.broker.call("carts.create", { lines: [{ sku, quantity }] });
	const stockOf = async (sku: string) => (await node.broker.call("inventory.get", { sku }, { meta: STAFF })).totals;
	const place = (
		cart: Cart,
		{
			token = "tok_ok",
			key = `key-${++n}`,
			...changes
		}: { token?: string; key?: string; [field: string]: unknown } = {},
	) =>
		node.broker.call(
			"orders.place",
			{
				id: cart.id,
				email: "ada@shop.test",
				shippingAddress: ADDRESS,
				payment: { method: "test", token },
				expectedTotal: cart.totals.total,
				...changes,
			},
			{ meta: { idempotencyKey: key } },
		);
	const read = (order: Order) =>
		node.broker.call("orders.get", { id: order.id }, { meta: { orderToken: order.accessToken ?? "" } });
	const chargesOf = async (orderId: string, kind?: string) =>
		(await node.broker.call("payments.testLedger", { orderId }, { meta: STAFF })).items.filter(
			item => kind === undefined || item.kind === kind,
		);
	/** Orders of which a test told the shop something that the provider did not do. */
	const liedAbout = new Set<string>();
	/** There are no mails here, and what waits for a webhook goes on waiting for it. */
	const broken = async () => {
		const { violations } = await checkInvariants(node.mongodbUri);
		return violations.filter(
			({ invariant, subject }) => invariant !== "I12" && invariant !== "I10" && !liedAbout.has(subject),
		);
	};
	const expectRight = async () => {
		await until("all to end", async () => (await broken()).length === 0).catch(() => undefined);
		expect(await broken()).toEqual([]);
	};

	it("needs a key, and refuses fields and methods that there are not", async () => {
		const cart = await cartOf();
		const body = {
			id: cart.id,
			email: "a@b.test",
			shippingAddress: ADDRESS,
			payment: { method: "test", token: "tok_ok" },
			expectedTotal: cart.totals.total,
		};
		await expect(node.broker.call("orders.place", body)).rejects.toMatchObject({ type: "BAD_REQUEST" });
		await expect(place(cart, { discount: 5 })).rejects.toMatchObject({ type: "VALIDATION_ERROR" });
		await expect(place(cart, { shippingMethod: "air" })).rejects.toMatchObject({ type: "VALIDATION_ERROR" });
		await expect(place(cart, { payment: { method: "gold", token: "bar" } })).rejects.toMatchObject({
			type: "VALIDATION_ERROR",
		});
		expect((await node.broker.call("carts.get", { id: cart.id })).status).toBe("open");
	});

	it("with 50 equal keys at once makes one order and one charge, and all get it", async () => {
		const cart = await cartOf();
		const outcomes = await Promise.all(
			Array.from({ length: 50 }, () =>
				until("the order", () =>
					place(cart, { key: "fifty" }).catch(error =>
						error.type === "IDEMPOTENCY_IN_PROGRESS" ? undefined : Promise.reject(error),
					),
				),
			),
		);
		expect(new Set(outcomes.map(order => JSON.stringify(order))).size).toBe(1);
		expect(await chargesOf(outcomes[0]?.id ?? "", "capture")).toHaveLength(1);
		await expect(place(cart, { key: "fifty", email: "other@shop.test" })).rejects.toMatchObject({
			type: "IDEMPOTENCY_KEY_REUSED",
		});
		await expect(place(cart, { key: "another" })).rejects.toMatchObject({ type: "CART_NOT_OPEN" });
	});

	it.each([
		"tok_declined",
		"tok_insufficient_funds",
		"tok_of_nobody",
	])("with %s is refused, again for the same key, and leaves cart and stock as they were", async token => {
		const before = await stockOf("A");
		const cart = await cartOf();
		for (let i = 0; i < 2; i++)
			await expect(place(cart, { token, key: token })).rejects.toMatchObject({ type: "PAYMENT_DECLINED", code: 402 });
		expect(await stockOf("A")).toMatchObject({ available: before.available, reserved: before.reserved });
		expect((await place(cart)).status).toBe("paid");
	});

	it("whose provider fails answers 503, and the same key sells when it works again", async () => {
		const cart = await cartOf();
		await expect(place(cart, { token: "tok_error", key: "broken" })).rejects.toMatchObject({
			type: "SERVICE_UNAVAILABLE",
		});
		expect((await node.broker.call("carts.get", { id: cart.id })).status).toBe("open");
		expect((await place(cart, { token: "tok_ok", key: "broken" })).status).toBe("paid");
	});

	it("whose price has changed says the new total, shows it in the cart, and says the same to the same key", async () => {
		const made = await product("P", 700, 10);
		const cart = await cartOf("P", 2);
		const variantId = made.variants[0]?.id ?? "";
		await node.broker.call("products.updateVariant", { id: made.id, variantId, price: eur(800) }, { meta: STAFF });
		for (let i = 0; i < 2; i++) {
			await expect(place(cart, { key: "price" })).rejects.toMatchObject({
				type: "PRICE_CHANGED",
				data: {
					errors: [{ field: "P", code: "price_changed" }],
					details: {
						totals: { total: eur(1_600) },
						lines: [{ lineId: cart.lines[0]?.id, sku: "P", old: eur(700), new: eur(800) }],
					},
				},
			});
		}
		const now = await node.broker.call("carts.get", { id: cart.id });
		expect(now.totals.total).toEqual(eur(1_600));
		expect((await place(now)).totals.total).toEqual(eur(1_600));
	});

	it("of more than there is names the SKU, and of what is no longer for sale says so", async () => {
		const made = await product("Q", 500, 3);
		await expect(place(await cartOf("Q", 4))).rejects.toMatchObject({
			type: "STOCK_INSUFFICIENT",
			data: { errors: [{ field: "Q" }] },
		});
		const cart = await cartOf("Q");
		await node.broker.call("products.remove", { id: made.id }, { meta: STAFF });
		await expect(place(cart)).rejects.toMatchObject({
			type: "CONFLICT",
			data: { errors: [{ field: "Q", code: "withdrawn" }] },
		});
		expect(await stockOf("Q")).toMatchObject({ available: 3, reserved: 0 });
	});

	it("is the buyer's own: cart and order are not found for others", async () => {
		const grace = { user: { id: "usr_grace", sessionId: "ses_g", roles: ["customer" as const] } };
		const eve = { user: { id: "usr_eve", sessionId: "ses_e", roles: ["customer" as const] } };
		const cart = await node.broker.call("carts.create", { lines: [{ sku: "A", quantity: 1 }] }, { meta: grace });
		for (const meta of [eve, {}]) {
			await expect(node.broker.call("carts.get", { id: cart.id }, { meta })).rejects.toMatchObject({
				type: "NOT_FOUND",
			});
			await expect(
				node.broker.call("carts.addLine", { id: cart.id, sku: "A", quantity: 1 }, { meta }),
			).rejects.toMatchObject({ type: "NOT_FOUND" });
		}
		await expect(place(cart)).rejects.toMatchObject({ type: "NOT_FOUND" });
		const guests = await place(await cartOf());
		for (const meta of [eve, {}, { orderToken: "x" }]) {
			await expect(node.broker.call("orders.get", { id: guests.id }, { meta })).rejects.toMatchObject({
				type: "NOT_FOUND",
			});
			await expect(node.broker.call("orders.cancel", { id: guests.id }, { meta })).rejects.toMatchObject({
				type: "NOT_FOUND",
			});
		}
		await expect(node.broker.call("orders.adminGet", { id: guests.id }, { meta: eve })).rejects.toMatchObject({
			type: "FORBIDDEN",
		});
	});

	describe("that settles later", () => {
		const settle = (
			order: Order,
			change: {
				type?: string;
				id?: string;
				at?: number;
				secret?: string;
				header?: (signature: string) => string;
			} = {},
		) => {
			const { config, secret } = node.broker.stoa;
			const body = JSON.stringify({
				id: change.id ?? `evt-${order.id}`,
				type: change.type ?? "charge.captured",
				orderId: order.id,
				chargeId: chargeIds.get(order.id),
			});
			const signature = sign(
				change.secret ?? testWebhookSecret(config.testPaymentWebhookSecret, secret),
				body,
				change.at ?? Date.now(),
			);
			return node.broker.call("payments.webhook", {
				provider: "test",
				body: Buffer.from(body).toString("base64"),
				headers: { "stoa-signature": change.header?.(signature) ?? signature },
			});
		};
		const chargeIds = new Map<string, string>();
		const waiting = async () => {
			const order = await place(await cartOf(), { token: "tok_async" });
			expect(order.status).toBe("awaiting_payment");
			chargeIds.set(order.id, (await node.broker.call("payments.get", { orderId: order.id })).chargeId ?? "");
			return order;
		};

		it("is paid by the provider's webhook, once, however often it comes", async () => {
			const order = await waiting();
			// The provider captures before it tells.
			await until("the capture", async () => (await chargesOf(order.id, "capture")).length === 1);
			for (let i = 0; i < 10; i++) expect(await settle(order)).toEqual({ received: true });
			const paid = await until("the paid order", async () => {
				const now = await read(order);
				return now.status === "paid" && now;
			});
			expect(paid.history.map(({ to }) => to)).toEqual(["pending", "awaiting_payment", "paid"]);
			// A stale 'failed' after it changes nothing.
			await settle(order, { id: "late", type: "charge.failed" });
			expect((await read(order)).status).toBe("paid");
		});

		it("takes a webhook that is signed with several secrets, and ignores events that mean nothing to it", async () => {
			const order = await waiting();
			await until("the capture", async () => (await chargesOf(order.id, "capture")).length === 1);
			expect(await settle(order, { id: "other", type: "charge.dispute.created" })).toEqual({ received: true });
			expect((await read(order)).status).toBe("awaiting_payment");
			const header = (signature: string) =>
				signature.replace(",v1=", `,v0=ab,v1=${"0".repeat(64)},v1=`).replaceAll(",", ", ");
			expect(await settle(order, { header })).toEqual({ received: true });
			await until("the paid order", async () => (await read(order)).status === "paid");
		});

		it("refuses forged, altered and old webhooks, and providers it does not know", async () => {
			const order = await waiting();
			await expect(settle(order, { secret: "of somebody else" })).rejects.toMatchObject({ type: "BAD_REQUEST" });
			await expect(settle(order, { at: Date.now() - 301_000 })).rejects.toMatchObject({ type: "BAD_REQUEST" });
			await expect(settle(order, { header: () => "" })).rejects.toMatchObject({ type: "BAD_REQUEST" });
			const { body } = await node.broker.stoa.metrics.page();
			expect(body).toMatch(/stoa_security_events_total\{event="webhook_forged"\} 3/);
			await expect(
				node.broker.call("payments.webhook", {
					provider: "test",
					body: "e30=",
					headers: { "stoa-signature": "t=1,v1=00" },
				}),
			).rejects.toMatchObject({ type: "BAD_REQUEST" });
			await expect(
				node.broker.call("payments.webhook", { provider: "nobody", body: "e30=", headers: {} }),
			).rejects.toMatchObject({ type: "NOT_FOUND" });
			expect((await read(order)).status).toBe("awaiting_payment");
			await until("the capture", async () => (await chargesOf(order.id, "capture")).length === 1);
			await settle(order);
		});

		it("is cancelled when the payment fails, and the goods go back", async () => {
			const before = await stockOf("A");
			const order = await waiting();
			liedAbout.add(order.id);
			await settle(order, { type: "charge.failed" });
			await until("the cancelled order", async () => (await read(order)).status === "cancelled");
			await until("the goods", async () => (await stockOf("A")).available === before.available);
		});

		it("gives money back that comes after the order was cancelled", async () => {
			const order = await waiting();
			await until("the capture", async () => (await chargesOf(order.id, "capture")).length === 1);
			await node.broker.call("orders.cancel", { id: order.id }, { meta: { orderToken: order.accessToken ?? "" } });
			await settle(order);
			await until("the refund", async () => (await chargesOf(order.id, "refund")).length === 1);
			expect((await read(order)).status).toBe("cancelled");
		});
	});

	it("is refunded by lines or amounts, never beyond what was captured, once per key", async () => {
		const cart = await node.broker.call("carts.create", { lines: [{ sku: "A", quantity: 3 }] });
		const order = await place(cart);
		const refund = (key: string, input: object) =>
			node.broker.call(
				"orders.refund",
				{ id: order.id, reason: "scratch", ...input },
				{ meta: { ...STAFF, idempotencyKey: key } },
			);
		const first = await refund("r1", { lines: [{ sku: "A", quantity: 1 }] });
		expect(first.refunds.map(({ amount, status }) => ({ amount, status }))).toEqual([
			{ amount: eur(1_000), status: "done" },
		]);
		expect(JSON.stringify(await refund("r1", { lines: [{ sku: "A", quantity: 1 }] }))).toBe(JSON.stringify(first));
		await expect(refund("r2", { amount: eur(2_001) })).rejects.toMatchObject({ type: "CONFLICT" });
		await expect(refund("r3", { lines: [{ sku: "A", quantity: 4 }] })).rejects.toMatchObject({
			type: "VALIDATION_ERROR",
		});
		const rest = await refund("r4", {});
		expect(rest.payment.status).toBe("refunded");
		await expect(refund("r5", { amount: eur(1) })).rejects.toMatchObject({ type: "CONFLICT" });
		expect((await chargesOf(order.id, "refund")).map(({ amount }) => amount.amount)).toEqual([1_000, 2_000]);
	});

	it("is cancelled once, and after that nothing moves", async () => {
		const order = await place(await cartOf());
		const meta = { orderToken: order.accessToken ?? "", idempotencyKey: "cancel-once" };
		const first = await node.broker.call("orders.cancel", { id: order.id, reason: "changed my mind" }, { meta });
		expect(first).toMatchObject({ status: "cancelled", payment: { status: "refunded" } });
		expect(
			JSON.stringify(await node.broker.call("orders.cancel", { id: order.id, reason: "changed my mind" }, { meta })),
		).toBe(JSON.stringify(first));
		await expect(
			node.broker.call("orders.cancel", { id: order.id }, { meta: { orderToken: order.accessToken ?? "" } }),
		).rejects.toMatchObject({ type: "INVALID_TRANSITION" });
		expect(await chargesOf(order.id, "refund")).toHaveLength(1);
	});

	it("leaves everything right", expectRight);
});

describe("A cart", () => {
	let node: TestNode;

	beforeAll(async () => {
		node = await startTestNode({ services: SERVICES });
		for (let i = 0; i < 20; i++) {
			await node.broker.call(
				"products.create",
				{ title: `Thing ${i}`, status: "published", variants: [{ sku: `C-${i}`, price: eur(100 + i) }] },
				{ meta: STAFF },
			);
		}
		await node.broker.call(
			"products.create",
			{ title: "Foreign", status: "published", variants: [{ sku: "USD-1", price: { amount: 5, currency: "USD" } }] },
			{ meta: STAFF },
		);
	}, 30_000);

	afterAll(() => node?.stop());

	it("loses nothing of 40 edits at once", async () => {
		const { id } = await node.broker.call("carts.create", {});
		await Promise.all(
			Array.from({ length: 40 }, (_, i) => node.broker.call("carts.addLine", { id, sku: `C-${i % 20}`, quantity: 1 })),
		);
		const cart = await node.broker.call("carts.get", { id });
		expect(cart.lines.map(({ quantity }) => quantity)).toEqual(Array.from({ length: 20 }, () => 2));
		expect(cart.totals.total.amount).toBe(Array.from({ length: 20 }, (_, i) => 2 * (100 + i)).reduce((a, b) => a + b));
	});

	it("takes a line once per key, however often it is sent", async () => {
		const { id } = await node.broker.call("carts.create", {});
		const add = () =>
			node.broker.call("carts.addLine", { id, sku: "C-1", quantity: 2 }, { meta: { idempotencyKey: "once" } });
		await Promise.allSettled([add(), add(), add()]);
		const cart = await until("the answer", () => add().catch(() => undefined));
		expect(cart.lines[0]?.quantity).toBe(2);
	});

	it("lets the slower of two writers know, and keeps to its limits", async () => {
		const cart = await node.broker.call("carts.create", { lines: [{ sku: "C-1", quantity: 1 }] });
		const lineId = cart.lines[0]?.id ?? "";
		const update = (quantity: number, ifMatch?: number) =>
			node.broker.call("carts.updateLine", { id: cart.id, lineId, quantity }, { meta: ifMatch ? { ifMatch } : {} });
		expect((await update(5, cart.version)).lines[0]?.quantity).toBe(5);
		await expect(update(6, cart.version)).rejects.toMatchObject({ type: "VERSION_MISMATCH" });
		await expect(update(1_000)).rejects.toMatchObject({ type: "VALIDATION_ERROR" });
		await expect(node.broker.call("carts.addLine", { id: cart.id, sku: "C-1", quantity: 995 })).rejects.toMatchObject({
			type: "VALIDATION_ERROR",
		});
		await expect(node.broker.call("carts.addLine", { id: cart.id, sku: "NONE", quantity: 1 })).rejects.toMatchObject({
			type: "NOT_FOUND",
		});
		await expect(node.broker.call("carts.addLine", { id: cart.id, sku: "USD-1", quantity: 1 })).rejects.toMatchObject({
			type: "CONFLICT",
		});
		expect((await update(0)).lines).toEqual([]);
	});
});
