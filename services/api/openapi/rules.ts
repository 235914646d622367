/** A JSON Schema of draft 2020-12, as OpenAPI 3.1 uses it. */
export type JsonSchema = Record<string, unknown>;

interface Rule extends Record<string, unknown> {
	type?: string;
}
export interface Converted {
	schema: JsonSchema;
	isRequired: boolean;
}

/** The rules that hold fields, under either name fastest-validator knows. */
const fieldsOf = (rule: Rule): Record<string, unknown> =>
	((rule["props"] ?? rule["properties"]) as Record<string, unknown> | undefined) ?? {};

/**
 * What a validation rule of fastest-validator says, as JSON Schema. Rules of other nodes came as JSON: a pattern that
 * was a RegExp is lost on the way and is left out.
 */
export function toSchema(rule: unknown): Converted {
	if (Array.isArray(rule)) return anyOf(rule);
	const parsed: Rule = typeof rule === "string" ? parseShorthand(rule) : ((rule ?? {}) as Rule);
	if (parsed.type === "multi") return anyOf((parsed["rules"] as unknown[] | undefined) ?? []);
	const schema = schemaOf(parsed);
	if (parsed["nullable"] === true && schema["type"] !== undefined) schema["type"] = [schema["type"], "null"];
	if (isPlain(parsed["default"])) schema["default"] = parsed["default"];
	return { schema, isRequired: parsed["optional"] !== true && parsed["default"] === undefined };
}

/** An object's fields; nothing beside them is allowed. */
export function objectSchema(fields: Readonly<Record<string, unknown>>, isOpen = false): JsonSchema {
	const properties: Record<string, JsonSchema> = {};
	const required: string[] = [];
	for (const [name, rule] of Object.entries(fields)) {
		if (name.startsWith("$$")) continue;
		const { schema, isRequired } = toSchema(rule);
		properties[name] = schema;
		if (isRequired) required.push(name);
	}
	return {
		type: "object",
		properties,
		...(required.length > 0 ? { required } : {}),
		...(isOpen ? {} : { additionalProperties: false }),
	};
}

const isPlain = (value: unknown): boolean => value !== undefined && value !== null && typeof value !== "function";

function anyOf(rules: readonly unknown[]): Converted {
	const all = rules.map(toSchema);
	return { schema: { anyOf: all.map(({ schema }) => schema) }, isRequired: all.every(({ isRequired }) => isRequired) };
}

/** `"string|optional|max:50"`. */
function parseShorthand(text: string): Rule {
	const [type = "any", ...flags] = text.split("|").map(part => part.trim());
	const isArray = type.endsWith("[]");
	const rule: Rule = isArray ? { type: "array", items: type.slice(0, -2) } : { type };
	for (const flag of flags) {
		const [name = "", value] = flag.split(":");
		rule[name] = value === undefined || value === "true" ? true : Number.isNaN(Number(value)) ? value : Number(value);
	}
	return rule;
}

/** Keys of a rule that only change their name. */
const RENAMED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
	string: { min: "minLength", max: "maxLength", enum: "enum" },
	number: { min: "minimum", max: "maximum" },
	array: { min: "minItems", max: "maxItems", unique: "uniqueItems" },
};
const FORMATS: Readonly<Record<string, string>> = { email: "email", url: "uri", uuid: "uuid", date: "date-time" };

function schemaOf(rule: Rule): JsonSchema {
	const schema: JsonSchema = {};
	for (const [from, to] of Object.entries(RENAMED[rule.type ?? ""] ?? {}))
		if (rule[from] !== undefined) schema[to] = rule[from];
	switch (rule.type) {
		case "string":
			return stringSchema(rule, schema);
		case "number":
			if (rule["positive"] === true) schema["exclusiveMinimum"] = 0;
			return { type: rule["integer"] === true ? "integer" : "number", ...schema };
		case "boolean":
			return { type: "boolean" };
		case "enum":
			return { enum: rule["values"] };
		case "equal":
			return rule["value"] === undefined ? {} : { const: rule["value"] };
		case "array":
			if (rule["length"] !== undefined) schema["minItems"] = schema["maxItems"] = rule["length"];
			return {
				type: "array",
				...schema,
				...(rule["items"] === undefined ? {} : { items: toSchema(rule["items"]).schema }),
			};
		case "object":
			return objectSchema(fieldsOf(rule), rule["strict"] === false);
		case "record":
			return {
				type: "object",
				additionalProperties: rule["value"] === undefined ? true : toSchema(rule["value"]).schema,
			};
		default:
			return FORMATS[rule.type ?? ""] ? { type: "string", format: FORMATS[rule.type ?? ""] } : {};
	}
}

function stringSchema(rule: Rule, schema: JsonSchema): JsonSchema {
	const { pattern, length } = rule;
	if (length !== undefined) schema["minLength"] = schema["maxLength"] = length;
	if (rule["empty"] === false) schema["minLength"] ??= 1;
	if (typeof rule["format"] === "string") schema["format"] = rule["format"];
	if (isRegExp(pattern)) schema["pattern"] = pattern.source;
	if (typeof pattern === "string") schema["pattern"] = pattern;
	return { type: "string", ...schema };
}

/** `instanceof` fails for one that was made in another realm. */
const isRegExp = (value: unknown): value is RegExp => Object.prototype.toString.call(value) === "[object RegExp]";
