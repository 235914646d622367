import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";
import { DomainError, type FieldError } from "../../../lib/errors.ts";
import { plainAddress } from "../../../lib/network.ts";
import type { AppMeta } from "../../../lib/typed.ts";
import { isEmptyText } from "./absent.ts";
import { coerce, type Route } from "./route.ts";
import type { Match } from "./route-table.ts";

const REQUEST_ID = /^[A-Za-z0-9-]{8,64}$/;
const VISIBLE = /^[\x21-\x7e]{1,255}$/;
/** What stands after a dash tells forms of one version apart. */
const VERSION = /^"(\d{1,15})(?:-[\w-]+)?"$/;
const ENTITY_TAG = /^(?:W\/)?"[\x21\x23-\x7e]*"$/;

/** More proxies of ours than any request ever passes. */
const MAX_HOPS = 20;

/** The client's own id when it is one, else a new one. */
export function requestIdOf(request: IncomingMessage): string {
	const given = request.headers["x-request-id"];
	return typeof given === "string" && REQUEST_ID.test(given) ? given : randomUUID();
}

export const invalid = (...errors: FieldError[]): DomainError =>
	new DomainError("VALIDATION_ERROR", "The request has fields that are not valid", { errors });

/** Whether an address is that of a proxy of ours. */
export function createProxyCheck(trustedProxies: readonly string[]): (address: string) => boolean {
	const trusted = new BlockList();
	for (const proxy of trustedProxies) {
		const [host = "", bits] = proxy.split("/");
		const family = isIP(host) === 6 ? "ipv6" : "ipv4";
		if (bits === undefined) trusted.addAddress(host, family);
		else trusted.addSubnet(host, Number(bits), family);
	}
	return address => {
		const plain = plainAddress(address);
		return isIP(plain) !== 0 && trusted.check(plain, isIP(plain) === 6 ? "ipv6" : "ipv4");
	};
}

/** Decides whose address a request has: `X-Forwarded-For` is read from its end, as far as the proxies are ours. */
export function createAddressReader(trustedProxies: readonly string[]): (request: IncomingMessage) => string {
	const isTrusted = createProxyCheck(trustedProxies);
	return request => {
		const peer = plainAddress(request.socket.remoteAddress ?? "");
		if (trustedProxies.length === 0 || !isTrusted(peer)) return peer;
		const header = request.headers["x-forwarded-for"];
		const hops = (Array.isArray(header) ? header.join(",") : (header ?? "")).split(",").slice(-MAX_HOPS);
		let client = peer;
		for (const text of hops.reverse()) {
			const hop = plainAddress(text.trim().toLowerCase());
			if (isIP(hop) === 0) break;
			client = hop;
			if (!isTrusted(hop)) break;
		}
		return client;
	};
}

/** What headers say that actions want to know. */
export function metaOf(request: IncomingMessage, route: Route): AppMeta {
	const { headers } = request;
	const meta: AppMeta = {};
	const key = headers["idempotency-key"];
	if (key !== undefined && route.takesKey) {
		if (typeof key !== "string" || !VISIBLE.test(key))
			throw new DomainError("BAD_REQUEST", "Idempotency-Key must be 1 to 255 visible ASCII characters");
		meta.idempotencyKey = key;
	}
	const ifMatch = headers["if-match"];
	if (ifMatch !== undefined && ifMatch !== "*" && route.method !== "GET") meta.ifMatch = versionOf(ifMatch);
	const orderToken = headers["x-order-token"];
	if (typeof orderToken === "string" && VISIBLE.test(orderToken)) meta.orderToken = orderToken;
	return meta;
}

function versionOf(ifMatch: string): number {
	const version = VERSION.exec(ifMatch)?.[1];
	if (version !== undefined) return Number(version);
	if (ENTITY_TAG.test(ifMatch)) throw new DomainError("VERSION_MISMATCH", "The resource has no such version");
	throw new DomainError("BAD_REQUEST", 'If-Match must be one entity tag such as "3", or *');
}

/** The params of path and query; the path wins. Bodies are read elsewhere and never mixed with a query. */
export function urlParams({ route, values }: Match, query: string): Record<string, unknown> {
	const params = query === "" ? {} : queryParams(route, query);
	route.names.forEach((name, i) => {
		params[name] = coerce(route, name, decoded(values[i] ?? ""));
	});
	return params;
}

function queryParams(route: Route, query: string): Record<string, unknown> {
	const params: Record<string, unknown> = {};
	const seen = new Set<string>();
	for (const [name, value] of new URLSearchParams(query)) {
		const problem = queryProblem(route, seen, name);
		if (problem) throw invalid({ field: name.slice(0, 100), ...problem });
		seen.add(name);
		// An empty field of a form: nobody asked for a price of nothing.
		if (!isEmptyText(value) || !route.optional.has(name)) params[name] = coerce(route, name, value);
	}
	return params;
}

function queryProblem(route: Route, seen: ReadonlySet<string>, name: string): Omit<FieldError, "field"> | undefined {
	if (seen.has(name)) return { code: "repeated", message: "is given more than once" };
	if (name.includes("[") || route.names.includes(name) || name === "__proto__")
		return { code: "unknown", message: "is not a known parameter" };
	if (route.body === "json" || route.body === "raw") return { code: "unknown", message: "belongs into the body" };
	return undefined;
}

function decoded(text: string): string {
	if (!text.includes("%")) return text;
	try {
		return decodeURIComponent(text);
	} catch {
		throw new DomainError("BAD_REQUEST", "The path is not validly percent-encoded");
	}
}
