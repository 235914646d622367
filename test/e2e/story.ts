import { checkInvariants } from "../../invariants/index.ts";
import { Client } from "../support/client.ts";
import {
	ADDRESS,
	ADMIN,
	adminToken,
	cartWith,
	checkoutBody,
	eur,
	type Goods,
	type Shop,
	stockProduct,
} from "../support/shop.ts";
import { startSmtpServer, type TestSmtpServer, textOf } from "../support/smtp.ts";
import { until } from "../support/until.ts";

/**
 * The story of the first sale, told over HTTP as a shopper and a shopkeeper live it. The same story runs against one
 * process on embedded engines and against a cluster: `start` says which.
 */
export function tellTheStory(where: string, start: (env: Record<string, string>) => Promise<Shop>): void {
	describe(`The first sale, ${where}`, () => {
		let shop: Shop;
		let smtp: TestSmtpServer;
		let client: Client;
		let admin: string;
		let lamp: Goods;

		beforeAll(async () => {
			smtp = await startSmtpServer();
			shop = await start({
				SMTP_URL: smtp.url,
				STOA_ADMIN_EMAIL: ADMIN.email,
				STOA_ADMIN_PASSWORD: ADMIN.password,
			});
			client = new Client(shop.urls[0] ?? "");
			admin = await adminToken(client);
			lamp = await stockProduct(client, admin, { sku: "LAMP-1", title: "Quillon lamp", price: 4_950, stock: 10 });
		}, 90_000);

		afterAll(async () => {
			await shop?.stop();
			await smtp?.stop();
		}, 60_000);

		const mailTo = (address: string, subject: RegExp) =>
			until(`a mail to ${address}`, () => smtp.mails.find(mail => mail.to === address && subject.test(mail.subject)));

		const stockOf = async (sku: string) => (await client.get(`/admin/inventory/${sku}`, { token: admin })).body.totals;

		it("says that it is alive and ready", async () => {
			expect((await client.get("//health/live")).body).toEqual({ status: "ok" });
			const ready = await client.get("//health/ready");
			expect(ready.status).toBe(200);
			expect(ready.body.checks.database).toBeDefined();
		});

		it("shows a visitor the catalogue", async () => {
			const list = await until("the lamp in the list, in stock", async () => {
				const answer = await client.get("/products?q=quillon&sort=-price&limit=5");
				return answer.body.items?.[0]?.variants[0].available === "in_stock" && answer;
			});
			expect(list.body.items[0]).toMatchObject({ id: lamp.productId, title: "Quillon lamp" });
			const one = await client.get(`/products/${lamp.slug}`);
			expect(one.status).toBe(200);
			expect(one.body.variants[0]).toMatchObject({ sku: "LAMP-1", price: eur(4_950) });
			const again = await client.get(`/products/${lamp.productId}`, {
				headers: { "if-none-match": one.headers.get("etag") ?? "" },
			});
			expect(again.status).toBe(304);
		});

		it("shows a price change at once, although reads are cached", async () => {
			const { body: before } = await client.get(`/products/${lamp.productId}`);
			const changed = await client.patch(
				`/admin/products/${lamp.productId}/variants/${before.variants[0].id}`,
				{ price: eur(5_000) },
				{ token: admin },
			);
			expect(changed.status).toBe(200);
			for (const url of shop.urls) {
				const { body } = await new Client(url).get(`/products/${lamp.productId}`);
				expect(body.variants[0].price).toEqual(eur(5_000));
			}
		});

		it("lets a customer register, verify by mail, sign in, refresh and sign out", async () => {
			const email = "grace@shop.test";
			const password = "a long enough passphrase";
			const registered = await client.post("/auth/register", { email, password, name: "Grace" });
			expect([registered.status, registered.body]).toEqual([202, { status: "verification_sent" }]);
			expect((await client.post("/auth/login", { email, password })).status).toBe(401);

			const mail = await mailTo(email, /verif|confirm/i);
			const token = /token=([\w.~-]+)/.exec(textOf(mail))?.[1];
			const verified = await client.post("/auth/verify-email", { token, password });
			expect(verified.status).toBe(200);
			const me = await client.get("/me", { token: verified.body.accessToken });
			expect(me.body).toMatchObject({ email, name: "Grace", roles: ["customer"] });

			const { body: tokens } = await client.post("/auth/login", { email, password });
			const refreshed = await client.post("/auth/refresh", { refreshToken: tokens.refreshToken });
			expect(refreshed.status).toBe(200);
			// Two tabs at once: the same tokens, and nobody is signed out.
			const again = await client.post("/auth/refresh", { refreshToken: tokens.refreshToken });
			expect([again.status, again.body.refreshToken]).toEqual([200, refreshed.body.refreshToken]);
			const third = await client.post("/auth/refresh", { refreshToken: refreshed.body.refreshToken });
			expect(third.status).toBe(200);
			// The first one is spent twice over by now: somebody kept it.
			expect((await client.post("/auth/refresh", { refreshToken: tokens.refreshToken })).status).toBe(401);
			expect((await client.post("/auth/refresh", { refreshToken: third.body.refreshToken })).status).toBe(401);

			const { body: last } = await client.post("/auth/login", { email, password });
			expect((await client.post("/auth/logout", { refreshToken: last.refreshToken })).status).toBe(204);
			for (const url of shop.urls) {
				await until("the end of the session", async () => {
					const answer = await new Client(url).get("/me", { token: last.accessToken });
					return answer.status === 401;
				});
			}
		});

		it("refuses staff routes to a customer and to a visitor", async () => {
			expect((await client.get("/admin/inventory/LAMP-1")).status).toBe(401);
			await client.post("/auth/register", { email: "eve@shop.test", password: "another long passphrase" });
			const mail = await mailTo("eve@shop.test", /verif|confirm/i);
			const { body } = await client.post("/auth/verify-email", {
				token: /token=([\w.~-]+)/.exec(textOf(mail))?.[1],
				password: "another long passphrase",
			});
			expect((await client.get("/admin/inventory/LAMP-1", { token: body.accessToken })).status).toBe(403);
		});

		it("sells to a guest: cart, payment, order, confirmation mail", async () => {
			const before = await stockOf("LAMP-1");
			const cart = await cartWith(client, "LAMP-1", 2);
			expect(cart.totals.total).toEqual(eur(10_000));
			const body = checkoutBody(cart, { email: "guest@shop.test" });

			const placed = await client.post(`/carts/${cart.id}/checkout`, body, { key: "guest-checkout-1" });
			expect([placed.status, placed.body.status]).toEqual([201, "paid"]);
			expect(placed.headers.get("location")).toBe(`/api/v1/orders/${placed.body.id}`);
			expect(placed.body.payment).toMatchObject({ status: "captured", amount: eur(10_000) });

			const again = await client.post(`/carts/${cart.id}/checkout`, body, { key: "guest-checkout-1" });
			expect(again.text).toBe(placed.text);
			expect(again.headers.get("idempotent-replayed")).toBe("true");
			const other = await client.post(
				`/carts/${cart.id}/checkout`,
				{ ...body, email: "x@shop.test" },
				{ key: "guest-checkout-1" },
			);
			expect([other.status, other.body.code]).toEqual([422, "IDEMPOTENCY_KEY_REUSED"]);
			const second = await client.post(`/carts/${cart.id}/checkout`, body, { key: "guest-checkout-2" });
			expect([second.status, second.body.code]).toEqual([409, "CART_NOT_OPEN"]);

			const { accessToken: orderToken, id } = placed.body;
			expect((await client.get(`/orders/${id}`, { headers: { "x-order-token": orderToken } })).body.number).toBe(
				placed.body.number,
			);
			expect((await client.get(`/orders/${id}`)).status).toBe(404);
			expect((await client.get(`/orders/${id}`, { headers: { "x-order-token": `${orderToken}x` } })).status).toBe(404);

			const mail = await mailTo("guest@shop.test", /order/i);
			expect(textOf(mail)).toContain(placed.body.number);
			const after = await stockOf("LAMP-1");
			expect([before.available - after.available, after.sold - before.sold]).toEqual([2, 2]);
		});

		it("keeps the cart open when the card is declined, and sells when a good one follows", async () => {
			const before = await stockOf("LAMP-1");
			const cart = await cartWith(client, "LAMP-1");
			const declined = await client.post(`/carts/${cart.id}/checkout`, checkoutBody(cart, { token: "tok_declined" }), {
				key: "declined-1",
			});
			expect([declined.status, declined.body.code]).toEqual([402, "PAYMENT_DECLINED"]);
			expect((await client.get(`/carts/${cart.id}`)).body.status).toBe("open");
			await until("the stock to be back", async () => (await stockOf("LAMP-1")).available === before.available);

			const paid = await client.post(`/carts/${cart.id}/checkout`, checkoutBody(cart), { key: "declined-2" });
			expect([paid.status, paid.body.status]).toEqual([201, "paid"]);
		});

		it("refuses a total that is not the price now, and says the new one", async () => {
			const cart = await cartWith(client, "LAMP-1");
			const answer = await client.post(
				`/carts/${cart.id}/checkout`,
				{ ...checkoutBody(cart), expectedTotal: eur(1) },
				{ key: "wrong-total" },
			);
			expect([answer.status, answer.body.code]).toEqual([409, "PRICE_CHANGED"]);
			expect(JSON.stringify(answer.body)).toContain("5000");
		});

		it("refuses more than there is, naming the SKU, and charges nothing", async () => {
			const cart = await cartWith(client, "LAMP-1", 500);
			const answer = await client.post(`/carts/${cart.id}/checkout`, checkoutBody(cart), { key: "too-many" });
			expect([answer.status, answer.body.code]).toEqual([409, "STOCK_INSUFFICIENT"]);
			expect(JSON.stringify(answer.body.errors)).toContain("LAMP-1");
			expect((await client.get(`/carts/${cart.id}`)).body.status).toBe("open");
		});

		it("pays by webhook when the method settles later", async () => {
			const cart = await cartWith(client, "LAMP-1");
			const placed = await client.post(`/carts/${cart.id}/checkout`, checkoutBody(cart, { token: "tok_async" }), {
				key: "async-1",
			});
			expect([placed.status, placed.body.status]).toEqual([201, "awaiting_payment"]);
			const headers = { "x-order-token": placed.body.accessToken };
			await until("the payment to settle", async () => {
				const { body } = await client.get(`/orders/${placed.body.id}`, { headers });
				return body.status === "paid";
			});
		});

		it("cancels an order before it ships: the goods and the money go back, once", async () => {
			const before = await stockOf("LAMP-1");
			const cart = await cartWith(client, "LAMP-1");
			const { body: order } = await client.post(`/carts/${cart.id}/checkout`, checkoutBody(cart), { key: "cancel-me" });
			const headers = { "x-order-token": order.accessToken };
			const answers = await Promise.all(
				["a", "b", "c"].map(key => client.post(`/orders/${order.id}/cancel`, {}, { key: `cancel-${key}`, headers })),
			);
			expect(answers.some(answer => answer.status === 200)).toBe(true);
			await until("the cancelled order", async () => {
				const { body } = await client.get(`/orders/${order.id}`, { headers });
				return body.status === "cancelled" && body.payment.status === "refunded";
			});
			await until("the goods to be back", async () => (await stockOf("LAMP-1")).available === before.available);
			const ledger = await client.get("/admin/payments/test/ledger", { token: admin });
			const refunds = ledger.body.items.filter(
				(item: { orderId: string; kind: string }) => item.orderId === order.id && item.kind === "refund",
			);
			expect(refunds).toHaveLength(1);
		});

		it("refunds never more than was captured, however many ask at once", async () => {
			const cart = await cartWith(client, "LAMP-1");
			const { body: order } = await client.post(`/carts/${cart.id}/checkout`, checkoutBody(cart), { key: "refund-me" });
			const refund = (key: string) =>
				client.post(
					`/admin/orders/${order.id}/refunds`,
					{ amount: eur(2_000), reason: "scratch" },
					{ token: admin, key },
				);
			const answers = await Promise.all(["r1", "r2", "r3", "r4"].map(refund));
			expect(answers.filter(answer => answer.status < 300)).toHaveLength(2);
			expect(answers.filter(answer => answer.status === 409)).toHaveLength(2);
			expect(
				(await client.post(`/admin/orders/${order.id}/refunds`, { amount: eur(1), reason: "x" }, { token: admin }))
					.status,
			).toBe(400);
		});

		it("imports a catalogue with bad rows in it, and sells what it imported", async () => {
			const rows = Array.from({ length: 40 }, (_, i) =>
				JSON.stringify({ sku: `IMP-${i}`, title: `Imported thing ${i}`, price: eur(1_000 + i), brand: "Imports" }),
			);
			rows[7] = "{ not json";
			rows[9] = JSON.stringify({ sku: "IMP-9", title: "No price" });
			const sent = await client.post("/admin/products/import?stock=5", `${rows.join("\n")}\n`, {
				token: admin,
				headers: { "content-type": "application/x-ndjson" },
			});
			expect(sent.status).toBe(202);
			const job = await until("the end of the import", async () => {
				const { body } = await client.get(`/admin/jobs/${sent.body.jobId}`, { token: admin });
				return body.status !== "running" && body;
			});
			expect(job).toMatchObject({ status: "done", processed: 40, created: 38, updated: 0, failed: 2 });
			expect(job.errors.map((error: { row: number }) => error.row)).toEqual([8, 10]);
			const { body: list } = await client.get("/products?brand=Imports&limit=100&count=true");
			expect(list.total).toBe(38);
			const cart = await cartWith(client, "IMP-3");
			const placed = await client.post(`/carts/${cart.id}/checkout`, checkoutBody(cart), { key: "buy-imported" });
			expect([placed.status, placed.body.status]).toEqual([201, "paid"]);
		});

		it("keeps a signed-in customer's cart and orders to that customer", async () => {
			const { body: grace } = await client.post("/auth/login", {
				email: "grace@shop.test",
				password: "a long enough passphrase",
			});
			const token = grace.accessToken;
			const cart = (
				await client.post("/carts", { currency: "EUR", lines: [{ sku: "LAMP-1", quantity: 1 }] }, { token })
			).body;
			expect((await client.get(`/carts/${cart.id}`)).status).toBe(404);
			expect((await client.get(`/carts/${cart.id}`, { token: admin })).status).toBe(404);
			const placed = await client.post(
				`/carts/${cart.id}/checkout`,
				{ ...checkoutBody(cart), shippingAddress: ADDRESS },
				{ token, key: "grace-1" },
			);
			expect(placed.status).toBe(201);
			expect((await client.get("/orders", { token })).body.items.map((order: { id: string }) => order.id)).toEqual([
				placed.body.id,
			]);
			expect((await client.get(`/orders/${placed.body.id}`)).status).toBe(404);
		});

		it("answers every mistake with a problem document that gives nothing away", async () => {
			const unknown = await client.get("/no-such-thing");
			expect(unknown.status).toBe(404);
			expect(unknown.headers.get("content-type")).toContain("application/problem+json");
			expect(unknown.body).toMatchObject({ status: 404, code: "NOT_FOUND", requestId: expect.any(String) });
			const wrong = await client.post("/carts", { lines: [{ sku: "LAMP-1", quantity: 1.5 }], junk: true });
			expect([wrong.status, wrong.body.code]).toEqual([422, "VALIDATION_ERROR"]);
			expect(wrong.body.errors.length).toBeGreaterThan(0);
			expect((await client.request("PUT", "/carts")).headers.get("allow")).toContain("POST");
		});

		it("leaves stock and money right at the end", async () => {
			const report = await until("all sagas and outboxes to be done", async () => {
				const found = await checkInvariants(shop.mongodbUri);
				return found.ok && found;
			});
			expect(report.violations).toEqual([]);
		});
	});
}
