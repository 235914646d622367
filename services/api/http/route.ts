import type { ErrorType } from "../../../lib/errors.ts";
import { type Access, mayDo, type Principal } from "../../../lib/permissions.ts";
import type { OpenApiNote, RestRoute } from "../../../lib/typed.ts";
import { optionalNames, type Prune, pruneFields } from "./absent.ts";

export const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;
export type Method = (typeof METHODS)[number];

export const API_BASE = "/api/v1";

/** An action as the registry knows it: it may come from any node, so nothing in it is taken on trust. */
export interface RegisteredAction {
	name: string;
	visibility?: unknown;
	rest?: unknown;
	permissions?: unknown;
	params?: unknown;
	cached?: unknown;
	idempotency?: unknown;
	isKeyRequired?: unknown;
	timeout?: unknown;
	openapi?: OpenApiNote;
}

type Coercion = "number" | "boolean";

/** A published action, made ready once so that a request costs no parsing of it. */
export interface Route {
	action: string;
	method: Method;
	/** The whole path with its `:names`, as logs and limits name it. */
	pattern: string;
	segments: readonly string[];
	names: readonly string[];
	status: number;
	body: "none" | "json" | "stream" | "raw";
	locationOf: ((result: unknown) => string | undefined) | undefined;
	isAuth: boolean;
	/** Neither counted nor logged at the usual level: probes ask every second. */
	isProbe: boolean;
	access: Access;
	/** The same answer for everybody: shared caches may keep it, if they ask again. */
	isShared: boolean;
	takesKey: boolean;
	coercions: ReadonlyMap<string, Coercion>;
	/** Takes out of its body what says nothing. */
	prune: Prune;
	/** What a query may leave out. */
	optional: ReadonlySet<string>;
	timeout: number | undefined;
	source: RegisteredAction;
}

const ROUTE = /^(GET|POST|PUT|PATCH|DELETE) (\/\S*)$/;
const SEGMENT = /^(?::[a-zA-Z][a-zA-Z0-9]*|[a-zA-Z0-9._~-]+)$/;

/**
 * Reads a published action's `rest`.
 * @returns undefined for an action that is not published
 * @throws an Error that says what is wrong with it
 */
export function compileRoute(action: RegisteredAction): Route | undefined {
	if (action.visibility !== "published" || action.rest === undefined || action.rest === null) return undefined;
	const rest = readRest(action.rest);
	const [, method, path] = ROUTE.exec(rest.route) ?? [];
	if (!method || !path) throw new Error(`the route must read "GET /path", not ${JSON.stringify(rest.route)}`);
	const pattern = rest.isRoot ? path : API_BASE + path;
	const segments = splitPath(pattern);
	const wrong = segments.find(segment => !SEGMENT.test(segment));
	if (wrong !== undefined) throw new Error(`the path segment "${wrong}" is neither a word nor a :name`);
	const names = segments.filter(segment => segment.startsWith(":")).map(segment => segment.slice(1));
	if (new Set(names).size < names.length) throw new Error("a name stands twice in the path");
	const hasBody = method !== "GET" && method !== "DELETE";
	return {
		action: action.name,
		method: method as Method,
		pattern,
		segments,
		names,
		status: rest.status ?? 200,
		body: hasBody ? (rest.body ?? "json") : "none",
		locationOf: rest.location === undefined ? undefined : locationOf(rest.location),
		isAuth: rest.isAuth === true,
		isProbe: rest.isProbe === true,
		access: readAccess(action.permissions),
		isShared: method === "GET" && action.permissions === "anyone" && action.cached !== undefined,
		takesKey: method === "POST" && rest.isAuth !== true && isKept(action),
		coercions: readCoercions(action.params),
		prune: pruneFields(paramsOf(action)),
		optional: optionalNames(paramsOf(action)),
		timeout: typeof action.timeout === "number" ? action.timeout : undefined,
		source: action,
	};
}

/** The words of a path; a slash at its end changes nothing. */
export function splitPath(path: string): string[] {
	const segments = path.split("/");
	segments.shift();
	if (segments.at(-1) === "") segments.pop();
	return segments;
}

const isKept = ({ idempotency, isKeyRequired }: RegisteredAction): boolean =>
	isKeyRequired === true || idempotency === "commands" || idempotency === "aggregate";

function readRest(rest: unknown): RestRoute {
	if (typeof rest === "string") return { route: rest };
	if (typeof rest !== "object" || rest === null || Array.isArray(rest)) throw new Error("`rest` is not a route");
	const { route, status, body, location } = rest as Record<string, unknown>;
	if (typeof route !== "string") throw new Error("`rest` has no `route`");
	if (status !== undefined && !(Number.isInteger(status) && Number(status) >= 200 && Number(status) < 300))
		throw new Error("`status` is the status of a success");
	if (body !== undefined && body !== "json" && body !== "stream" && body !== "raw")
		throw new Error("`body` is json, stream or raw");
	if (location !== undefined && (typeof location !== "string" || !location.startsWith("/")))
		throw new Error("`location` is not a path");
	return rest as RestRoute;
}

function readAccess(access: unknown): Access {
	if (access === "anyone" || access === "user") return access;
	if (Array.isArray(access) && access.length > 0 && access.every(one => typeof one === "string"))
		return access as Access;
	throw new Error("a published action must state its permissions");
}

/** Whether the gateway need not ask the service: the service checks again. */
export function refusal(access: Access, user: Principal | undefined): ErrorType | undefined {
	if (access === "anyone") return undefined;
	if (!user) return "UNAUTHENTICATED";
	return access === "user" || access.every(permission => mayDo(user.roles, permission)) ? undefined : "FORBIDDEN";
}

function locationOf(template: string): (result: unknown) => string | undefined {
	const parts = template.split("/");
	return result => {
		const fields = (typeof result === "object" && result !== null ? result : {}) as Record<string, unknown>;
		const values = parts.map(part => (part.startsWith(":") ? fields[part.slice(1)] : part));
		if (values.some(value => typeof value !== "string" && typeof value !== "number")) return undefined;
		return (
			API_BASE +
			values.map((value, i) => (parts[i]?.startsWith(":") ? encodeURIComponent(`${value}`) : value)).join("/")
		);
	};
}

function readCoercions(params: unknown): Map<string, Coercion> {
	const coercions = new Map<string, Coercion>();
	if (typeof params !== "object" || params === null) return coercions;
	for (const [name, rule] of Object.entries(params)) {
		const type = coercionOf(rule);
		if (type) coercions.set(name, type);
	}
	return coercions;
}

const paramsOf = ({ params }: RegisteredAction): object =>
	typeof params === "object" && params !== null ? params : {};

function coercionOf(rule: unknown): Coercion | undefined {
	if (Array.isArray(rule)) return rule.map(coercionOf).find(found => found !== undefined);
	const type = typeof rule === "string" ? rule.split("|")[0] : (rule as { type?: unknown } | null)?.type;
	if (type === "multi") return coercionOf((rule as { rules?: unknown }).rules);
	return type === "number" || type === "boolean" ? type : undefined;
}

const NUMBER = /^-?\d{1,15}(?:\.\d{1,6})?$/;

/** Text of a path or query, as the action's own rule wants it; what does not fit stays text, for the rule to refuse. */
export function coerce(route: Route, name: string, text: string): unknown {
	const type = route.coercions.get(name);
	if (type === "number" && NUMBER.test(text)) return Number(text);
	if (type === "boolean") {
		if (text === "true" || text === "1") return true;
		if (text === "false" || text === "0") return false;
	}
	return text;
}
