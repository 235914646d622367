import { randomBytes, randomUUID } from "node:crypto";
import { gzipSync } from "node:zlib";
import { newId } from "../../lib/ids.ts";
import { originRule } from "../../services/api/http/headers.ts";
import { create, rawRequest, startGateway, type TestGateway } from "../support/gateway.ts";
import { until } from "../support/until.ts";

const json = { "content-type": "application/json" };

describe("The gateway refuses", () => {
	let gateway: TestGateway;
	const client = () => gateway.client;
	const url = (path: string) => `${gateway.client.url}/api/v1${path}`;

	beforeAll(async () => {
		gateway = await startGateway({ CORS_ORIGINS: "https://shop.example,https://admin.example" });
	}, 30_000);
	afterAll(() => gateway?.stop());
	beforeEach(() => {
		gateway.seen.length = 0;
	});

	const problem = (answer: { status: number; body: unknown }) => {
		const { status, code, requestId } = answer.body as Record<string, unknown>;
		expect(status).toBe(answer.status);
		expect(requestId).toMatch(/^[A-Za-z0-9-]{8,64}$/);
		return [answer.status, code];
	};

	it("paths it does not know, with a problem document and every security header", async () => {
		const answer = await client().get("/nothing");
		expect(problem(answer)).toEqual([404, "NOT_FOUND"]);
		expect(answer.headers.get("content-type")).toContain("application/problem+json");
		for (const where of [
			answer,
			await client().get("//nothing.html"),
			await client().get("/things"),
			await client().get("//"),
		]) {
			expect(where.headers.get("content-security-policy")).toContain("default-src 'none'");
			expect(where.headers.get("x-content-type-options")).toBe("nosniff");
			expect(where.headers.get("strict-transport-security")).toBeTruthy();
			expect(where.headers.get("x-powered-by")).toBeNull();
		}
	});

	it("actions that are not published, by any path", async () => {
		for (const path of [
			"//things/hidden",
			"/things.hidden",
			"/hidden",
			"/unpublished",
			"/~node/health",
			"//~node/health",
			"//$node/actions",
			"/api/list-aliases",
			"//api/list-aliases",
			"//list-aliases",
			"//api/rest",
			"//$cache/forget",
		]) {
			expect([path, (await client().get(path)).status]).toEqual([path, 404]);
			expect([path, (await client().post(path, {})).status]).toEqual([path, 404]);
		}
		expect(gateway.broker.registry.actions.isAvailable("api.listAliases")).toBe(false);
	});

	it("another method of a known path with 405 and what it allows", async () => {
		const answer = await client().request("PUT", "/things");
		expect(problem(answer)).toEqual([405, "METHOD_NOT_ALLOWED"]);
		expect(answer.headers.get("allow")).toBe("OPTIONS, GET, HEAD, POST");
	});

	it("to run an action for OPTIONS or twice for HEAD", async () => {
		const options = await client().request("OPTIONS", "/things", {
			headers: { "access-control-request-method": "GET" },
		});
		expect([options.status, options.text]).toEqual([204, ""]);
		expect(gateway.seen).toHaveLength(0);
		const head = await client().request("HEAD", "/things/1");
		expect([head.status, head.text, head.headers.get("etag")]).toEqual([200, "", '"7"']);
		expect(gateway.seen).toHaveLength(1);
	});

	it("a page of another machine or of a name that begins like this one, though development lets localhost in", async () => {
		const seenBy = async (origin: string) =>
			(await client().get("/things", { headers: { origin } })).headers.get("access-control-allow-origin");
		for (const origin of ["http://localhost:5173", "http://127.0.0.1:8080", "https://localhost", "http://[::1]:3000"])
			expect(await seenBy(origin)).toBe(origin);
		for (const origin of [
			"http://localhost.evil.test",
			"http://localhost:80@evil.test",
			"null",
			"http://192.168.0.9:5173",
		])
			expect(await seenBy(origin)).toBeNull();
		const inProduction = originRule(["https://shop.example"], false);
		expect(["https://shop.example", "http://localhost:5173"].map(inProduction)).toEqual([true, false]);
	});

	it("origins that only look like an allowed one", async () => {
		const allowed = await client().get("/things", { headers: { origin: "https://shop.example" } });
		expect(allowed.headers.get("access-control-allow-origin")).toBe("https://shop.example");
		expect(allowed.headers.get("access-control-allow-credentials")).toBe("true");
		expect(allowed.headers.get("vary")).toContain("Origin");
		for (const origin of [
			"https://shop.exampl",
			"https://shop.example.evil.test",
			"http://shop.example",
			"null",
			"*",
		]) {
			const answer = await client().get("/things", { headers: { origin } });
			expect(answer.headers.get("access-control-allow-origin")).toBeNull();
			expect(answer.headers.get("vary")).toContain("Origin");
		}
	});

	it("bodies that are not JSON, not whole, not objects, or too large", async () => {
		const post = (body: string | Uint8Array, headers: Record<string, string> = json) =>
			client().request("POST", "/things", { body, headers });
		expect(problem(await post("name=x", { "content-type": "application/x-www-form-urlencoded" }))).toEqual([
			415,
			"UNSUPPORTED_MEDIA_TYPE",
		]);
		expect(problem(await post("{}", { "content-type": "application/json; charset=utf-16" }))).toEqual([
			415,
			"UNSUPPORTED_MEDIA_TYPE",
		]);
		expect(problem(await post("{}", { "content-type": "text/plain" }))).toEqual([415, "UNSUPPORTED_MEDIA_TYPE"]);
		expect(problem(await post('{"name":'))).toEqual([400, "BAD_REQUEST"]);
		const latin1 = Buffer.from('{"name":"Café"}', "latin1");
		expect(problem(await post(latin1))).toEqual([400, "BAD_REQUEST"]);
		for (const half of ['{"name":"\\ud83d"}', '{"\\udc00":1}', '{"name":"x","tags":["\\ud83d"]}'])
			expect(problem(await post(half))).toEqual([422, "VALIDATION_ERROR"]);
		for (const body of ["[]", "3", '"x"', "null"]) expect(problem(await post(body))).toEqual([422, "VALIDATION_ERROR"]);
		expect(problem(await post(JSON.stringify({ name: "x".repeat(70_000) })))).toEqual([413, "PAYLOAD_TOO_LARGE"]);
		expect(problem(await post(`{"name":"x","tags":${'{"a":'.repeat(1_000)}1${"}".repeat(1_000)}}`))).toEqual([
			422,
			"VALIDATION_ERROR",
		]);
		expect(gateway.seen).toHaveLength(0);
	});

	it("a decompression bomb before it has grown", async () => {
		const bomb = gzipSync(Buffer.alloc(20_000_000, 0x20));
		const headers = { ...json, "content-encoding": "gzip" };
		expect((await rawRequest(url("/things"), { method: "POST", headers, body: bomb })).status).toBe(413);
		const small = await rawRequest(url("/things"), { method: "POST", headers, body: gzipSync('{"name":"packed"}') });
		expect(small.status).toBe(201);
		const odd = await rawRequest(url("/things"), {
			method: "POST",
			headers: { ...json, "content-encoding": "br" },
			body: "x",
		});
		expect(odd.status).toBe(415);
	});

	it("prototypes, operators and objects where a scalar belongs", async () => {
		for (const body of [
			'{"name":"x","__proto__":{"role":"admin"}}',
			'{"name":"x","tags":{"\\u005f_proto__":{"a":1}}}',
			'{"name":"x","tags":{"constructor":{"prototype":{"a":1}}}}',
			'{"name":{"$ne":""}}',
			'{"name":"x","size":"3"}',
			'{"name":"x","isAdmin":true}',
		]) {
			const answer = await client().request("POST", "/things", { body, headers: json });
			expect([body, ...problem(answer)]).toEqual([body, 422, "VALIDATION_ERROR"]);
		}
		expect(({} as Record<string, unknown>)["role"]).toBeUndefined();
		for (const query of [
			"q[$ne]=1",
			"limit=1&limit=2",
			"q=a&q=b",
			"unknown=1",
			"__proto__=1",
			"limit=ten",
			"limit=0x10",
			"isBig=maybe",
		]) {
			const answer = await client().get(`/things?${query}`);
			expect([query, ...problem(answer)]).toEqual([query, 422, "VALIDATION_ERROR"]);
		}
		expect(gateway.seen).toHaveLength(0);
	});

	it("to mix body, query and path", async () => {
		expect(problem(await client().post("/things?name=query", { name: "body" }))).toEqual([422, "VALIDATION_ERROR"]);
		for (const id of ["body", "path", "", null])
			expect(problem(await client().patch("/things/path", { id, name: "x" }))).toEqual([422, "VALIDATION_ERROR"]);
		await client().patch("/things/path", { name: "x" });
		expect(gateway.seen.map(({ params }) => params)).toEqual([{ id: "path", name: "x" }]);
		expect(problem(await client().get("/things/path?id=query"))).toEqual([422, "VALIDATION_ERROR"]);
		expect(problem(await client().get("/things/%E0%A4%A"))).toEqual([400, "BAD_REQUEST"]);
		await client().get("/things/a%2Fb");
		expect(gateway.seen.at(-1)?.params).toEqual({ id: "a/b" });
	});

	it("to tell why something broke, or what was sent", async () => {
		const broken = await client().get("/things/broken");
		expect(problem(broken)).toEqual([500, "INTERNAL"]);
		expect(broken.text).not.toMatch(/mongodb|hunter2|stack|node_modules/);
		const gone = await client().get("/things/gone");
		expect([...problem(gone), gone.body.detail]).toEqual([404, "NOT_FOUND", "The thing was not found"]);
		const invalid = await client().post("/things", { name: 4111111111111111 });
		expect(invalid.body.errors).toEqual([{ field: "name", code: "string", message: expect.any(String) }]);
		expect(invalid.text).not.toMatch(/4111|nodeID|things\.create/);
	});

	it("request ids that are none, and answers with its own", async () => {
		const good = await client().get("/things/1", { headers: { "x-request-id": "abcDEF-12345678" } });
		expect(good.headers.get("x-request-id")).toBe("abcDEF-12345678");
		expect(gateway.seen.at(-1)?.requestId).toBe("abcDEF-12345678");
		for (const bad of ["short", "x".repeat(65), "<script>alert(1)</script>", "a b c d e f g h"]) {
			const answer = await client().get("/things/1", {
				headers: { "x-request-id": bad, "x-correlation-id": "correlated-1" },
			});
			const id = answer.headers.get("x-request-id");
			expect(id).toMatch(/^[0-9a-f-]{36}$/);
			expect(gateway.seen.at(-1)?.requestId).toBe(id);
		}
	});

	it("tokens that are forged, spent, foreign or revoked, on public routes too", async () => {
		const { tokenFor } = gateway;
		const good = await client().get("/mine", { token: tokenFor(["customer"], { id: "usr_ada" }) });
		expect([good.status, good.body.user.id, good.headers.get("cache-control")]).toEqual([200, "usr_ada", "no-store"]);
		const [head = "", , signature = ""] = tokenFor().split(".");
		const forged = Buffer.from(
			JSON.stringify({ sub: "usr_x", sid: "s", roles: ["admin"], iss: "stoa", aud: "stoa", exp: 9e9 }),
		);
		const none = Buffer.from('{"alg":"none","typ":"JWT"}').toString("base64url");
		for (const token of [
			"rubbish",
			`${head}.${forged.toString("base64url")}.${signature}`,
			`${none}.${forged.toString("base64url")}.`,
			tokenFor(["customer"], { now: new Date(Date.now() - 3_600_000) }),
			tokenFor(["customer"], { kid: "unknown" }),
			"x".repeat(5_000),
		]) {
			for (const path of ["/mine", "/things/1"]) {
				const answer = await client().get(path, { token });
				expect(problem(answer)).toEqual([401, "UNAUTHENTICATED"]);
				expect(answer.headers.get("www-authenticate")).toContain("Bearer");
			}
		}
		expect((await client().get("/mine", { headers: { authorization: "Basic YTpi" } })).status).toBe(401);
		expect((await client().get("/mine")).status).toBe(401);
		expect(problem(await client().get("/staff", { token: tokenFor() }))).toEqual([403, "FORBIDDEN"]);
		expect((await client().get("/staff", { token: tokenFor(["admin"]) })).status).toBe(200);
		expect((await client().post("/auth/login", {}, { token: "spent" })).status).toBe(200);
	});

	it("a session that was ended: at once when told, within seconds when it must ask", async () => {
		const [told, asked] = [newId("ses"), newId("ses")];
		const tokens = [told, asked].map(sessionId => gateway.tokenFor(["customer"], { sessionId }));
		for (const token of tokens) expect((await client().get("/mine", { token })).status).toBe(200);
		await gateway.broker.broadcast("session.revoked", { sessionIds: [told] });
		expect((await client().get("/mine", { token: tokens[0] })).status).toBe(401);
		gateway.revoked.push(asked);
		await until("the poll", async () => (await client().get("/mine", { token: tokens[1] })).status === 401, 5_000);
	});

	it("keys and versions it cannot read", async () => {
		for (const key of ["with space", "x".repeat(256), "ümlaut"]) {
			const answer = await rawRequest(url("/things"), {
				method: "POST",
				headers: { ...json, "idempotency-key": Buffer.from(key).toString("latin1") },
				body: '{"name":"x"}',
			});
			expect(answer.status).toBe(400);
		}
		expect(problem(await client().post("/things/1/pay", {}))).toEqual([400, "BAD_REQUEST"]);
		const patch = (ifMatch: string) => client().patch("/things/1", { name: "x" }, { headers: { "if-match": ifMatch } });
		expect((await patch('"3"')).body.ifMatch).toBe(3);
		expect((await patch('"3-aB_c-1"')).body.ifMatch).toBe(3);
		expect((await patch("*")).body.ifMatch).toBeNull();
		expect(problem(await patch("3"))).toEqual([400, "BAD_REQUEST"]);
		expect(problem(await patch('"other"'))).toEqual([412, "VERSION_MISMATCH"]);
	});

	it("a stream before it is read, when it is not allowed", async () => {
		const rows = Buffer.from('{"sku":"A"}\n'.repeat(20_000));
		const ndjson = { "content-type": "application/x-ndjson" };
		const send = (token: string | undefined, headers: Record<string, string>, path = "/import?stock=100") =>
			rawRequest(url(path), {
				method: "POST",
				headers: { ...headers, ...(token ? { authorization: `Bearer ${token}` } : {}) },
				body: rows,
			});
		expect((await send(undefined, ndjson)).status).toBe(401);
		expect((await send(gateway.tokenFor(), ndjson)).status).toBe(403);
		const staff = gateway.tokenFor(["admin"]);
		expect((await send(staff, json)).status).toBe(415);
		const done = await send(staff, ndjson);
		expect([done.status, JSON.parse(done.text)]).toEqual([202, { bytes: rows.length, stock: 100 }]);
	});

	it("nothing of a raw body: the bytes arrive as they were sent", async () => {
		const body = randomBytes(200);
		const answer = await rawRequest(url("/hooks/test"), {
			method: "POST",
			headers: {
				"stoa-signature": "t=1,v1=x",
				"paypal-transmission-sig": "y",
				authorization: `Bearer ${gateway.tokenFor()}`,
				cookie: "a=b",
			},
			body,
		});
		const { headers, ...params } = JSON.parse(answer.text);
		expect(params).toEqual({ name: "test", body: body.toString("base64") });
		// The provider's own header is read by its name, whatever it is; what says who a client is stays in the gateway.
		expect(headers).toMatchObject({ "stoa-signature": "t=1,v1=x", "paypal-transmission-sig": "y" });
		expect(Object.keys(headers)).not.toEqual(expect.arrayContaining(["authorization"]));
		expect(Object.keys(headers)).not.toEqual(expect.arrayContaining(["cookie"]));
		const big = await rawRequest(url("/hooks/test"), { method: "POST", body: Buffer.alloc(300_000) });
		expect(big.status).toBe(413);
	});

	it("to forget a service that went away, and to die of a malformed route", async () => {
		const { broker } = gateway;
		const name = `late-${randomUUID().slice(0, 8)}`;
		const rest = (route: unknown) => ({
			visibility: "published",
			permissions: "anyone",
			openapi: { summary: "x" },
			rest: route,
			handler: () => ({ ok: true }),
		});
		await create(broker, {
			name,
			actions: {
				good: rest("GET /late"),
				bad: rest("GET /:id?"),
				worse: rest({ path: "(\\d+)" }),
				worst: rest(42),
				twice: rest("GET /things"),
				nobody: { ...rest("GET /nobody"), permissions: undefined },
			},
		});
		await until("the new route", async () => (await client().get("/late")).status === 200);
		expect((await client().get("/things/1")).status).toBe(200);
		expect((await client().get("/nobody")).status).toBe(404);
		const local = broker.getLocalService(name);
		if (local) await broker.destroyService(local);
		const away = await until("the service to be away", async () => {
			const answer = await client().get("/late");
			return answer.status !== 200 && answer;
		});
		expect(problem(away)).toEqual([503, "SERVICE_UNAVAILABLE"]);
		expect(away.headers.get("retry-after")).toBeTruthy();
	});
});

