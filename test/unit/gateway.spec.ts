import type { IncomingMessage } from "node:http";
import { DomainError } from "../../lib/errors.ts";
import { neighbourhoodOf, networkOf, networksOf } from "../../lib/network.ts";
import { encodingFor } from "../../services/api/http/answer.ts";
import { toProblem } from "../../services/api/http/problem.ts";
import { createAddressReader, createProxyCheck } from "../../services/api/http/request.ts";
import { coerce, compileRoute, type RegisteredAction, type Route } from "../../services/api/http/route.ts";
import { byService, LearnedRoutes, RouteTable } from "../../services/api/http/route-table.ts";
import { toSchema } from "../../services/api/openapi/rules.ts";

const action = (name: string, rest: unknown, more: Partial<RegisteredAction> = {}): RegisteredAction => ({
	name,
	visibility: "published",
	permissions: "anyone",
	rest,
	...more,
});
const routeOf = (...of: Parameters<typeof action>): Route => {
	const route = compileRoute(action(...of));
	if (!route) throw new Error("The action is not published");
	return route;
};

describe("A route", () => {
	it.each([
		["no method", "/things"],
		["another method", "TRACE /things"],
		["an old optional", "GET /:id?"],
		["a pattern", "GET /(\\d+)"],
		["a wildcard", "GET /*path"],
		["a name twice", "GET /:id/:id"],
		["a number", 42],
		["a list", ["GET /things"]],
		["nothing in it", {}],
		["a status that is no success", { route: "GET /things", status: 500 }],
		["a body of no kind", { route: "POST /things", body: "xml" }],
	])("with %s is refused", (_, rest) => {
		expect(() => compileRoute(action("things.list", rest))).toThrow();
	});

	it("needs stated permissions, and a published action", () => {
		expect(() => compileRoute(action("things.list", "GET /things", { permissions: undefined }))).toThrow("permissions");
		expect(() => compileRoute(action("things.list", "GET /things", { permissions: [] }))).toThrow("permissions");
		expect(compileRoute(action("things.list", "GET /things", { visibility: "public" }))).toBeUndefined();
	});

	it("makes the Location of what was created", () => {
		const { locationOf } = routeOf("things.create", { route: "POST /things", location: "/things/:id" });
		expect(locationOf?.({ id: "a/b" })).toBe("/api/v1/things/a%2Fb");
		expect(locationOf?.(null)).toBeUndefined();
	});

	it("reads numbers and flags out of a query as the action's rules want them", () => {
		const route = routeOf("things.list", "GET /things", {
			params: { limit: "number|integer", isOpen: { type: "boolean" }, sku: "string", either: ["number", "string"] },
		});
		expect(coerce(route, "limit", "20")).toBe(20);
		for (const odd of ["", " ", "0x10", "1e3", "Infinity", "2 "]) expect(coerce(route, "limit", odd)).toBe(odd);
		expect([coerce(route, "isOpen", "true"), coerce(route, "isOpen", "0"), coerce(route, "isOpen", "yes")]).toEqual([
			true,
			false,
			"yes",
		]);
		expect([coerce(route, "sku", "123"), coerce(route, "either", "-1.5"), coerce(route, "unknown", "1")]).toEqual([
			"123",
			-1.5,
			"1",
		]);
	});
});

describe("The route table", () => {
	const table = new RouteTable();
	for (const [name, rest] of [
		["a.list", "GET /things"],
		["a.get", "GET /things/:id"],
		["a.newest", "GET /things/newest"],
		["a.line", "DELETE /things/:id/lines/:lineId"],
		["a.newestLines", "GET /things/newest/lines"],
	] as const)
		table.add(routeOf(name, rest));
	const find = (method: string, path: string) => {
		const match = table.match(method, path);
		return "route" in match ? [match.route.action, ...match.values] : match.allowed;
	};

	it("prefers a word to a name, and goes back when the word leads nowhere", () => {
		expect(find("GET", "/api/v1/things/newest")).toEqual(["a.newest"]);
		expect(find("GET", "/api/v1/things/7")).toEqual(["a.get", "7"]);
		expect(find("DELETE", "/api/v1/things/newest/lines/1")).toEqual(["a.line", "newest", "1"]);
	});

	it("answers HEAD as GET, a slash at the end as none, and says which methods a path has", () => {
		expect(find("HEAD", "/api/v1/things/")).toEqual(["a.list"]);
		expect(find("PUT", "/api/v1/things/7")).toEqual(["GET", "HEAD"]);
		expect(find("GET", "/api/v1/things//")).toEqual([]);
		expect(find("GET", "/api/v1/other")).toEqual([]);
	});

	it("keeps the routes of a service that is away, drops those it came back without, and survives mistakes", () => {
		const mistakes: string[] = [];
		const learned = new LearnedRoutes(name => mistakes.push(name));
		const names = () => learned.table.routes.map(route => route.action).sort();
		const [list, get] = [action("a.list", "GET /a"), action("a.get", "GET /a/:id")];
		learned.learn(byService([list, get, action("b.list", "GET /b"), action("b.bad", "GET /:id?")]));
		expect([names(), mistakes]).toEqual([["a.get", "a.list", "b.list"], ["b.bad"]]);
		learned.learn(byService([list]));
		learned.learn(byService([]));
		expect([names(), mistakes]).toEqual([["a.list", "b.list"], ["b.bad"]]);
	});
});

