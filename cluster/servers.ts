import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, closeSync, constants, openSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { delimiter, join } from "node:path";
import { makeFolder } from "../embedded-mongod/src/folders.ts";
import { freePort } from "./ports.ts";
import { endOf } from "./supervisor.ts";

const READY_TIMEOUT_MS = 15_000;
const STOP_TIMEOUT_MS = 10_000;
const USER = "stoa";
const MONGOD = join(import.meta.dirname, "..", "embedded-mongod", "src", "main.ts");

/** A server of this machine that a cluster, or a test, started. */
export interface LocalServer {
	name: string;
	url: string;
	port: number;
	readonly pid: number;
	/** Starts it again on its port and its files, after it was killed. */
	start(): Promise<void>;
	stop(): Promise<void>;
	kill(signal: NodeJS.Signals): void;
}

/** What a launcher wants of a server, and wants to hear of its process. */
export interface ServerHooks {
	/** Whoever connects must know it; without one everybody on this machine may. Letters, digits, `-` and `_`. */
	password?: string;
	onSpawn?(pid: number): void;
	onExit?(pid: number): void;
	/** It ended, and not by `stop`. */
	onCrash?(how: string, livedMs: number): void;
}

/** The full path of a program, or undefined when it is not on the PATH. */
export function findOnPath(program: string): string | undefined {
	const folders = (process.env["PATH"] ?? "").split(delimiter);
	return folders.map(folder => join(folder, program)).find(isExecutable);
}

function isExecutable(path: string): boolean {
	try {
		accessSync(path, constants.X_OK);
		return true;
	} catch {
		return false;
	}
}

interface Plan {
	name: string;
	url(port: number): string;
	program: string;
	args(port: number): string[];
	dir: string;
	port?: number | undefined;
}

/** NATS with JetStream, its streams below `dir`. Undefined when there is no nats-server on the PATH. */
export async function startNats(dir: string, port?: number, hooks: ServerHooks = {}): Promise<LocalServer | undefined> {
	const program = findOnPath("nats-server");
	if (!program) return undefined;
	const file = secretFile(
		dir,
		"nats.conf",
		hooks,
		password => `authorization { user: ${USER}, password: "${password}" }`,
	);
	const args = (p: number) =>
		["-a", "127.0.0.1", "-p", String(p), "-js", "-sd", join(dir, "streams")].concat(file ? ["-c", file] : []);
	const url = (p: number) => `nats://${file ? `${USER}:${hooks.password}@` : ""}127.0.0.1:${p}`;
	return startServer({ name: "nats-server", program, dir, args, port, url }, hooks);
}

/** Redis without files: what it holds may be lost. Undefined when there is no redis-server on the PATH. */
export async function startRedis(
	dir: string,
	port?: number,
	hooks: ServerHooks = {},
): Promise<LocalServer | undefined> {
	const program = findOnPath("redis-server");
	if (!program) return undefined;
	const file = secretFile(dir, "redis.conf", hooks, password => `requirepass ${password}`);
	const args = (p: number) => [
		...(file ? [file] : []),
		...["--bind", "127.0.0.1", "--port", String(p), "--dir", dir, "--save", "", "--appendonly", "no"],
	];
	const url = (p: number) => `redis://${file ? `:${hooks.password}@` : ""}127.0.0.1:${p}`;
	return startServer({ name: "redis-server", program, dir, args, port, url }, hooks);
}

/** The embedded database as a process of its own. */
export function startMongod(dir: string, hooks: ServerHooks = {}): Promise<LocalServer> {
	const file = secretFile(dir, "login", hooks, password => `${USER}:${password}`);
	const args = (p: number) => [MONGOD, "--port", String(p), "--dbpath", dir, ...(file ? ["--loginFile", file] : [])];
	const url = (p: number) => `mongodb://${file ? `${USER}:${hooks.password}@` : ""}127.0.0.1:${p}`;
	return startServer({ name: "mongod", program: process.execPath, dir, args, url }, hooks);
}

/** A file for its owner only: what is on a command line, everybody on the machine can read. */
function secretFile(
	dir: string,
	name: string,
	{ password }: ServerHooks,
	content: (password: string) => string,
): string | undefined {
	if (password === undefined) return undefined;
	makeFolder(dir);
	const file = join(dir, name);
	// Written anew each time, with its rights: those of a file that was there would stay.
	rmSync(file, { force: true });
	writeFileSync(file, `${content(password)}\n`, { mode: 0o600 });
	return file;
}

async function startServer(plan: Plan, hooks: ServerHooks): Promise<LocalServer> {
	makeFolder(plan.dir);
	const port = plan.port ?? (await freePort());
	let child: ChildProcess | undefined;
	let isStopping = false;
	const start = async () => {
		const startedAt = performance.now();
		isStopping = false;
		child = launch(plan, port);
		const { pid = 0 } = child;
		if (pid) hooks.onSpawn?.(pid);
		child.once("exit", (code, signal) => {
			hooks.onExit?.(pid);
			if (!isStopping) hooks.onCrash?.(endOf(code, signal), performance.now() - startedAt);
		});
		await listening(plan, child, port);
	};
	const stop = () => {
		isStopping = true;
		return child?.pid ? ended(child, "SIGTERM") : Promise.resolve();
	};
	await start();
	return {
		name: plan.name,
		url: plan.url(port),
		port,
		get pid() {
			return child?.pid ?? 0;
		},
		start,
		stop,
		kill: signal => void child?.kill(signal),
	};
}

function launch({ name, program, args, dir }: Plan, port: number): ChildProcess {
	const log = openSync(join(dir, `${name}.log`), "a", 0o600);
	const env: NodeJS.ProcessEnv = { ...process.env };
	// Jest's options are not for the servers it starts.
	delete env["NODE_OPTIONS"];
	// A group of its own: Ctrl-C is for the launcher, which stops things in order.
	const child = spawn(program, args(port), { stdio: ["ignore", log, log], detached: true, env });
	closeSync(log);
	// A program that could not be started has no process and no end: its start fails, and not the launcher.
	child.on("error", () => undefined);
	return child;
}

/** Waits until something accepts connections there, or the child ends. */
async function listening({ name, dir }: Plan, child: ChildProcess, port: number): Promise<void> {
	const logFile = join(dir, `${name}.log`);
	const deadline = Date.now() + READY_TIMEOUT_MS;
	if (child.pid === undefined) throw new Error(`${name} could not be started: is ${child.spawnfile} a program?`);
	while (Date.now() < deadline) {
		if (child.exitCode !== null || child.signalCode !== null)
			throw new Error(`${name} ended at once with code ${child.exitCode}; see ${logFile}`);
		if (await accepts(port)) return;
		await new Promise(resolve => setTimeout(resolve, 20));
	}
	child.kill("SIGKILL");
	throw new Error(`${name} did not listen within ${READY_TIMEOUT_MS} ms; see ${logFile}`);
}

const accepts = (port: number): Promise<boolean> =>
	new Promise(resolve => {
		const socket = connect({ host: "127.0.0.1", port });
		socket.once("connect", () => {
			socket.destroy();
			resolve(true);
		});
		socket.once("error", () => resolve(false));
	});

/** Asks a child to end, and ends it when it does not. */
export async function ended(child: ChildProcess, signal: NodeJS.Signals, timeoutMs = STOP_TIMEOUT_MS): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null) return;
	const exit = new Promise<void>(resolve => child.once("exit", () => resolve()));
	child.kill(signal);
	const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
	await exit;
	clearTimeout(timer);
}