describe("The gateway's limits", () => {
	it("count by user or address, ignore a spoofed X-Forwarded-For, and say when to come again", async () => {
		const gateway = await startGateway({ RATE_LIMIT: "5", AUTH_RATE_LIMIT: "2" });
		try {
			const { client, tokenFor } = gateway;
			const first = await client.get("/things/1");
			expect([first.headers.get("ratelimit-limit"), first.headers.get("ratelimit-remaining")]).toEqual(["5", "4"]);
			for (let i = 0; i < 4; i++) await client.get("/things/1", { headers: { "x-forwarded-for": `10.0.0.${i}` } });
			const refused = await client.get("/things/1", { headers: { "x-forwarded-for": "10.9.9.9" } });
			expect([refused.status, refused.body.code]).toEqual([429, "RATE_LIMITED"]);
			expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
			expect((await client.get("/things/1", { token: "rubbish" })).status).toBe(429);
			expect((await client.get("/mine", { token: tokenFor() })).status).toBe(200);
			const logins = [];
			for (let i = 0; i < 3; i++)
				logins.push((await client.post("/auth/login", {}, { token: i ? tokenFor() : undefined })).status);
			expect(logins).toEqual([200, 200, 429]);
			expect((await client.get("//health/ready")).status).toBe(200);
		} finally {
			await gateway.stop();
		}
	}, 30_000);

	it("take the client's address from a proxy that is trusted", async () => {
		const gateway = await startGateway({ RATE_LIMIT: "1", TRUSTED_PROXIES: "127.0.0.0/8,::1,10.0.0.0/8" });
		try {
			const from = async (forwarded: string) =>
				(await gateway.client.get("/things/1", { headers: { "x-forwarded-for": forwarded } })).status;
			expect(await from("203.0.113.1")).toBe(200);
			expect(await from("203.0.113.1, 10.1.2.3")).toBe(429);
			expect(await from("198.51.100.7, 203.0.113.1")).toBe(429);
			expect(await from("203.0.113.2")).toBe(200);
			expect(gateway.seen.map(({ meta }) => meta.clientAddress)).toEqual(["203.0.113.1", "203.0.113.2"]);
		} finally {
			await gateway.stop();
		}
	}, 30_000);
});
