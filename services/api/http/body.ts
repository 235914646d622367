import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { asDomainError, DomainError } from "../../../lib/errors.ts";
import { feed, gunzipped } from "../../../lib/gunzip.ts";
import { isWhole } from "../../../lib/text.ts";
import { UploadStream } from "../../../lib/upload-stream.ts";
import { invalid } from "./request.ts";

export const LIMITS = { json: 64 * 1024, raw: 256 * 1024, stream: 1024 ** 3 } as const;
/** A body must come in this time; a stream may take longer, but never pause for so long. */
const PATIENCE_MS = 30_000;
/** And even a stream ends some day: whoever sends a byte now and then holds nothing for longer. */
const MAX_STREAM_MS = 3_600_000;
/** Deeper than any document of the shop; far from where recursion hurts. */
const MAX_DEPTH = 20;
const JSON_TYPE = /^application\/json\s*(?:;\s*charset="?utf-8"?\s*)?$/i;
const STREAM_TYPES = /^application\/(?:x-)?ndjson\s*(?:;|$)/i;
const FORBIDDEN_KEYS = new Set(["__proto__", "constructor", "prototype"]);

const hasBody = ({ headers }: IncomingMessage): boolean =>
	headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";

const tooLarge = (limit: number): DomainError =>
	new DomainError("PAYLOAD_TOO_LARGE", `The body may have at most ${limit} bytes`);

const tooSlow = (): DomainError => new DomainError("BAD_REQUEST", "The body took too long to come");

const unsupported = (message: string): DomainError => new DomainError("UNSUPPORTED_MEDIA_TYPE", message);

/** A JSON object of at most 64 kB; no body at all reads as an empty one. */
export async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
	if (!hasBody(request)) return {};
	if (!JSON_TYPE.test(request.headers["content-type"] ?? "")) throw unsupported("The body must be application/json");
	const bytes = await readBytes(request, LIMITS.json);
	if (!isUtf8(bytes)) throw new DomainError("BAD_REQUEST", "The body is not UTF-8");
	const body = parse(bytes.toString("utf8"));
	if (typeof body !== "object" || body === null || Array.isArray(body))
		throw invalid({ field: "", code: "object", message: "the body must be an object" });
	checkShape(body, 0);
	return body as Record<string, unknown>;
}

function parse(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		throw new DomainError("BAD_REQUEST", "The body is not valid JSON");
	}
}

function checkShape(value: object, depth: number): void {
	if (depth > MAX_DEPTH) throw invalid({ field: "", code: "depth", message: "the body is nested too deeply" });
	for (const key in value) {
		if (FORBIDDEN_KEYS.has(key)) throw invalid({ field: key, code: "unknown", message: "is not a known field" });
		const field = (value as Record<string, unknown>)[key];
		if (!isWhole(key) || (typeof field === "string" && !isWhole(field)))
			throw invalid({ field: isWhole(key) ? key : "", code: "encoding", message: "holds half a character" });
		if (typeof field === "object" && field !== null) checkShape(field, depth + 1);
	}
}

/** The bytes as they came, for whoever checks a signature over them. */
export const readRaw = (request: IncomingMessage): Promise<Buffer> =>
	hasBody(request) ? readBytes(request, LIMITS.raw) : Promise.resolve(Buffer.alloc(0));

/** NDJSON as it comes in, for an action that spools it. */
export function openStream(request: IncomingMessage): UploadStream {
	if (!STREAM_TYPES.test(request.headers["content-type"] ?? ""))
		throw unsupported("The body must be application/x-ndjson");
	checkLength(request, LIMITS.stream);
	const source = decoded(request);
	const limited = new UploadStream(LIMITS.stream);
	request.setTimeout(PATIENCE_MS, () => {
		// Who waits for us is not to blame; the next pause may be its own.
		if (limited.isWaiting) request.setTimeout(PATIENCE_MS);
		else if (!request.complete) request.destroy();
	});
	feed(source, limited);
	// Whoever reads `limited` sees its error; without a listener it would be unhandled before that.
	limited.on("error", () => undefined);
	limited.once("close", () => {
		source.unpipe(limited);
		if (source !== request) source.destroy();
	});
	const tooLong = setTimeout(() => limited.destroy(tooSlow()), MAX_STREAM_MS).unref();
	limited.once("close", () => clearTimeout(tooLong));
	return limited;
}

function checkLength({ headers }: IncomingMessage, bytes: number): void {
	if (Number(headers["content-length"] ?? 0) > bytes) throw tooLarge(bytes);
}

function decoded(request: IncomingMessage): Readable {
	const encoding = (request.headers["content-encoding"] ?? "identity").toLowerCase();
	if (encoding === "identity") return request;
	if (encoding !== "gzip") throw unsupported("A body may be compressed with gzip, nothing else");
	return gunzipped(request);
}

/** Counts what comes out of a decompression too, so that a small bomb stays small. */
function readBytes(request: IncomingMessage, bytes: number): Promise<Buffer> {
	checkLength(request, bytes);
	const source = decoded(request);
	return new Promise((resolve, reject) => {
		const chunks: Buffer[] = [];
		let seen = 0;
		const finish = (settle: () => void) => {
			clearTimeout(timer);
			source.removeAllListeners("data");
			settle();
		};
		const timer = setTimeout(() => {
			finish(() => reject(tooSlow()));
		}, PATIENCE_MS).unref();
		source.on("data", (chunk: Buffer) => {
			seen += chunk.length;
			if (seen > bytes) {
				if (source !== request) source.destroy();
				finish(() => reject(tooLarge(bytes)));
			} else chunks.push(chunk);
		});
		source.once("end", () =>
			finish(() => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks))),
		);
		source.once("error", error =>
			finish(() => reject(asDomainError(error) ?? new DomainError("BAD_REQUEST", "The body could not be read"))),
		);
		request.once("aborted", () => finish(() => reject(new DomainError("BAD_REQUEST", "The body ended early"))));
	});
}
