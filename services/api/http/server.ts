import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";

const DRAIN_MS = 5_000;

export interface HttpServer {
	server: Server;
	/** No new connections, idle ones closed, busy ones closed with their answer; after 5 s all of them. */
	drain(): Promise<void>;
}

/** A server that neither waits for slow clients nor is held open by patient ones. */
export function createHttpServer(handle: (request: IncomingMessage, response: ServerResponse) => void): HttpServer {
	let isDraining = false;
	const server = createServer({ maxHeaderSize: 16_384, connectionsCheckingInterval: 5_000 }, (request, response) => {
		if (isDraining) response.setHeader("Connection", "close");
		handle(request, response);
	});
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
