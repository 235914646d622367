import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import type { Route } from "./route.ts";

/** A body made ready once. For cached results it is kept as long as the result itself. */
interface Body {
	bytes: Buffer;
	etag: string;
	packed: Map<string, Buffer>;
}

const MIN_PACKED_BYTES = 1_024;
/** More codings than there are. */
const MAX_OFFERS = 30;
/** More versions of one page than any client keeps. */
const MAX_TAGS = 100;
const asGzip = promisify(gzip);
const asBrotli = promisify(brotliCompress);
const ready = new WeakMap<object, Body>();

/** Answers a success: status, headers, and the body in the form this client can read; or 304. */
export async function answer(
	request: IncomingMessage,
	response: ServerResponse,
	route: Route,
	result: unknown,
	status: number,
): Promise<void> {
	const isPersonal = !route.isShared || request.headers.authorization !== undefined;
	if (!response.hasHeader("Cache-Control"))
		response.setHeader("Cache-Control", isPersonal ? "no-store" : "public, no-cache");
	if (result === undefined || result === null || status === 204) {
		response.writeHead(status === 200 ? 204 : status);
		response.end();
		return;
	}
	const location = route.locationOf?.(result);
	if (location) response.setHeader("Location", location);
	const body = bodyOf(route, result);
	if (body.etag !== "") response.setHeader("ETag", body.etag);
	if (route.method === "GET" && body.etag !== "" && isKnown(request.headers["if-none-match"], body.etag)) {
		response.writeHead(304);
		response.end();
		return;
	}
	if (!response.hasHeader("Content-Type")) response.setHeader("Content-Type", "application/json; charset=utf-8");
	const bytes = route.isAuth ? body.bytes : await packed(request, response, body);
	response.writeHead(status, { "Content-Length": bytes.length });
	response.end(request.method === "HEAD" ? undefined : bytes);
}

function bodyOf(route: Route, result: unknown): Body {
	if (!route.isShared || typeof result !== "object" || result === null) return createBody(route, result);
	const known = ready.get(result);
	if (known) return known;
	const body = createBody(route, result);
	ready.set(result, body);
	return body;
}

function createBody(route: Route, result: unknown): Body {
	const bytes = Buffer.from(JSON.stringify(result));
	const etag = etagOf(route, result, bytes);
	return { bytes, etag, packed: new Map() };
}

/**
 * The version where there is one. What everybody may see also shows what no version counts (availability): there the
 * bytes speak too, after a dash, and `If-Match` reads only what stands before it.
 */
function etagOf(route: Route, result: unknown, bytes: Buffer): string {
	const { version } = result as { version?: unknown };
	if (!route.isShared) return typeof version === "number" ? `"${version}"` : "";
	return typeof version === "number" ? `"${version}-${digest(bytes)}"` : `"${digest(bytes)}"`;
}

const digest = (bytes: Buffer): string => createHash("sha1").update(bytes).digest("base64url");

/** Weak comparison, as RFC 9110 wants it here. */
function isKnown(header: string | undefined, etag: string): boolean {
	if (header === undefined) return false;
	return header.split(",", MAX_TAGS).some(tag => tag.trim() === "*" || tag.trim().replace(/^W\//, "") === etag);
}

async function packed(request: IncomingMessage, response: ServerResponse, body: Body): Promise<Buffer> {
	if (body.bytes.length < MIN_PACKED_BYTES) return body.bytes;
	const encoding = encodingFor(request.headers["accept-encoding"]);
	if (!encoding) return body.bytes;
	const known = body.packed.get(encoding);
	const bytes = known ?? (await compress(encoding, body.bytes));
	body.packed.set(encoding, bytes);
	response.setHeader("Content-Encoding", encoding);
	return bytes;
}

const compress = (encoding: "br" | "gzip", bytes: Buffer): Promise<Buffer> =>
	encoding === "gzip" ? asGzip(bytes) : asBrotli(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } });

/** Brotli where it is welcome, else gzip; a quality of zero refuses. */
export function encodingFor(header: string | string[] | undefined): "br" | "gzip" | undefined {
	if (header === undefined) return undefined;
	const offers = new Map(
		String(header)
			.split(",", MAX_OFFERS)
			.map(offer => {
				const [name = "", ...parameters] = offer.toLowerCase().split(";", 5);
				const quality = parameters.map(parameter => parameter.trim()).find(parameter => parameter.startsWith("q="));
				return [name.trim(), quality === undefined ? 1 : Number(quality.slice(2))] as const;
			}),
	);
	return (["br", "gzip"] as const).find(name => (offers.get(name) ?? 0) > 0);
}
