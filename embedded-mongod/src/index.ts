import { createHash } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";

/** How the embedded server is started. */
export interface EmbeddedMongodOptions {
	/** The folder its files are kept in; it is made when it is not there. */
	dataDir: string;
	/** The Unix socket to listen on; by default `mongod.sock` in the data folder. */
	socketPath?: string;
	/** Listens on 127.0.0.1 at this port instead of a Unix socket; 0 takes a free one. */
	port?: number;
	/** What mongod takes as `--setParameter`. */
	params?: Record<string, string | number | boolean>;
}

/** A running embedded server. */
export interface EmbeddedMongod {
	/** What a driver connects to. */
	uri: string;
	/** Writes out what is in memory, frees the lock and ends the worker. Safe to call twice. */
	close(): Promise<void>;
	/** Called when the server ends though nobody closed it, such as on a full disk. */
	onExit(callback: (error: Error) => void): void;
}

const LONGEST_SOCKET_PATH = 100;

/** Starts the server in a worker thread and resolves once it takes connections. */
export async function startEmbeddedMongod(options: EmbeddedMongodOptions): Promise<EmbeddedMongod> {
	const dataDir = resolve(options.dataDir);
	mkdirSync(dataDir, { recursive: true, mode: 0o700 });
	const socketPath = options.port === undefined ? (options.socketPath ?? defaultSocketPath(dataDir)) : undefined;
	if (socketPath) {
		mkdirSync(dirname(socketPath), { recursive: true, mode: 0o700 });
		rmSync(socketPath, { force: true });
	}
	const worker = new Worker(fileURLToPath(new URL("./worker.ts", import.meta.url)), {
		workerData: { dataDir, socketPath, port: options.port, params: options.params ?? {} },
	});
	const callbacks: ((error: Error) => void)[] = [];
	let isClosing = false;
	const exited = new Promise<void>(done => worker.once("exit", () => done()));
	worker.once("exit", code => {
		if (!isClosing) for (const callback of callbacks) callback(new Error(`embedded-mongod ended with code ${code}`));
	});
	const listening = await new Promise<string | number>((done, fail) => {
		worker.once("message", message => done(message.listening));
		worker.once("error", fail);
	});
	return {
		uri: typeof listening === "string" ? `mongodb://${encodeURIComponent(listening)}` : `mongodb://127.0.0.1:${listening}`,
		async close() {
			isClosing = true;
			worker.postMessage("close");
			await exited;
		},
		onExit: callback => void callbacks.push(callback),
	};
}

function defaultSocketPath(dataDir: string): string {
	const path = join(dataDir, "mongod.sock");
	if (path.length <= LONGEST_SOCKET_PATH) return path;
	return join(tmpdir(), `embedded-mongod-${createHash("sha256").update(dataDir).digest("hex").slice(0, 16)}`, "mongod.sock");
}