describe("A problem", () => {
	const problemOf = (error: unknown) => toProblem(error, "request-1");

	it.each([
		["SERVICE_NOT_FOUND", 503],
		["SERVICE_NOT_AVAILABLE", 503],
		["REQUEST_TIMEOUT", 503],
		["REQUEST_REJECTED", 503],
		["BUS_DOWN", 503],
		["QUEUE_FULL", 429],
	])("of %s is %d, with Retry-After and without its message", (type, status) => {
		const { problem, headers } = problemOf({ type, message: "Service 'orders' on node-7", data: { nodeID: "node-7" } });
		expect([problem.status, headers["Retry-After"]]).toEqual([status, "1"]);
		expect(JSON.stringify(problem)).not.toContain("node-7");
	});

	it("of anything else is INTERNAL and says nothing", () => {
		for (const error of [
			new Error("secret"),
			"secret",
			null,
			{ type: "MAX_PAYLOAD", message: "secret" },
			{ type: "INTERNAL", message: "secret" },
		]) {
			const { problem } = problemOf(error);
			expect([problem.status, problem.code, JSON.stringify(problem).includes("secret")]).toEqual([
				500,
				"INTERNAL",
				false,
			]);
		}
	});

	it("of the domain carries its message, fields and details, but they cannot pose as its status", () => {
		const { problem } = problemOf(
			new DomainError("PRICE_CHANGED", "The total changed", {
				errors: [{ field: "lines", code: "price", message: "changed" }],
				details: { totals: { total: 5 }, status: 200, requestId: "x" },
			}),
		);
		expect(problem).toMatchObject({
			status: 409,
			detail: "The total changed",
			totals: { total: 5 },
			requestId: "request-1",
		});
		expect(problem.errors).toEqual([{ field: "lines", code: "price", message: "changed" }]);
	});

	it("of validation names the fields, never their values, the action or the node", () => {
		const data = [
			{
				type: "stringMax",
				field: "name",
				actual: "4111111111111111",
				message: "The 'name' field '4111111111111111' is too long",
				nodeID: "n",
				action: "a",
			},
			{ type: "objectStrict", field: "$root", actual: "isAdmin", message: "x", nodeID: "n" },
		];
		const { problem } = problemOf({ type: "VALIDATION_ERROR", message: "Parameters validation error!", data });
		expect(problem.errors).toEqual([
			{ field: "name", code: "stringMax", message: "is not valid" },
			{ field: "isAdmin", code: "unknown", message: "is not a known field" },
		]);
	});
});

describe("JSON Schema of a rule", () => {
	it.each([
		["string|optional|max:50", { type: "string", maxLength: 50 }, false],
		["number|integer|min:1", { type: "integer", minimum: 1 }, true],
		["string[]", { type: "array", items: { type: "string" } }, true],
		[{ type: "string", pattern: /^a$/, empty: false }, { type: "string", minLength: 1, pattern: "^a$" }, true],
		[{ type: "string", pattern: {} }, { type: "string" }, true],
		[{ type: "enum", values: ["a", "b"], default: "a" }, { enum: ["a", "b"], default: "a" }, false],
		[{ type: "string", nullable: true }, { type: ["string", "null"] }, true],
		[["string", "number"], { anyOf: [{ type: "string" }, { type: "number" }] }, true],
		[{ type: "record", value: "string" }, { type: "object", additionalProperties: { type: "string" } }, true],
		[
			{ type: "object", props: { a: "string", b: "number|optional" } },
			{
				type: "object",
				properties: { a: { type: "string" }, b: { type: "number" } },
				required: ["a"],
				additionalProperties: false,
			},
			true,
		],
	])("%j", (rule, schema, isRequired) => {
		expect(toSchema(rule)).toEqual({ schema, isRequired });
	});
});

