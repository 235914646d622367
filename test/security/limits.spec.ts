import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { createLogger } from "../../lib/logger.ts";
import { MemoryCache } from "../../ports/cache/memory.ts";
import { RedisCache } from "../../ports/cache/redis.ts";
import { createLimiter } from "../../services/auth/limiter.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { until } from "../support/until.ts";

const MANAGER = { meta: { user: { id: "usr_manager", sessionId: "ses_1", roles: ["manager" as const] } } };
const secret = "a secret of the test that is long enough";

describe("Counts of requests", () => {
	it("go on in each process while Redis is away", async () => {
		const away = new RedisCache("redis://127.0.0.1:9", createLogger("silent"));
		await away.start();
		try {
			const counts = [await away.hit("who", 60_000), await away.hit("who", 60_000), await away.look("who")];
			expect(counts.map(({ count }) => count)).toEqual([1, 2, 2]);
			expect((await away.look("nobody")).count).toBe(0);
		} finally {
			await away.stop();
		}
	});

	it("still refuse while Redis is away, and count registrations apart from sign-ins and IPv6 by its networks", async () => {
		const gateway = await startGateway({
			RATE_LIMIT: "2",
			AUTH_RATE_LIMIT: "2",
			REDIS_URL: "redis://127.0.0.1:9",
			TRUSTED_PROXIES: "127.0.0.0/8,::1",
		});
		try {
			const get = async (address: string, path = "/things/1") =>
				(await gateway.client.get(path, { headers: { "x-forwarded-for": address } })).status;
			expect([await get("192.0.2.1"), await get("192.0.2.1"), await get("192.0.2.1")]).toEqual([200, 200, 429]);
			expect(await get("192.0.2.2")).toBe(200);
			// Eight of one /56: the fifth /64 has used up what four may.
			for (let i = 0; i < 4; i++)
				for (const host of ["1", "2"]) expect(await get(`2001:db8:0:${i}::${host}`)).toBe(200);
			expect(await get("2001:db8:0:5::1")).toBe(429);
			expect(await get("2001:db8:0:100::1")).toBe(200);
			// And a /48 has sixteen shares.
			const ofCompany: number[] = [];
			for (let i = 0; i < 40; i++) ofCompany.push(await get(`2001:db8:1:${(i << 8).toString(16)}::1`));
			expect(ofCompany.filter(status => status === 200)).toHaveLength(32);

			const auth = async (path: string) =>
				(await gateway.client.post(path, {}, { headers: { "x-forwarded-for": "192.0.2.9" } })).status;
			const signIns = [await auth("/auth/login"), await auth("/auth/login"), await auth("/auth/login")];
			expect(signIns).toEqual([200, 200, 429]);
			expect(await auth("/auth/register")).not.toBe(429);
		} finally {
			await gateway.stop();
		}
	}, 30_000);
});

describe("Wrong passwords", () => {
	const limiter = (cache = new MemoryCache()) =>
		createLimiter({ cache, secret, config: { authRateLimit: 3 } } as unknown as Parameters<typeof createLimiter>[0]);
	const refused = { type: "RATE_LIMITED" };

	it("shut out the network they come from, and nobody else", async () => {
		const { attempt } = limiter();
		for (let i = 0; i < 3; i++) await (await attempt("ada@shop.test", "192.0.2.1")).failed();
		await expect(attempt("ada@shop.test", "192.0.2.1")).rejects.toMatchObject(refused);
		await (await attempt("ada@shop.test", "192.0.2.2")).passed();
		await (await attempt("eve@shop.test", "192.0.2.1")).passed();
	});

	it("do not count when they are right", async () => {
		const { attempt } = limiter();
		for (let i = 0; i < 20; i++) await (await attempt("ada@shop.test", "192.0.2.1")).passed();
	});

	it("of very many networks are refused, but never to a network the owner has signed in from", async () => {
		const { attempt } = limiter();
		await (await attempt("ada@shop.test", "198.51.100.7")).passed();
		for (let i = 0; i < 300; i++) await (await attempt("ada@shop.test", `10.0.${i >> 8}.${i & 255}`)).failed();
		await expect(attempt("ada@shop.test", "192.0.2.1")).rejects.toMatchObject(refused);
		await (await attempt("ada@shop.test", "198.51.100.7")).passed();
	});
});

