import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Connections } from "./connections.ts";

const DRAIN_MS = 5_000;
/** How long a client may go on sending what will not be read, so that it gets to see the answer. */
const LINGER_MS = 1_000;

export interface HttpServer {
	server: Server;
	/** No new connections, idle ones closed, busy ones closed with their answer; after 5 s all of them. */
	drain(): Promise<void>;
}

/** Whatever was answered, the rest of its body is read past for a moment only: a slow one would hold its socket for ever. */
function endBody(request: IncomingMessage): void {
	if (request.complete) return;
	request.unpipe();
	request.resume();
	setTimeout(() => request.complete || request.destroy(), LINGER_MS).unref();
}

/** A server that neither waits for slow clients nor is held open by patient ones. */
export function createHttpServer(
	handle: (request: IncomingMessage, response: ServerResponse) => void,
	connections: Connections,
): HttpServer {
	let isDraining = false;
	const server = createServer({ maxHeaderSize: 16_384, connectionsCheckingInterval: 5_000 }, (request, response) => {
		if (isDraining) response.setHeader("Connection", "close");
		const busy = connections.busy(request.socket);
		response.once("close", () => busy.done());
		response.once("finish", () => endBody(request));
		handle(request, response);
	});
	server.on("connection", socket => connections.opened(socket));
	server.keepAliveTimeout = 65_000;
	server.headersTimeout = 15_000;
	// Bodies have deadlines of their own: an import may take longer than any other request.
	server.requestTimeout = 0;
	server.maxHeadersCount = 100;
	server.timeout = 120_000;
	// What is not HTTP at all gets a bare status: there is no request yet that a problem document could name.
	server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
		if (error.code === "ECONNRESET" || !socket.writable) return;
		const status = error.code === "HPE_HEADER_OVERFLOW" ? "431 Request Header Fields Too Large" : "400 Bad Request";
		socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
	});
	return {
		server,
		async drain() {
			isDraining = true;
			if (!server.listening) return;
			const force = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
			// Whoever was answered just before the end holds a connection that is idle now.
			const idle = setInterval(() => server.closeIdleConnections(), 25);
			await new Promise<void>(resolve => server.close(() => resolve()));
			clearTimeout(force);
			clearInterval(idle);
		},
	};
}
