import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Health, isReady } from "./health.ts";

/** Pages for operators beside health, by path: `{ "/metrics": … }`. */
export type OpsPages = Readonly<Record<string, () => Promise<{ type: string; body: string }>>>;

export interface OpsServer {
	port: number;
	close(): Promise<void>;
}

export const DEFAULT_OPS_PORT = 3030;
const TRIES = 50;

/**
 * Health of a node over plain HTTP, with or without a gateway on it. On the default port several nodes of one machine
 * move up to the next free one; a port that was asked for is used or refused.
 * @param host undefined listens on every interface
 */
export async function startOpsServer(
	{ port, host }: { port: number; host?: string },
	health: Health,
	pages: OpsPages = {},
): Promise<OpsServer> {
	const server = createServer((request, response) => {
		const path = (request.url ?? "/").split("?")[0] ?? "/";
		const isRead = request.method === "GET" || request.method === "HEAD";
		const work = isRead ? page(path, health, pages) : Promise.resolve({ status: 405, type: "text/plain", body: "" });
		work.then(
			found => send(response, found),
			() => send(response, { status: 500, type: "text/plain", body: "" }),
		);
	});
	server.headersTimeout = 5_000;
	server.requestTimeout = 5_000;
	await listenUpward(server, port, host);
	return {
		port: (server.address() as AddressInfo).port,
		close: () =>
			new Promise(resolve => {
				server.close(() => resolve());
				server.closeAllConnections();
			}),
	};
}

interface Page {
	status: number;
	type: string;
	body: string;
}

async function page(path: string, health: Health, pages: OpsPages): Promise<Page> {
	const json = (status: number, value: unknown): Page => ({
		status,
		type: "application/json",
		body: JSON.stringify(value),
	});
	if (path === "/health/live") return json(200, { status: "ok" });
	if (path === "/health/ready") {
		const readiness = await health.ready();
		return json(isReady(readiness) ? 200 : 503, readiness);
	}
	const render = pages[path];
	return render ? { status: 200, ...(await render()) } : json(404, { status: 404, code: "NOT_FOUND" });
}

function send(response: ServerResponse, { status, type, body }: Page): void {
	response.writeHead(status, {
		"Content-Type": type,
		"Cache-Control": "no-store",
		"X-Content-Type-Options": "nosniff",
		...(status === 503 ? { "Retry-After": "1" } : {}),
	});
	response.end(body);
}

async function listenUpward(server: Server, wanted: number, host: string | undefined): Promise<void> {
	const last = wanted === DEFAULT_OPS_PORT ? wanted + TRIES : wanted;
	for (let port = wanted; ; port++) {
		try {
			await listen(server, port, host);
			return;
		} catch (error) {
			if (port >= last || (error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
		}
	}
}

/** @throws when the port is taken or not ours to take */
export function listen(server: Server, port: number, host?: string): Promise<void> {
	return new Promise((resolve, reject) => {
		server.once("error", reject);
		server.listen({ port, host }, () => {
			server.off("error", reject);
			resolve();
		});
	});
}
