import type { Route } from "../http/route.ts";
import { type JsonSchema, objectSchema, toSchema } from "./rules.ts";
import { SCHEMAS } from "./schemas.ts";

const PROBLEM = { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } };
/** Every status a problem can have, said once. */
const PROBLEMS: Readonly<Record<string, string>> = {
	400: "The request cannot be read, or a required header is missing",
	401: "No access token, or not a valid one",
	402: "The payment was declined",
	403: "Signed in, but not allowed",
	404: "No such thing, or not yours",
	409: "In conflict with the present state, or with a request that still runs",
	412: "The resource has another version by now",
	413: "The body is too large",
	415: "Not a media type of this route",
	422: "A field is not valid, or the Idempotency-Key was used with another request",
	429: "Too many requests in this minute",
	500: "Something went wrong on our side",
	503: "A part of the shop cannot answer right now; try again",
};

let cached: { routes: readonly Route[]; document: Record<string, unknown> } | undefined;

/** OpenAPI 3.1 of these routes and nothing else. Made once per set of routes. */
export function openApiDocument(routes: readonly Route[]): Record<string, unknown> {
	if (cached?.routes !== routes) cached = { routes, document: build(routes) };
	return cached.document;
}

function build(routes: readonly Route[]): Record<string, unknown> {
	const paths: Record<string, Record<string, unknown>> = {};
	for (const route of [...routes].sort((a, b) => (a.pattern < b.pattern ? -1 : 1))) {
		const path = route.pattern.replace(/:([A-Za-z0-9]+)/g, "{$1}");
		paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
	}
	return {
		openapi: "3.1.0",
		info: {
			title: "Stoa",
			version: "1",
			description: "A commerce backend. Money is in minor units, times are UTC, errors are RFC 9457 problem documents.",
			license: { name: "MIT", identifier: "MIT" },
		},
		servers: [{ url: "/" }],
		tags: [...new Set(routes.map(tagOf))].sort().map(name => ({ name })),
		paths,
		components: {
			schemas: SCHEMAS,
			securitySchemes: { accessToken: { type: "http", scheme: "bearer", bearerFormat: "JWT" } },
			responses: Object.fromEntries(
				Object.entries(PROBLEMS).map(([status, description]) => [
					`Problem${status}`,
					{ description, content: PROBLEM },
				]),
			),
		},
	};
}

function operation(route: Route): Record<string, unknown> {
	const { openapi } = route.source;
	const fields = fieldsOf(route);
	const body = requestBody(route, fields);
	return {
		operationId: route.action,
		tags: [tagOf(route)],
		summary: openapi?.summary ?? route.action,
		...(openapi?.description ? { description: openapi.description } : {}),
		...securityOf(route),
		parameters: [...urlParameters(route, fields), ...headerParameters(route)],
		...(body ? { requestBody: body } : {}),
		responses: { [String(route.status)]: success(route), ...problemsOf(route) },
	};
}

const fieldsOf = ({ source }: Route): Record<string, unknown> =>
	typeof source.params === "object" && source.params !== null ? (source.params as Record<string, unknown>) : {};

function tagOf({ source, action }: Route): string {
	const name = source.openapi?.tags?.[0] ?? action.split(".")[0] ?? action;
	return name[0]?.toUpperCase() + name.slice(1).replaceAll("-", " ");
}

function securityOf({ access }: Route): Record<string, unknown> {
	if (access === "anyone") return { security: [{}, { accessToken: [] }] };
	return {
		security: [{ accessToken: [] }],
		...(access === "user" ? {} : { "x-permissions": access }),
	};
}

function urlParameters(route: Route, fields: Record<string, unknown>): JsonSchema[] {
	const inPath = route.names.map(name => ({
		in: "path",
		name,
		required: true,
		schema: fields[name] === undefined ? { type: "string" } : toSchema(fields[name]).schema,
	}));
	if (route.body !== "none" && route.body !== "stream") return inPath;
	const inQuery = Object.entries(fields)
		.filter(([name]) => !name.startsWith("$$") && !route.names.includes(name))
		.map(([name, rule]) => {
			const { schema, isRequired } = toSchema(rule);
			return { in: "query", name, required: isRequired, schema };
		});
	return [...inPath, ...inQuery];
}

function headerParameters(route: Route): JsonSchema[] {
	const header = (name: string, description: string, required = false) => ({
		in: "header",
		name,
		required,
		description,
		schema: { type: "string" },
	});
	const parameters: JsonSchema[] = [];
	if (route.takesKey) {
		const isRequired = route.source.isKeyRequired === true;
		parameters.push(
			header("Idempotency-Key", "Makes a repeat safe: it gets the first answer again for 24 h", isRequired),
		);
	}
	if (route.method === "PATCH" || route.method === "PUT" || route.method === "DELETE")
		parameters.push(header("If-Match", 'Only when the resource has this version, such as `"3"`'));
	if (route.isShared) parameters.push(header("If-None-Match", "304 when the answer is still this one"));
	return parameters;
}

function requestBody(route: Route, fields: Record<string, unknown>): JsonSchema | undefined {
	if (route.body === "stream")
		return { required: true, content: { "application/x-ndjson": { schema: { type: "string" } } } };
	if (route.body === "raw") return { required: true, content: { "*/*": { schema: {} } } };
	if (route.body !== "json") return undefined;
	const own = Object.fromEntries(Object.entries(fields).filter(([name]) => !route.names.includes(name)));
	const schema = objectSchema(own);
	if (Object.keys(schema["properties"] as object).length === 0) return undefined;
	return { required: schema["required"] !== undefined, content: { "application/json": { schema } } };
}

function success(route: Route): JsonSchema {
	const { openapi } = route.source;
	const headers = {
		"X-Request-Id": { schema: { type: "string" } },
		...(route.locationOf ? { Location: { schema: { type: "string" }, description: "Where it is" } } : {}),
	};
	if (route.status === 204 || openapi?.response === undefined) return { description: "Done", headers };
	const schema = typeof openapi.response === "string" ? refTo(openapi.response) : openapi.response;
	return { description: "Done", headers, content: { "application/json": { schema } } };
}

/** A name no service's schema goes by is shown as what it is: an object. */
const refTo = (name: string): JsonSchema =>
	name in SCHEMAS ? { $ref: `#/components/schemas/${name}` } : { type: "object", title: name };

function problemsOf(route: Route): Record<string, JsonSchema> {
	const hasParams = Object.keys(fieldsOf(route)).some(name => !name.startsWith("$$"));
	const writes = route.method !== "GET";
	const statuses = [
		...(writes || route.names.length > 0 ? [400] : []),
		...(route.isProbe ? [] : [401]),
		...(route.action === "orders.place" ? [402] : []),
		...(Array.isArray(route.access) ? [403] : []),
		...(route.names.length > 0 ? [404] : []),
		...(writes ? [409] : []),
		...(writes && route.method !== "POST" ? [412] : []),
		...(route.body === "none" ? [] : [413, 415]),
		...(hasParams ? [422] : []),
		...(route.isProbe ? [] : [429]),
		500,
		503,
	];
	return Object.fromEntries(
		statuses.map(status => [String(status), { $ref: `#/components/responses/Problem${status}` }]),
	);
}
