// An engine behind a socket. Knows nothing of the process it runs in: whoever starts it ends it.
import { chmodSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { Engine, type EngineOptions } from "./engine.ts";
import type { Recovered } from "./journal/recovery.ts";
import { Credentials, type Login, Proof } from "./scram.ts";
import { startSweeping } from "./ttl.ts";
import { serve } from "./wire.ts";

/** A path (a Unix socket, or a named pipe on Windows) or a port on the loopback address. */
export type Address = { path: string } | { port: number; host: string };

export interface RunningServer {
	engine: Engine;
	/** The port, when it listens on one. */
	port: number | undefined;
	recovered: Recovered | undefined;
	/** Ends the connections, writes out what waits, closes the files. */
	close(): Promise<void>;
}

/**
 * Listens first and reads its files then: whoever probes the address finds it taken from the start.
 * @param login whoever connects must prove to know it; without one everybody who can connect may do everything
 */
export async function startServer(address: Address, options: EngineOptions, login?: Login): Promise<RunningServer> {
	const credentials = login && new Credentials(login);
	const engine = new Engine(options);
	const sockets = new Set<Socket>();
	let connections = 0;
	const accept = (socket: Socket) => {
		sockets.add(socket);
		socket.on("close", () => sockets.delete(socket));
		serve(socket, engine, { id: ++connections, ...(credentials ? { proof: new Proof(credentials) } : {}) });
	};
	const early: Socket[] = [];
	const listener = createServer(socket => early.push(socket));
	const port = await listen(listener, address);
	try {
		const recovered = engine.open();
		listener.removeAllListeners("connection").on("connection", accept);
		for (const socket of early) accept(socket);
		const stopSweeping = startSweeping(engine);
		return {
			engine,
			port,
			recovered,
			async close() {
				stopSweeping();
				const closed = new Promise(done => listener.close(done));
				for (const socket of sockets) socket.destroy();
				await closed;
				await engine.close();
			},
		};
	} catch (error) {
		for (const socket of early) socket.destroy();
		listener.close();
		throw error;
	}
}

function listen(listener: Server, address: Address): Promise<number | undefined> {
	return new Promise((done, fail) => {
		listener.once("error", fail);
		listener.listen({ ...address, backlog: 1024 }, () => {
			listener.off("error", fail);
			// Whoever may connect may do everything: the socket is its owner's alone.
			if ("path" in address && process.platform !== "win32") chmodSync(address.path, 0o600);
			const bound = listener.address();
			done(typeof bound === "object" && bound ? bound.port : undefined);
		});
	});
}
