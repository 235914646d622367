import type { Json } from "./client.ts";

/** One method of one path, as the shop describes it. */
export interface Operation {
	method: string;
	path: string;
	inPath: string[];
	inQuery: string[];
	body: Json;
}

/** What the shop says of itself: its routes, probes excepted. */
export function operationsOf(document: Json): Operation[] {
	return Object.entries<Json>(document.paths)
		.filter(([path]) => !path.includes("health"))
		.flatMap(([path, methods]) =>
			Object.entries<Json>(methods).map(([method, { parameters = [], requestBody }]) => ({
				method,
				path: path.startsWith("/api/v1/") ? path.slice("/api/v1/".length) : `/${path}`,
				inPath: parameters.filter((p: Json) => p.in === "path").map((p: Json) => p.name),
				inQuery: parameters.filter((p: Json) => p.in === "query").map((p: Json) => p.name),
				body: requestBody?.content?.["application/json"]?.schema,
			})),
		);
}

/** Something that the schema would take, as a rule. */
export function exampleOf(schema: Json): Json {
	if (!schema) return undefined;
	const { type, enum: values, properties, items, minimum, minLength = 0, oneOf, anyOf } = schema;
	if (values) return values[0];
	if (oneOf ?? anyOf) return exampleOf((oneOf ?? anyOf)[0]);
	const kind = Array.isArray(type) ? type[0] : type;
	if (kind === "object")
		return Object.fromEntries(
			Object.entries<Json>(properties ?? {}).map(([name, inner]) => [name, named(name) ?? exampleOf(inner)]),
		);
	if (kind === "array") return [exampleOf(items)];
	if (kind === "number" || kind === "integer") return minimum ?? 1;
	if (kind === "boolean") return true;
	return "abc".padEnd(minLength, "x");
}

const NAMED: Readonly<Record<string, unknown>> = {
	email: "fuzz@shop.test",
	currency: "EUR",
	country: "GB",
	sku: "LAMP",
	method: "test",
	token: "tok_ok",
	status: "published",
	password: "correct horse battery staple",
};
const named = (name: string): unknown => NAMED[name];
