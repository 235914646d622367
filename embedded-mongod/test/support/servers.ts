import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import mongoose from "mongoose";
import { type ParamValue, startEmbeddedMongod } from "../../src/index.ts";

export type Client = mongoose.mongo.MongoClient;
export type Db = mongoose.mongo.Db;
export type Document = mongoose.mongo.Document;
/** A document whose _id is a number, or a text. */
export type Numbered = Document & { _id: number };
export type Named = Document & { _id: string };
export const { MongoClient, ObjectId, Decimal128, Long, Binary, Double, Timestamp } = mongoose.mongo;

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
/** Fail points and the profiler's fields are the same on a real one. */
const TEST_PARAMS = { enableTestCommands: true };

export const DURABLE = { writeConcern: { w: "majority", j: true } } as const;

export async function temporaryFolder(): Promise<{ path: string; remove(): Promise<void> }> {
	const path = await mkdtemp(join(tmpdir(), "embedded-mongod-test-"));
	return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

export const connect = (uri: string): Promise<Client> =>
	MongoClient.connect(uri, { serverSelectionTimeoutMS: 10_000, retryWrites: false, retryReads: false });

/** A server the conformance suite runs against. */
export interface Target {
	name: string;
	isReal: boolean;
	start(): Promise<{ uri: string; stop(): Promise<void> }>;
}

export const embedded = (params: Record<string, ParamValue> = {}): Target => ({
	name: "embedded-mongod",
	isReal: false,
	async start() {
		const folder = await temporaryFolder();
		const server = await startEmbeddedMongod({ dataDir: folder.path, params: { ...TEST_PARAMS, ...params } });
		return {
			uri: server.uri,
			async stop() {
				await server.close();
				await folder.remove();
			},
		};
	},
});

/** The embedded server, and whatever MongoDB can be had: MONGODB_URI, or a `mongod` on the PATH. */
export function targets(): { list: Target[]; note: string } {
	const list = [embedded()];
	const uri = process.env["MONGODB_URI"];
	if (uri) list.push({ name: "MONGODB_URI", isReal: true, start: async () => ({ uri, stop: async () => undefined }) });
	const binary = (process.env["PATH"] ?? "")
		.split(delimiter)
		.map(folder => join(folder, process.platform === "win32" ? "mongod.exe" : "mongod"))
		.find(file => existsSync(file));
	if (binary) list.push({ name: "mongod", isReal: true, start: () => startBinary(binary) });
	const note =
		list.length > 1 ? "" : "no MONGODB_URI and no mongod on the PATH: conformance runs on embedded-mongod only";
	return { list, note };
}

async function startBinary(binary: string): Promise<{ uri: string; stop(): Promise<void> }> {
	const folder = await temporaryFolder();
	const port = 20_000 + Math.floor(Math.random() * 20_000);
	const child = spawn(binary, [
		...["--port", String(port), "--dbpath", folder.path, "--bind_ip", "127.0.0.1"],
		...["--setParameter", "enableTestCommands=1"],
	]);
	await lineWith(child, "Waiting for connections");
	return {
		uri: `mongodb://127.0.0.1:${port}`,
		async stop() {
			child.kill("SIGTERM");
			await exitOf(child);
			await folder.remove();
		},
	};
}

/** A server in a process of its own, which can be killed. */
export interface Process {
	child: ChildProcess;
	uri: string;
	/** Attributes of its line "Waiting for connections". */
	started: Document;
	kill(signal: NodeJS.Signals): Promise<number | null>;
}

export async function startProcess(
	dbpath: string,
	params: Record<string, ParamValue> = {},
	flags: string[] = [],
): Promise<Process> {
	const child = launch(dbpath, params, flags);
	const { attr } = await lineWith(child, "Waiting for connections");
	const { port, socket } = attr as { port?: number; socket?: string };
	return {
		child,
		uri: socket ? `mongodb://${encodeURIComponent(socket)}` : `mongodb://127.0.0.1:${port}`,
		started: attr as Document,
		async kill(signal) {
			child.kill(signal);
			return exitOf(child);
		},
	};
}

/** Starts a server that is expected to refuse. @returns its exit code and all it said */
export async function startRefused(
	dbpath: string,
	flags: string[] = [],
): Promise<{ code: number | null; output: string }> {
	const child = launch(dbpath, {}, flags);
	let output = "";
	child.stdout?.on("data", data => {
		output += data;
	});
	child.stderr?.on("data", data => {
		output += data;
	});
	return { code: await exitOf(child), output };
}

function launch(dbpath: string, params: Record<string, ParamValue>, flags: string[]): ChildProcess {
	const settings = Object.entries({ ...TEST_PARAMS, ...params }).flatMap(([k, v]) => ["--setParameter", `${k}=${v}`]);
	return spawn(process.execPath, [MAIN, "--dbpath", dbpath, "--unixSocket", ...settings, ...flags], {
		stdio: ["ignore", "pipe", "pipe"],
		env: { ...process.env, NODE_OPTIONS: "" },
	});
}

function exitOf(child: ChildProcess): Promise<number | null> {
	if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
	return new Promise(done => child.once("close", code => done(code)));
}

/** Resolves with the first log line of that message; fails with all lines when the process ends before. */
function lineWith(child: ChildProcess, message: string): Promise<Document> {
	const said: string[] = [];
	return new Promise((done, fail) => {
		if (!child.stdout) return fail(new Error("no output"));
		child.stderr?.on("data", data => said.push(String(data)));
		createInterface({ input: child.stdout }).on("line", line => {
			said.push(line);
			if (line.includes(message)) done(JSON.parse(line) as Document);
		});
		child.once("close", () => fail(new Error(`the server ended: ${said.join("\n")}`)));
	});
}