describe("A client", () => {
	const request = (remoteAddress: string, forwarded?: string) =>
		({
			socket: { remoteAddress },
			headers: forwarded ? { "x-forwarded-for": forwarded } : {},
		}) as unknown as IncomingMessage;

	it("is its peer, or who stands before the last proxy that is trusted", () => {
		const direct = createAddressReader([]);
		expect(direct(request("::ffff:192.0.2.1", "203.0.113.9"))).toBe("192.0.2.1");
		const proxied = createAddressReader(["10.0.0.0/8", "2001:db8::/32"]);
		expect(proxied(request("192.0.2.1", "203.0.113.9"))).toBe("192.0.2.1");
		expect(proxied(request("10.0.0.1", "6.6.6.6, 203.0.113.9, 10.0.0.2"))).toBe("203.0.113.9");
		expect(proxied(request("2001:db8::1", "203.0.113.9"))).toBe("203.0.113.9");
		expect(proxied(request("10.0.0.1", "203.0.113.9, rubbish"))).toBe("10.0.0.1");
		expect(proxied(request("10.0.0.1"))).toBe("10.0.0.1");
	});

	it.each([
		"::ffff:198.51.100.4",
		"::FFFF:c633:6404",
		"::ffff:c633:6404",
		"0:0:0:0:0:ffff:198.51.100.4",
		"0000:0000:0000:0000:0000:ffff:c633:6404",
		"::0:ffff:c633:6404",
		"0::ffff:198.51.100.4",
	])("is its IPv4 address, which a proxy of ours may spell %s", spelling => {
		expect(createAddressReader(["10.0.0.0/8"])(request("10.0.0.1", spelling))).toBe("198.51.100.4");
		expect(networksOf(spelling)).toEqual([{ name: "198.51.100.4", share: 1 }]);
		expect(neighbourhoodOf(spelling)).toBe("198.51.100.0/24");
		expect(createProxyCheck(["198.51.100.0/24"])(spelling)).toBe(true);
	});

	it("has no IPv4 address where its IPv6 one only looks like it", () => {
		for (const address of ["::fffe:c633:6404", "1::ffff:c633:6404", "::ffff:0:c633:6404", "::1", "fe80::ffff:1%eth0"])
			expect(createAddressReader([])(request(address))).toBe(address);
	});

	it("is counted by its network when it has one of IPv6", () => {
		expect(networkOf("192.0.2.1")).toBe("192.0.2.1");
		expect(networkOf("::ffff:192.0.2.1")).toBe("192.0.2.1");
		expect(networkOf("::FFFF:c000:201")).toBe("192.0.2.1");
		expect(neighbourhoodOf("::ffff:192.0.2.1")).toBe("192.0.2.0/24");
		expect(neighbourhoodOf("2001:db8:7:1::1")).toBe(neighbourhoodOf("2001:db8:8::1"));
		expect(networkOf("2001:db8:1:2:aaaa::1")).toBe(networkOf("2001:db8:1:2:bbbb::2"));
		expect(networkOf("2001:db8::1")).toBe("2001:db8:0:0/64");
		expect(networksOf("2001:db8:1:2ff::1").map(({ name }) => name)).toEqual([
			"2001:db8:1:2ff/64",
			"2001:db8:1:200/56",
			"2001:db8:1/48",
		]);
		expect(networksOf("2001:DB8:1:2ff::1")).toEqual(networksOf("2001:db8:1:2ff::2"));
		expect(networkOf("2001:db8:1:2::1")).not.toBe(networkOf("2001:db8:1:3::1"));
	});

	it("gets the encoding it asked for", () => {
		expect(encodingFor("gzip, deflate, br")).toBe("br");
		expect(encodingFor("br;q=0, gzip;q=0.5")).toBe("gzip");
		expect(encodingFor("gzip ; Q=1 , br;v=1; q=0")).toBe("gzip");
		expect(encodingFor(`a${" ".repeat(15_000)}b`)).toBeUndefined();
		expect(encodingFor("identity")).toBeUndefined();
		expect(encodingFor(undefined)).toBeUndefined();
	});
});
