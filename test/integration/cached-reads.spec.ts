import { create, startGateway, type TestGateway } from "../support/gateway.ts";
import { until } from "../support/until.ts";

describe("A cached read", () => {
	let gateway: TestGateway;
	let loads: { value: number; release: () => void }[] = [];
	const state = { value: 1, isHeld: false };

	beforeAll(async () => {
		gateway = await startGateway();
		await create(gateway.broker, {
			name: "shelf",
			actions: {
				get: {
					visibility: "published",
					permissions: "anyone",
					openapi: { summary: "A value" },
					rest: "GET /shelf",
					cached: { aggregate: "shelf", keys: ["of"], ttlMs: 60_000 },
					params: { $$strict: true, of: { type: "string", max: 9, optional: true } },
					async handler() {
						const { value } = state;
						await new Promise<void>(resolve => {
							loads.push({ value, release: resolve });
							if (!state.isHeld) resolve();
						});
						if (value < 0) throw new Error("no value");
						return { value };
					},
				},
				staff: {
					visibility: "published",
					permissions: ["ops:read"],
					openapi: { summary: "A secret" },
					rest: "GET /shelf/staff",
					cached: { aggregate: "shelf", keys: [], ttlMs: 60_000 },
					handler: () => ({ secret: true }),
				},
			},
		});
		await until("the route", async () => (await gateway.client.get("/shelf?of=route")).status === 200);
	}, 30_000);
	afterAll(() => gateway?.stop());
	beforeEach(async () => {
		Object.assign(state, { value: 1, isHeld: false });
		loads = [];
		await gateway.node.broker.stoa.cache.bump("shelf");
	});

	const get = (query = "") => gateway.client.get(`/shelf${query}`);

	it("loads once, also for many at once, and once for each of its keys", async () => {
		state.isHeld = true;
		const answers = Promise.all(Array.from({ length: 30 }, () => get()));
		await until("the load", () => loads.length > 0);
		state.isHeld = false;
		loads[0]?.release();
		expect(new Set((await answers).map(answer => answer.text))).toEqual(new Set(['{"value":1}']));
		await get();
		expect(loads).toHaveLength(1);
		await get("?of=other");
		expect(loads).toHaveLength(2);
	});

	it("is never found after a write that came while it was loaded", async () => {
		state.isHeld = true;
		const old = get();
		await until("the load", () => loads.length === 1);
		Object.assign(state, { value: 2, isHeld: false });
		await gateway.node.broker.stoa.cache.bump("shelf");
		loads[0]?.release();
		expect((await old).body).toEqual({ value: 1 });
		expect((await get()).body).toEqual({ value: 2 });
	});

	it("does not keep a failure", async () => {
		state.value = -1;
		expect((await get()).status).toBe(500);
		state.value = 3;
		expect((await get()).body).toEqual({ value: 3 });
	});

	it("is neither validated nor authorised less for being cached", async () => {
		const staff = gateway.tokenFor(["admin"]);
		expect((await gateway.client.get("/shelf/staff", { token: staff })).status).toBe(200);
		expect((await gateway.client.get("/shelf/staff", { token: gateway.tokenFor() })).status).toBe(403);
		await expect(gateway.broker.call("shelf.staff")).rejects.toMatchObject({ type: "UNAUTHENTICATED" });
		await get();
		expect((await get("?of=muchtoolong")).status).toBe(422);
	});

	it("is answered with 304 to who has it, compressed to who can read that, and as no one's own when signed in", async () => {
		const list = await gateway.client.get("/things");
		const etag = list.headers.get("etag") ?? "";
		expect([list.headers.get("cache-control"), etag.length > 10]).toEqual(["public, no-cache", true]);
		expect(list.headers.get("content-encoding")).toMatch(/br|gzip/);
		const known = await gateway.client.get("/things", { headers: { "if-none-match": `W/${etag}, "x"` } });
		expect([known.status, known.text]).toEqual([304, ""]);
		const signedIn = await gateway.client.get("/things", { token: gateway.tokenFor() });
		expect(signedIn.headers.get("cache-control")).toBe("no-store");
		expect(signedIn.text).toBe(list.text);
	});
});
