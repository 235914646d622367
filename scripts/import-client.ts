import type { ImportJob } from "../services/products/products.contract.ts";

/** Why an import could not be done, in words for whoever started it. */
export class ImportFailure extends Error {}

/** How long a server may be away while its job goes on. */
const PATIENCE_MS = 90_000;
const RETRY_MS = 1_000;

type Credentials = { token: string } | { email: string; password: string };

interface Problem {
	code?: string;
	detail?: string;
	title?: string;
}

const WHY: Record<number, string> = {
	401: "the access token is missing, wrong or expired",
	403: "this account may not import products: it needs the permission products:write",
	404: "is this a Stoa shop, and is --url right?",
	413: "the file is too large: at most 1 GiB, and 1 MB a line",
	415: "the server does not take this kind of file",
	429: "too many requests: try again in a minute",
	503: "the shop is not ready: try again in a moment",
};

/** What the import needs of the shop's API. */
export class ImportClient {
	readonly #url: string;
	readonly #credentials: Credentials;
	#token: string | undefined;

	constructor(url: string, credentials: Credentials) {
		this.#url = url.replace(/\/+$/, "");
		this.#credentials = credentials;
	}

	/** Signs in and makes sure that this account may import, before megabytes are sent for nothing. */
	async start(): Promise<void> {
		await this.#signIn();
		await this.#json("GET", "/admin/products?limit=1");
	}

	async upload(body: ReadableStream, { stock, isGzip }: { stock: number; isGzip: boolean }): Promise<string> {
		const response = await this.#fetch(`/admin/products/import?stock=${stock}`, {
			method: "POST",
			headers: { "content-type": "application/x-ndjson", ...(isGzip ? { "content-encoding": "gzip" } : {}) },
			body,
			duplex: "half",
		});
		const { jobId } = (await this.#checked(response)) as { jobId: string };
		return jobId;
	}

	/** The job as it is; waits for a server that restarts. */
	async job(id: string): Promise<ImportJob> {
		const deadline = Date.now() + PATIENCE_MS;
		for (;;) {
			try {
				return (await this.#json("GET", `/admin/jobs/${id}`)) as ImportJob;
			} catch (error) {
				if (!(error instanceof Away) || Date.now() > deadline) throw error;
				await new Promise(resolve => setTimeout(resolve, RETRY_MS));
			}
		}
	}

	async #signIn(): Promise<void> {
		if ("token" in this.#credentials) {
			this.#token = this.#credentials.token;
			return;
		}
		const response = await this.#fetch("/auth/login", {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: JSON.stringify(this.#credentials),
		});
		if (response.status === 401) throw new ImportFailure("Could not sign in: e-mail address or password is wrong");
		this.#token = ((await this.#checked(response)) as { accessToken: string }).accessToken;
	}

	async #json(method: string, path: string): Promise<unknown> {
		let response = await this.#fetch(path, { method });
		if (response.status === 401 && !("token" in this.#credentials)) {
			// Access tokens live for minutes, an import may take longer.
			await response.body?.cancel();
			await this.#signIn();
			response = await this.#fetch(path, { method });
		}
		return this.#checked(response);
	}

	async #fetch(path: string, init: RequestInit & { duplex?: "half" }): Promise<Response> {
		const headers = { ...(init.headers as object), ...(this.#token ? { authorization: `Bearer ${this.#token}` } : {}) };
		try {
			return await fetch(`${this.#url}/api/v1${path}`, { ...init, headers } as RequestInit);
		} catch (error) {
			throw new Away(`Cannot reach ${this.#url} (${reasonOf(error)}): is the shop running? See \`npm start\``);
		}
	}

	async #checked(response: Response): Promise<unknown> {
		const text = await response.text();
		if (response.ok) return JSON.parse(text);
		const problem = problemOf(text);
		const why = WHY[response.status] ?? "the server refused";
		const message = `${response.status} ${problem.code ?? ""}: ${problem.detail ?? problem.title ?? why} (${why})`;
		throw response.status >= 500 || response.status === 429 ? new Away(message) : new ImportFailure(message);
	}
}

/** The server did not answer, or not now: another try may help. */
class Away extends ImportFailure {}

function problemOf(text: string): Problem {
	try {
		return JSON.parse(text) as Problem;
	} catch {
		return {};
	}
}

function reasonOf(error: unknown): string {
	const { cause, message } = error as { cause?: { code?: string; message?: string }; message?: string };
	return cause?.code ?? cause?.message ?? message ?? String(error);
}
