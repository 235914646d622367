import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Client, type Json } from "../support/client.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { ADMIN, adminToken, checkoutBody, stockProduct } from "../support/shop.ts";
import { until } from "../support/until.ts";

const EVIL = { "x-forwarded-for": "203.0.113.66" };
const GOOD = { "x-forwarded-for": "192.0.2.7" };
const AT_ONCE = 40;
const CHECKOUTS = 5;

describe("While one client does its worst with what is allowed", () => {
	let node: TestNode;
	let client: Client;
	let sockets: Socket[] = [];

	beforeAll(async () => {
		// The usual bounds of a shop; the proxy of the test tells who is who.
		const env = { RATE_LIMIT: "300", AUTH_RATE_LIMIT: "10", TRUSTED_PROXIES: "127.0.0.0/8,::1" };
		node = await startTestNode({ env: { ...env, STOA_ADMIN_EMAIL: ADMIN.email, STOA_ADMIN_PASSWORD: ADMIN.password } });
		client = new Client(node.broker.stoa.publicUrl);
		const token = await adminToken(client);
		await stockProduct(client, token, { sku: "LAMP", stock: 10_000 });
		await stockProduct(client, token, { sku: "OTHER", stock: 10_000 });
	}, 60_000);
	afterAll(() => node?.stop(), 60_000);
	afterEach(() => {
		for (const socket of sockets) socket.destroy();
		sockets = [];
	});

	const raw = async (text: string): Promise<void> => {
		const socket = connect(Number(new URL(client.url).port), "127.0.0.1");
		sockets.push(socket);
		socket.on("error", () => undefined);
		socket.pause();
		socket.write(text);
		await once(socket, "close");
	};
	const head = `Host: x\r\nX-Forwarded-For: ${EVIL["x-forwarded-for"]}\r\n`;
	const checkout = async (card: string, n: number) => {
		const cart = await client.post("/carts", { lines: [{ sku: "OTHER", quantity: 1 }] }, { headers: EVIL });
		if (cart.status !== 201) return cart;
		const body = checkoutBody(cart.body, { token: card });
		return client.post(`/carts/${cart.body.id}/checkout`, body, {
			key: `evil-${card}-${n}-key-of-evil`,
			headers: EVIL,
		});
	};
	const long = `{"lines":[${Array.from({ length: 30_000 }, () => "1").join(",")}]}`;
	const ATTACKS: Record<string, (n: number) => Promise<unknown>> = {
		"cards that never answer": n => checkout("tok_timeout_after_charge", n),
		"broken cards": n => checkout("tok_error", n),
		"bodies that are wrong thirty thousand times": () =>
			client.post("/carts", long, { headers: { ...EVIL, "content-type": "application/json" } }),
		"searches that nobody else makes": n =>
			client.get(`/products?q=${"x".repeat(150)}${n}&count=true`, { headers: EVIL }),
		"wrong passwords": n =>
			client.post("/auth/login", { email: `a${n}@shop.test`, password: "wrong horse battery" }, { headers: EVIL }),
		registrations: n =>
			client.post(
				"/auth/register",
				{ email: `r${n}@shop.test`, password: "correct horse battery staple" },
				{ headers: EVIL },
			),
		"heads that never end": () => raw(`GET /api/v1/products HTTP/1.1\r\n${head}X-A: `),
		"bodies that never end": () =>
			raw(`POST /api/v1/carts HTTP/1.1\r\n${head}Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n{`),
		"answers that nobody reads": () => raw(`GET /api/v1/openapi.json HTTP/1.1\r\n${head}\r\n`.repeat(200)),
	};

	it.each(Object.keys(ATTACKS))("another's checkout goes through at the first try: %s", async name => {
		const attack = ATTACKS[name];
		if (!attack) throw new Error("There is no such attack");
		let [begun, isOver] = [0, false];
		const evil = Array.from({ length: AT_ONCE }, async () => {
			while (!isOver) {
				await attack(begun++).catch(() => undefined);
				await new Promise(setImmediate);
			}
		});
		await until("the attack to be under way", () => begun >= AT_ONCE);
		const statuses: number[] = [];
		for (let i = 0; i < CHECKOUTS; i++) {
			const cart: Json = (await client.post("/carts", { lines: [{ sku: "LAMP", quantity: 1 }] }, { headers: GOOD }))
				.body;
			const key = `good-${name}-${i}`.replaceAll(" ", "-");
			const answer = await client.post(`/carts/${cart.id}/checkout`, checkoutBody(cart), { key, headers: GOOD });
			statuses.push(answer.status);
		}
		isOver = true;
		for (const socket of sockets) socket.destroy();
		expect(statuses).toEqual(Array.from({ length: CHECKOUTS }, () => 201));
		await Promise.all(evil);
	}, 120_000);
});
