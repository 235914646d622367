/**
 * embedded-mongod: a database that speaks MongoDB's wire protocol, in a worker thread of the process that uses it.
 * See README.md for what it guarantees and what it has not.
 */
import { createHash } from "node:crypto";
import { chmodSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { makeFolder } from "./folders.ts";
import { acquireLock, type Lock } from "./lock.ts";
import { type ParamValue, parseParams } from "./params.ts";
import type { Login } from "./scram.ts";
import type { Address } from "./server.ts";
import type { WorkerInput, WorkerMessage } from "./worker.ts";

export type { ParamValue } from "./params.ts";
export type { Login } from "./scram.ts";

/** How the embedded server is started. */
export interface EmbeddedMongodOptions {
	/** The folder its files are kept in; it is made, for its owner only, when it is not there. */
	dataDir: string;
	/**
	 * The Unix socket to listen on. By default `mongod.sock` in the data folder, or, when that path would be too long
	 * for the system, in a folder of the temporary directory named by a hash of the data folder.
	 */
	socketPath?: string;
	/** Listens on 127.0.0.1 at this port instead of a Unix socket; 0 takes a free one. Give it a `login`. */
	port?: number;
	/** Whoever connects must prove to know it (SCRAM-SHA-256); without one everybody who can connect may do everything. */
	login?: Login;
	/** What mongod takes as `--setParameter`, see README.md. */
	params?: Record<string, ParamValue>;
}

/** A running embedded server. */
export interface EmbeddedMongod {
	/** What a driver connects to. */
	readonly uri: string;
	/** Writes out what is in memory, frees the lock and ends the worker. Safe to call twice. */
	close(): Promise<void>;
	/**
	 * Calls back once when the server ends though nobody closed it, such as on a full disk; at once if it already has.
	 * No write that was acknowledged is lost then. The host should stop: nothing answers any more.
	 */
	onExit(callback: (error: Error) => void): void;
}

/** Socket paths have 104 bytes on macOS and 108 on Linux, the end included; longer ones fail with EINVAL. */
const LONGEST_SOCKET_PATH = 100;

/** Commands leave much short-lived garbage; by Node's own limit it would take some 100 MB more than it has to. */
const YOUNG_GENERATION_MB = 24;

/**
 * Starts the server in a worker thread and resolves once it takes connections.
 * @throws LockedError when another server uses the folder; DamageError when its files are damaged
 */
export async function startEmbeddedMongod(options: EmbeddedMongodOptions): Promise<EmbeddedMongod> {
	const params = parseParams(options.params ?? {});
	const dataDir = resolve(options.dataDir);
	makeFolder(dataDir);
	const address = addressFor(dataDir, options);
	const lock = await acquireLock(dataDir, address);
	try {
		prepareSocket(address);
		return await startWorker({ dataDir, address, params, login: options.login }, lock);
	} catch (error) {
		lock.release();
		throw error;
	}
}

/** Where a server for this data folder listens unless told otherwise. */
export function defaultSocketPath(dataDir: string): string {
	const hash = createHash("sha256").update(resolve(dataDir)).digest("hex").slice(0, 16);
	if (process.platform === "win32") return `\\\\.\\pipe\\embedded-mongod-${hash}`;
	const path = join(resolve(dataDir), "mongod.sock");
	return Buffer.byteLength(path) <= LONGEST_SOCKET_PATH
		? path
		: join(tmpdir(), `embedded-mongod-${hash}`, "mongod.sock");
}

function addressFor(dataDir: string, { port, socketPath }: EmbeddedMongodOptions): Address {
	if (port !== undefined) return { port, host: "127.0.0.1" };
	return { path: socketPath ?? defaultSocketPath(dataDir) };
}

/** Under the lock: whatever lies at the socket's path was left by a process that is gone. */
export function prepareSocket(address: Address): void {
	if (!("path" in address) || process.platform === "win32") return;
	const folder = dirname(address.path);
	makeFolder(folder);
	if (folder.startsWith(join(tmpdir(), "embedded-mongod-"))) chmodSync(folder, 0o700);
	rmSync(address.path, { force: true });
}

export function uriOf(address: Address, port: number | undefined, login?: Login): string {
	const who = login ? `${encodeURIComponent(login.user)}:${encodeURIComponent(login.password)}@` : "";
	if ("path" in address) return `mongodb://${who}${encodeURIComponent(address.path)}`;
	return `mongodb://${who}${address.host}:${port ?? address.port}`;
}

/** The worker's file has this file's own ending, so that a compiled package works as well. */
const workerFile = () => fileURLToPath(new URL(`./worker${extname(import.meta.url)}`, import.meta.url));

async function startWorker(input: WorkerInput, lock: Lock): Promise<EmbeddedMongod> {
	const worker = new Worker(workerFile(), {
		workerData: input,
		resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
	});
	const callbacks: ((error: Error) => void)[] = [];
	let reason: Error | undefined;
	let ended: Error | undefined;
	let isClosing = false;
	const listening = Promise.withResolvers<number | undefined>();
	// Awaited below; a worker that fails at once must not count as unhandled before.
	listening.promise.catch(() => undefined);

	worker.on("message", (message: WorkerMessage) => {
		if (message.type === "listening") listening.resolve(message.port);
		else reason = Object.assign(new Error(message.message), { name: message.name });
	});
	worker.on("error", error => {
		reason ??= error as Error;
	});
	const exited = new Promise<void>(done => {
		worker.once("exit", code => {
			lock.release();
			ended = reason ?? new Error(`embedded-mongod: its worker ended with code ${code}`);
			listening.reject(ended);
			if (!isClosing) for (const callback of callbacks.splice(0)) callback(ended);
			done();
		});
	});

	const port = await listening.promise;
	return {
		uri: uriOf(input.address, port, input.login),
		async close() {
			if (!isClosing && !ended) worker.postMessage("close");
			isClosing = true;
			await exited;
		},
		onExit(callback) {
			if (!ended) callbacks.push(callback);
			else if (!isClosing) callback(ended);
		},
	};
}
