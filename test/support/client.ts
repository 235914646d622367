/** An answer of the shop, body read and parsed. */
export interface Answer {
	status: number;
	headers: Headers;
	/** The bytes as text, for comparisons to the letter. */
	text: string;
	/** Parsed JSON, or undefined when there was none. */
	body: Json;
}

/** JSON of a test's answer: what is not there reads as undefined, so that an expectation fails, not the access. */
// biome-ignore lint/suspicious/noExplicitAny: a test reads deep into answers of every shape
export type Json = any;

export interface RequestOptions {
	body?: unknown;
	token?: string;
	/** `Idempotency-Key`. */
	key?: string;
	headers?: Record<string, string>;
	timeoutMs?: number;
}

/** A REST client of one gateway. Every request has a deadline; nothing is retried. */
export class Client {
	readonly url: string;

	constructor(url: string) {
		this.url = url.replace(/\/+$/, "");
	}

	get = (path: string, options?: RequestOptions) => this.request("GET", path, options);
	post = (path: string, body?: unknown, options?: RequestOptions) => this.request("POST", path, { ...options, body });
	patch = (path: string, body?: unknown, options?: RequestOptions) => this.request("PATCH", path, { ...options, body });
	delete = (path: string, options?: RequestOptions) => this.request("DELETE", path, options);

	/** @param path below `/api/v1`, or absolute from the root when it starts with `//` */
	async request(method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
		const { body, token, key, headers = {}, timeoutMs = 20_000 } = options;
		const isRaw = typeof body === "string" || body instanceof Uint8Array;
		const response = await fetch(path.startsWith("//") ? this.url + path.slice(1) : `${this.url}/api/v1${path}`, {
			method,
			headers: {
				...(body === undefined || isRaw ? {} : { "content-type": "application/json" }),
				...(token ? { authorization: `Bearer ${token}` } : {}),
				...(key ? { "idempotency-key": key } : {}),
				...headers,
			},
			body: body === undefined ? undefined : isRaw ? (body as string) : JSON.stringify(body),
			signal: AbortSignal.timeout(timeoutMs),
		});
		const text = await response.text();
		return { status: response.status, headers: response.headers, text, body: parse(text) };
	}
}

function parse(text: string): Json {
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}
