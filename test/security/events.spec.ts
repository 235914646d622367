import { randomUUID } from "node:crypto";
import { createMetrics } from "../../lib/metrics.ts";
import { networkOf } from "../../lib/network.ts";
import { createSecurityLog } from "../../lib/security-events.ts";
import { Client } from "../support/client.ts";
import { startTestNode, type TestNode } from "../support/node.ts";

const PASSWORD = "a long enough passphrase";

describe("Whoever watches over the shop", () => {
	let node: TestNode;
	let limited: TestNode;
	let client: Client;
	beforeAll(async () => {
		node = await startTestNode();
		limited = await startTestNode({ services: ["auth"], env: { AUTH_RATE_LIMIT: "3" } });
		client = new Client(node.broker.stoa.publicUrl);
	}, 60_000);
	afterAll(async () => {
		await limited?.stop();
		await node?.stop();
	});

	const counts = async (of: TestNode) => {
		const { body } = await of.broker.stoa.metrics.page();
		const found = [...body.matchAll(/^stoa_security_events_total\{event="(\w+)"\} (\d+)$/gm)];
		return Object.fromEntries(found.map(([, event, count]) => [event, Number(count)])) as Record<string, number>;
	};
	/** What `work` adds to each count. */
	const added = async (work: () => Promise<unknown>, of = node) => {
		const before = await counts(of);
		await work();
		const after = Object.entries(await counts(of)).map(
			([event, count]) => [event, count - (before[event] ?? 0)] as const,
		);
		return Object.fromEntries(after.filter(([, count]) => count > 0));
	};
	const signedIn = async () => {
		const email = `ada-${randomUUID()}@shop.test`;
		await client.post("/auth/register", { email, password: PASSWORD });
		const waiting = await node.broker.stoa.database.of("auth").collection("registrations").findOne({ email });
		const link = await node.broker.call("auth.verificationToken", { registrationId: String(waiting?._id) });
		return (await client.post("/auth/verify-email", { token: link?.token, password: PASSWORD })).body;
	};

	it("is told of failed sign-ins, and of a lock-out", async () => {
		const attempt = { email: "nobody@shop.test", password: PASSWORD };
		expect(await added(() => client.post("/auth/login", attempt))).toEqual({ sign_in_failed: 1 });
		const again = () => limited.broker.call("auth.login", attempt).catch(() => undefined);
		for (let i = 0; i < 3; i++) expect(await added(again, limited)).toEqual({ sign_in_failed: 1 });
		expect(await added(again, limited)).toEqual({ locked_out: 1 });
	});

	it("is told of a refresh token that was used again, once", async () => {
		const { refreshToken } = await signedIn();
		const second = (await client.post("/auth/refresh", { refreshToken })).body;
		await client.post("/auth/refresh", { refreshToken: second.refreshToken });
		const reuse = () => client.post("/auth/refresh", { refreshToken });
		expect(await added(reuse)).toEqual({ refresh_token_reused: 1 });
	});

	it("is told of access that was denied: 401, 403, and 404 for what is somebody else's", async () => {
		const [ada, eve] = [await signedIn(), await signedIn()];
		const cart = (await client.post("/carts", {}, { token: ada.accessToken })).body;
		expect(cart.id).toBeDefined();
		const denied = { access_denied: 1 };
		expect(await added(() => client.get("/me"))).toEqual(denied);
		expect(await added(() => client.get("/me", { token: "made.up.token" }))).toEqual(denied);
		expect(await added(() => client.get("/admin/orders", { token: eve.accessToken }))).toEqual(denied);
		expect(await added(() => client.get(`/carts/${cart.id}`, { token: ada.accessToken }))).toEqual({});
		for (const options of [{ token: eve.accessToken }, {}]) {
			const theirs = await client.get(`/carts/${cart.id}`, options);
			const nobodys = await client.get(`/carts/${cart.id.slice(0, -4)}ZZZZ`, options);
			expect({ ...theirs.body, requestId: "" }).toEqual({ ...nobodys.body, requestId: "" });
			expect(await added(() => client.get(`/carts/${cart.id}`, options))).toEqual(denied);
		}
		expect(await added(() => client.get("/carts/crt_nobody"))).toEqual({});
	});

	it("is told of a forged webhook", async () => {
		const headers = { "content-type": "application/json", "stoa-signature": `t=1,v1=${"0".repeat(64)}` };
		const forged = () => client.post("/payments/webhooks/test", "{}", { headers });
		expect(await added(forged)).toEqual({ webhook_forged: 1 });
	});

	it("can put lines about one account and one network together, and learns neither", () => {
		const lines: object[] = [];
		const log = { warn: (line: object) => void lines.push(line) };
		const security = createSecurityLog("the secret of a node", createMetrics(), log as never, networkOf);
		security.record("sign_in_failed", { account: "ada@shop.test", address: "2001:db8::1" });
		security.record("sign_in_failed", { account: "ada@shop.test", address: "2001:db8::2" });
		security.record("access_denied", { account: "eve@shop.test", address: "192.0.2.7" });
		expect(lines[0]).toEqual(lines[1]);
		expect(JSON.stringify(lines)).not.toMatch(/shop\.test|2001:db8|192\.0\.2/);
		const other = createSecurityLog("another secret", createMetrics(), log as never, networkOf);
		other.record("sign_in_failed", { account: "ada@shop.test", address: "2001:db8::1" });
		expect(lines[3]).not.toEqual(lines[0]);
		expect(lines[2]).toMatchObject({ event: "access_denied", account: expect.stringMatching(/^[\w-]{22}$/) });
	});

	it("counts whom its limit refuses for ever, and writes a bounded part of it", async () => {
		const lines: { event?: string; network?: string; leftOut?: object }[] = [];
		const log = { warn: (line: object) => void lines.push(line) };
		const metrics = createMetrics();
		const security = createSecurityLog("the secret of a node", metrics, log as never, networkOf);
		for (let i = 0; i < 1_000; i++) security.record("locked_out", { address: `2001:db8:1:${i.toString(16)}::1` });
		expect(lines).toHaveLength(60);
		security.record("locked_out", { address: "192.0.2.7" });
		// What a limit bounds is all written, lest a flood hide it.
		for (let i = 0; i < 100; i++)
			security.record("sign_in_failed", { account: "ada@shop.test", address: "2001:db8:1::1" });
		expect(lines).toHaveLength(161);
		expect((await metrics.page()).body).toContain('stoa_security_events_total{event="locked_out"} 1001');
	});
});
