import { compileRoute, type RegisteredAction } from "../../services/api/http/route.ts";
import { RouteTable } from "../../services/api/http/route-table.ts";
import { Client, type Json } from "../support/client.ts";
import { startTestNode, type TestNode } from "../support/node.ts";

interface Entry {
	name: string;
	action?: RegisteredAction;
}

describe("What the shop publishes", () => {
	let node: TestNode;
	let spec: Json;

	beforeAll(async () => {
		node = await startTestNode();
		spec = (await new Client(node.broker.stoa.publicUrl).get("/openapi.json")).body;
	}, 60_000);
	afterAll(() => node?.stop());

	const actions = (): RegisteredAction[] =>
		(node.broker.registry.getActionList({ onlyLocal: true }) as unknown as Entry[]).flatMap(({ name, action }) =>
			action ? [{ ...action, name }] : [],
		);
	const operations = (): { path: string; method: string; operation: Json }[] =>
		Object.entries(spec.paths as Json).flatMap(([path, methods]) =>
			Object.entries(methods as Json).map(([method, operation]) => ({ path, method, operation })),
		);

	it("is exactly this list: a new line in it is a new door, to be reviewed", () => {
		const table = new RouteTable();
		const doors = actions().flatMap(action => {
			const route = compileRoute(action);
			if (!route) return [];
			table.add(route);
			const access = Array.isArray(route.access) ? route.access.join(" ") : route.access;
			return [`${route.method} ${route.pattern} -> ${route.action} (${access})`];
		});
		expect(doors.sort()).toMatchSnapshot();
	});

	it("states a visibility for every action", () => {
		const silent = actions().filter(
			({ name, visibility }) => visibility === undefined && !name.startsWith("$") && !name.startsWith("api."),
		);
		expect(silent.map(({ name }) => name)).toEqual([]);
	});

	it("is what OpenAPI describes: every published action, and no other", () => {
		const published = actions().filter(action => action.visibility === "published");
		const described = operations().map(({ operation }) => operation.operationId);
		expect(described.sort()).toEqual(published.map(({ name }) => name).sort());
	});

	it("is described with references that exist, answers, security and summaries", () => {
		expect(spec.openapi).toBe("3.1.0");
		const refs = [...JSON.stringify(spec).matchAll(/"\$ref":"#\/components\/(\w+)\/(\w+)"/g)];
		for (const [, kind = "", name = ""] of refs)
			expect([kind, name, name in spec.components[kind]]).toEqual([kind, name, true]);
		for (const { path, method, operation } of operations()) {
			const at = `${method} ${path}`;
			expect([at, typeof operation.summary, operation.security.length > 0]).toEqual([at, "string", true]);
			const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
			const named = operation.parameters.filter((one: Json) => one.in === "path").map((one: Json) => one.name);
			expect([at, named]).toEqual([at, inPath]);
			const success = Object.keys(operation.responses).filter(status => status.startsWith("2"));
			expect([at, success.length]).toEqual([at, 1]);
		}
	});

	it("takes an Idempotency-Key on every POST outside /auth, but for signed and streamed bodies", () => {
		const keyless = operations().filter(
			({ path, method, operation }) =>
				method === "post" &&
				!path.startsWith("/api/v1/auth/") &&
				!["*/*", "application/x-ndjson"].some(type => type in (operation.requestBody?.content ?? {})) &&
				!operation.parameters.some((one: Json) => one.name === "Idempotency-Key"),
		);
		expect(keyless.map(({ operation }) => operation.operationId)).toEqual([]);
	});

	it("names a schema for every answer that has a body", () => {
		const nameless = operations().filter(({ operation }) =>
			Object.values(operation.responses as Json).some(
				(answer: Json) => answer.content?.["application/json"]?.schema?.title !== undefined,
			),
		);
		expect(nameless.map(({ operation }) => operation.operationId)).toEqual([]);
	});
});
