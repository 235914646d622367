import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LocalServer, startMongod } from "../../cluster/servers.ts";
import { endsWithin } from "../../lib/deadline.ts";
import { Client } from "../support/client.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { findOrStartNats, findOrStartRedis, type TestServer } from "../support/servers.ts";
import { ADMIN, adminToken, cartWith, checkoutBody, stockProduct } from "../support/shop.ts";

/** A stop that waits for what is away takes minutes, or never ends. */
const BOUND_MS = 40_000;

describe("A node stops by itself within its bound", () => {
	let dir: string;
	let mongod: LocalServer;
	let nats: TestServer | undefined;
	let redis: TestServer | undefined;
	let node: TestNode;

	beforeEach(async () => {
		dir = await mkdtemp(join(tmpdir(), "stoa-stop-"));
		[mongod, nats, redis] = await Promise.all([startMongod(dir), findOrStartNats(), findOrStartRedis()]);
		node = await startTestNode({
			env: {
				STOA_ADMIN_EMAIL: ADMIN.email,
				STOA_ADMIN_PASSWORD: ADMIN.password,
				MONGODB_URI: mongod.url,
				...(nats?.isOwn ? { NATS_URL: nats.url } : {}),
				...(redis?.isOwn ? { REDIS_URL: redis.url } : {}),
			},
		});
	}, 60_000);
	afterEach(async () => {
		for (const server of [mongod, nats, redis]) server?.kill("SIGCONT");
		await mongod?.stop();
		await Promise.all([nats?.stop(), redis?.stop()]);
		await rm(dir, { recursive: true, force: true });
	}, 60_000);

	it.each([
		["the database is gone", "SIGKILL", ["database"]],
		["the database is frozen", "SIGSTOP", ["database"]],
		["NATS is frozen", "SIGSTOP", ["nats"]],
		["Redis is frozen", "SIGSTOP", ["redis"]],
		["all of them are gone", "SIGKILL", ["database", "nats", "redis"]],
		["all of them are frozen", "SIGSTOP", ["database", "nats", "redis"]],
	] as const)(
		"though %s amid checkouts",
		async (_, signal, away) => {
			const client = new Client(node.broker.stoa.publicUrl);
			const token = await adminToken(client);
			await stockProduct(client, token, { sku: "LAMP", stock: 50 });
			const carts = await Promise.all(Array.from({ length: 10 }, () => cartWith(client, "LAMP")));
			const under = carts.map((cart, i) =>
				client.post(`/carts/${cart.id}/checkout`, checkoutBody(cart), { key: `key-of-cart-${i}`, timeoutMs: BOUND_MS }),
			);
			// Whether they are answered is not this test's question.
			const settled = Promise.allSettled(under);
			await Promise.race(under);
			const servers: Record<string, { kill(signal: NodeJS.Signals): unknown } | undefined> = {
				database: mongod,
				nats: nats?.isOwn ? nats : undefined,
				redis: redis?.isOwn ? redis : undefined,
			};
			for (const name of away) await servers[name]?.kill(signal);
			expect(await endsWithin(BOUND_MS, node.stop())).toBe(true);
			await settled;
		},
		120_000,
	);
});