describe("A client that only holds on", () => {
	let gateway: TestGateway;
	const sockets: Socket[] = [];

	afterEach(async () => {
		for (const socket of sockets.splice(0)) socket.destroy();
		await gateway?.stop();
	});

	const open = async (localAddress = "127.0.0.1", host = "127.0.0.1"): Promise<Socket> => {
		const socket = connect({ port: Number(new URL(gateway.client.url).port), host, localAddress });
		socket.on("error", () => undefined);
		sockets.push(socket);
		await once(socket, "connect");
		return socket;
	};

	it("loses its oldest idle connections, and does not keep others out", async () => {
		gateway = await startGateway({ CONNECTIONS_PER_ADDRESS: "10" });
		for (let i = 0; i < 50; i++) await open();
		await until("forty to be closed", () => sockets.filter(socket => socket.closed).length >= 40);
		expect(sockets.slice(0, 40).every(socket => socket.closed)).toBe(true);
		expect((await gateway.client.get("/things/1")).status).toBe(200);
	}, 30_000);

	it("is one client: no connection of another address is closed for it", async () => {
		gateway = await startGateway({ CONNECTIONS_PER_ADDRESS: "10" });
		// All of 127.0.0.0/8 is this machine, where the system has it so.
		const other = await open("127.0.0.2").catch(() => undefined);
		const local = await open("::1", "::1").catch(() => undefined);
		for (let i = 0; i < 50; i++) await open();
		await until("forty to be closed", () => sockets.filter(socket => socket.closed).length >= 40);
		for (const socket of [other, local]) if (socket) expect(socket.closed).toBe(false);
		expect(other ?? local).toBeDefined();
	}, 30_000);

	it("keeps a connection whose next request is under way, though the one before has its answer", async () => {
		gateway = await startGateway({ CONNECTIONS_PER_ADDRESS: "3" });
		let release = () => undefined as void;
		gateway.gate.wait = new Promise(resolve => {
			release = () => resolve();
		});
		const busy = await open();
		let text = "";
		busy.on("data", part => {
			text += part.toString();
		});
		const body = '{"name":"a"}';
		busy.write(
			`GET /health/live HTTP/1.1\r\nHost: x\r\n\r\nPOST /api/v1/things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
		);
		await until("both to have come", () => text.includes("200 OK") && gateway.seen.length === 1);
		for (let i = 0; i < 10; i++) await open();
		await until("the idle ones to be closed", () => sockets.filter(socket => socket.closed).length >= 8);
		release();
		await until("the second answer", () => text.includes("201 Created"));
	}, 30_000);

	it.each([
		["a refused post", "POST /api/v1/nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx"],
		["a get with a body", "GET /api/v1/things/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx"],
		["a chunked one", "GET /health/live HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"],
	])(
		"is let go of once it has its answer: %s",
		async (_, head) => {
			gateway = await startGateway();
			const socket = await open();
			let text = "";
			socket.on("data", part => {
				text += part.toString();
			});
			socket.write(head);
			await until("the answer", () => text.startsWith("HTTP/1.1 "));
			await until("the end of the connection", () => socket.closed);
		},
		30_000,
	);
});

describe("An import", () => {
	let node: TestNode;
	beforeAll(async () => {
		node = await startTestNode({ services: ["api", "products", "inventory", "auth", "users"] });
	}, 30_000);
	afterAll(() => node?.stop());

	const chunks = () => node.broker.stoa.database.of("products").collection("import_chunks").countDocuments();
	const jobs = () => node.broker.stoa.database.of("products").collection("import_jobs").countDocuments();

	it.each([
		["unpacks to very much more than its size", gzipSync(Buffer.alloc(64 * 1024 ** 2, "{"))],
		["has nothing but blank lines", Buffer.from("\n".repeat(200_000))],
	])("that %s is refused, and leaves nothing", async (_, body) => {
		const { Readable } = await import("node:stream");
		const stream = Readable.from([body]);
		await expect(node.broker.call("products.import", {}, { ...MANAGER, stream })).rejects.toMatchObject({
			type: "PAYLOAD_TOO_LARGE",
		});
		expect([await chunks(), await jobs()]).toEqual([0, 0]);
	});
});
