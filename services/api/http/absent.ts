import { DomainError } from "../../../lib/errors.ts";
import { trimmed } from "../../../lib/text.ts";

/**
 * Takes out of a body, in place, what says nothing.
 * @throws VALIDATION_ERROR for a list that is too long, before each of its items gets an error of its own
 */
export type Prune = (value: unknown, path?: string) => void;

/** More names of its own than any document of the shop has. */
const MAX_NAMES = 1_000;

type Rule = Record<string, unknown>;

/**
 * Fields that may be left out: an empty text there says the same as nothing, as forms and exports mean it, and where the
 * field knows no null so does null. Services need not tell them apart. An empty text in a field that knows null is null. The
 * same at every level of the body, in lists too.
 * @param fields the rules of an object's fields, also as another node told them
 */
export function pruneFields(fields: object): Prune {
	const absent: string[] = [];
	const nullable: string[] = [];
	const inner: [string, Prune][] = [];
	for (const [name, rule] of Object.entries(fields)) {
		if (isOptional(rule)) (knowsNull(rule) ? nullable : absent).push(name);
		const prune = pruneOf(rule);
		if (prune) inner.push([name, prune]);
	}
	return (value, path) => {
		if (!isObject(value)) return;
		for (const name of absent) if (value[name] === null || isEmptyText(value[name])) delete value[name];
		for (const name of nullable) if (isEmptyText(value[name])) value[name] = null;
		for (const [name, prune] of inner) prune(value[name], path === undefined ? name : `${path}.${name}`);
	};
}

/** @returns undefined where nothing can be taken out */
function pruneOf(rule: unknown): Prune | undefined {
	if (Array.isArray(rule)) return all(rule);
	if (!isObject(rule)) return undefined;
	const { type, props, properties, items, max, rules, value: valueRule } = rule;
	if (type === "multi") return Array.isArray(rules) ? all(rules) : undefined;
	if (type === "object") {
		const fields = props ?? properties;
		return isObject(fields) ? pruneFields(fields) : undefined;
	}
	if (type !== "array" && type !== "record") return undefined;
	const prune = pruneOf(type === "array" ? items : valueRule);
	const most = type === "record" ? MAX_NAMES : typeof max === "number" ? max : Number.POSITIVE_INFINITY;
	return (value, path = "") => {
		if (!isContainer(value)) return;
		const within = Object.entries(value);
		if (within.length > most) throw tooMany(path, most);
		if (prune) for (const [at, one] of within) prune(one, type === "array" ? `${path}[${at}]` : path);
	};
}

const tooMany = (field: string, most: number): DomainError =>
	new DomainError("VALIDATION_ERROR", "The request has fields that are not valid", {
		errors: [{ field, code: "arrayMax", message: `may have at most ${most} entries` }],
	});

function all(rules: readonly unknown[]): Prune | undefined {
	const prunes = rules.flatMap(rule => pruneOf(rule) ?? []);
	if (prunes.length === 0) return undefined;
	return (value, path) => {
		for (const prune of prunes) prune(value, path);
	};
}

/** The names that may be left out; in a query an empty text leaves them out, too. */
export const optionalNames = (fields: object): ReadonlySet<string> =>
	new Set(Object.entries(fields).flatMap(([name, rule]) => (isOptional(rule) ? [name] : [])));

export const isEmptyText = (value: unknown): boolean => typeof value === "string" && trimmed(value) === "";

function isOptional(rule: unknown): boolean {
	if (typeof rule === "string") return /\|optional\b/.test(rule);
	if (Array.isArray(rule)) return rule.some(isOptional);
	return isObject(rule) && rule["optional"] === true;
}

const knowsNull = (rule: unknown): boolean => (Array.isArray(rule) ? rule.some(isNullable) : isNullable(rule));

const isNullable = (rule: unknown): boolean =>
	typeof rule === "string" ? rule.includes("|nullable") : isObject(rule) && rule["nullable"] === true;

const isContainer = (value: unknown): value is object => typeof value === "object" && value !== null;

const isObject = (value: unknown): value is Rule => isContainer(value) && !Array.isArray(value);
