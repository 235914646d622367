import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type EmbeddedMongod, startEmbeddedMongod } from "../../embedded-mongod/src/index.ts";
import { encodeCursor } from "../../lib/cursor.ts";
import { sign, testWebhookSecret } from "../../lib/webhook-signature.ts";
import { Client, type Json } from "../support/client.ts";
import { rawRequest } from "../support/gateway.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { ADMIN, adminToken, cartWith, checkoutBody, stockProduct } from "../support/shop.ts";
import { until } from "../support/until.ts";

const ADMIN_ENV = { STOA_ADMIN_EMAIL: ADMIN.email, STOA_ADMIN_PASSWORD: ADMIN.password };
const row = (sku: string) =>
	`${JSON.stringify({ sku, title: `Lamp ${sku}`, price: { amount: 100, currency: "EUR" } })}\n`;

describe("A mistake of the client", () => {
	let node: TestNode;
	let client: Client;
	let token: string;
	beforeAll(async () => {
		node = await startTestNode({ env: ADMIN_ENV });
		client = new Client(node.broker.stoa.publicUrl);
		token = await adminToken(client);
		await stockProduct(client, token, { sku: "LAMP", stock: 5 });
	}, 60_000);
	afterEach(async () => {
		const { body } = await node.broker.stoa.metrics.page();
		expect(body).not.toMatch(/^stoa_unhandled_errors_total\{.*\} /m);
	});
	afterAll(() => node?.stop(), 60_000);

	const LISTS = [
		"/products",
		"/products?sort=price",
		"/products?sort=title",
		"/admin/products",
		"/orders",
		"/admin/orders",
		"/admin/notifications",
		"/admin/inventory/LAMP/ledger",
	];
	it.each([
		["a time beyond all calendars", '[9e15,"x"]'],
		["a number no JSON can write back", '[1e999,"x"]'],
		["a time between two milliseconds", '[0.5,"x"]'],
		["nothing", "null"],
		["a list of lists", "[[],[]]"],
		["a position of the newest with an impossible time", '["newest",9e15,"x"]'],
		["a price that is none", '["price",1e999,"x"]'],
	])("in a cursor, %s, is 422 on every list", async (_, text) => {
		const cursor = Buffer.from(text).toString("base64url");
		for (const list of LISTS) {
			const answer = await client.get(`${list}${list.includes("?") ? "&" : "?"}cursor=${cursor}`, { token });
			expect([list, answer.status, answer.body.code]).toEqual([list, 422, "VALIDATION_ERROR"]);
		}
	});

	it("does not keep a right cursor from being read", async () => {
		const cursor = encodeCursor([Date.now() + 60_000, "zzzz"]);
		expect((await client.get(`/admin/notifications?cursor=${cursor}`, { token })).status).toBe(200);
	});

	it.each(["null", "[]", "3", '"x"', "{}", '{"id":1}', "{", ""])("in a signed webhook, %s, is 400", async text => {
		const { config, secret, clock } = node.broker.stoa;
		const key = testWebhookSecret(config.testPaymentWebhookSecret, secret);
		const answer = await client.post("/payments/webhooks/test", text, {
			headers: { "content-type": "application/json", "stoa-signature": sign(key, text, clock.nowMs()) },
		});
		expect([answer.status, answer.body.code]).toEqual([400, "BAD_REQUEST"]);
	});

	const whole = gzipSync(Array.from({ length: 5_000 }, (_, i) => row(`CUT-${i}`)).join(""));
	const broken = Buffer.from(whole);
	broken.fill(0xff, 200, 400);
	it.each([
		["cut", whole.subarray(0, whole.length / 2), { "content-encoding": "gzip" }],
		["cut in its first bytes", whole.subarray(0, 5), { "content-encoding": "gzip" }],
		["corrupt", broken, { "content-encoding": "gzip" }],
		["none at all", Buffer.from(row("NONE")), { "content-encoding": "gzip" }],
		["cut, as a file", whole.subarray(0, whole.length / 2), {}],
		["corrupt, as a file", broken, {}],
	])("in an import, gzip that is %s, is 400 and makes no job", async (_, body, headers) => {
		const answer = await rawRequest(`${client.url}/api/v1/admin/products/import`, {
			method: "POST",
			headers: { authorization: `Bearer ${token}`, "content-type": "application/x-ndjson", ...headers },
			body,
		});
		expect([answer.status, JSON.parse(answer.text).detail]).toEqual([400, expect.stringContaining("gzip")]);
		const products = node.broker.stoa.database.of("products");
		expect(await products.collection("import_jobs").countDocuments()).toBe(0);
		await until("no chunk", async () => (await products.collection("import_chunks").countDocuments()) === 0);
	});

	it("in a small compressed body is 400 too", async () => {
		const headers = { "content-type": "application/json", "content-encoding": "gzip" };
		const body = gzipSync('{"currency":"EUR"}').subarray(0, 20);
		expect((await rawRequest(`${client.url}/api/v1/carts`, { method: "POST", headers, body })).status).toBe(400);
	});

	it("is none when it is a null for what may be left out, at any depth", async () => {
		const cart = await cartWith(client, "LAMP");
		const body = checkoutBody(cart);
		const shippingAddress = { ...body.shippingAddress, company: null, line2: null, region: null, phone: null };
		const nulls = { ...body, billingAddress: null, shippingAddress };
		const placed = await client.post(`/carts/${cart.id}/checkout`, nulls, { key: "an-order-with-nulls" });
		expect([placed.status, placed.body.shippingAddress]).toEqual([201, body.shippingAddress]);
		// It is the same request, so its key is no other's.
		const again = await client.post(`/carts/${cart.id}/checkout`, body, { key: "an-order-with-nulls" });
		expect([again.status, again.text]).toEqual([201, placed.text]);
	});

	it.each([
		"1",
		"{}",
		"null",
		'{"sku":1}',
	])("in each of thousands of items, %s, is one mistake: there are too many", async item => {
		const items = Array.from({ length: Math.floor(63_000 / (item.length + 1)) }, () => item);
		const text = `{"lines":[${items.join(",")}]}`;
		const answer = await client.post("/carts", text, { headers: { "content-type": "application/json" } });
		expect([answer.status, answer.body.errors]).toEqual([
			422,
			[{ field: "lines", code: "arrayMax", message: expect.any(String) }],
		]);
	});

	it("in very many fields is told a hundred times at most, and shortly", async () => {
		const lines = Array.from({ length: 100 }, () => ({ sku: "", quantity: -1, ["x".repeat(300)]: 1 }));
		const answer = await client.post("/carts", { lines, ["y".repeat(20_000)]: 1 });
		expect([answer.status, answer.body.errors.length]).toEqual([422, 100]);
		expect(answer.text.length).toBeLessThan(50_000);
	});

	it("cannot be made in a list without an end: every one that a body has is bounded", async () => {
		const { components: _, ...document } = (await client.get("/openapi.json")).body;
		const unbounded: string[] = [];
		const walk = (where: string, schema: Json): void => {
			if (typeof schema !== "object" || schema === null) return;
			if (schema.type === "array" && typeof schema.maxItems !== "number") unbounded.push(where);
			for (const [name, inner] of Object.entries(schema)) walk(`${where}.${name}`, inner);
		};
		for (const [path, methods] of Object.entries<Json>(document.paths))
			for (const [method, { requestBody }] of Object.entries<Json>(methods)) walk(`${method} ${path}`, requestBody);
		expect(unbounded).toEqual([]);
	});

	it("of 24 broken cards and as many bad requests does not close the checkout for others", async () => {
		await stockProduct(client, token, { sku: "SHADE", stock: 60 });
		const broken = await Promise.all(
			Array.from({ length: 24 }, async (_, i) => {
				const cart = await cartWith(client, "SHADE");
				const path = `/carts/${cart.id}/checkout`;
				const failed = await client.post(path, checkoutBody(cart, { token: "tok_error" }), { key: `broken-card-${i}` });
				const bad = await client.post(path, { email: "no address" }, { key: `bad-request-${i}` });
				return [failed.status, bad.status];
			}),
		);
		expect(new Set(broken.map(String))).toEqual(new Set(["503,422"]));
		const cart = await cartWith(client, "SHADE");
		const good = await client.post(`/carts/${cart.id}/checkout`, checkoutBody(cart), { key: "a-good-card-of-ada" });
		expect(good.status).toBe(201);
	}, 60_000);

	it("who leaves in the middle of an upload leaves nothing of it", async () => {
		const products = node.broker.stoa.database.of("products");
		const stored = () => products.collection("import_chunks").countDocuments();
		const socket = connect(Number(new URL(client.url).port), "127.0.0.1");
		socket.write(
			`POST /api/v1/admin/products/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n`,
		);
		const line = row("GONE");
		const part = line.repeat(Math.ceil(3_000_000 / line.length));
		socket.write(`${part.length.toString(16)}\r\n${part}\r\n`);
		await until("the first chunks", async () => (await stored()) >= 2);
		socket.destroy();
		await until("their end", async () => (await stored()) === 0);
		expect(await products.collection("import_jobs").countDocuments()).toBe(0);
	}, 30_000);
});

describe("A database that dies during a checkout", () => {
	it("makes it 503 with a time to come again, never 500", async () => {
		const dataDir = await mkdtemp(join(tmpdir(), "stoa-test-"));
		let mongod: EmbeddedMongod | undefined = await startEmbeddedMongod({ dataDir });
		const node = await startTestNode({ env: { ...ADMIN_ENV, MONGODB_URI: mongod.uri } });
		try {
			const client = new Client(node.broker.stoa.publicUrl);
			const token = await adminToken(client);
			await stockProduct(client, token, { sku: "LAMP", stock: 50 });
			const carts = await Promise.all(Array.from({ length: 20 }, () => cartWith(client, "LAMP")));
			const under = carts.map((cart, i) =>
				client.post(`/carts/${cart.id}/checkout`, checkoutBody(cart), { key: `key-of-cart-${i}` }),
			);
			await under[0];
			await mongod.close();
			mongod = undefined;
			const after = client.get("/products/lamp-of-nobody");
			const statuses = (await Promise.all([...under, after])).map(({ status, headers }) => [
				status,
				status < 500 || headers.get("retry-after") !== null,
			]);
			const wrong = statuses.filter(([status, saysWhen]) => ![201, 503, 404].includes(Number(status)) || !saysWhen);
			expect(wrong).toEqual([]);
			expect(statuses.at(-1)).toEqual([503, true]);
			expect((await node.broker.stoa.metrics.page()).body).not.toMatch(/^stoa_unhandled_errors_total\{.*\} /m);
		} finally {
			// What is under way ends with an answer of the database, as it would on the day.
			mongod ??= await startEmbeddedMongod({ dataDir });
			await node.stop();
			await mongod?.close();
			await rm(dataDir, { recursive: true, force: true });
		}
	}, 120_000);
});
