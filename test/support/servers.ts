import { appendFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LocalServer, startNats, startRedis } from "../../cluster/servers.ts";
import { until } from "./until.ts";

/** A real server that a suite uses, and may hurt. */
export interface TestServer {
	url: string;
	/** False for one that the environment names: it is not a test's to kill. */
	isOwn: boolean;
	/** Resolves when the process is gone, for the signals that end it. */
	kill(signal: NodeJS.Signals): Promise<void>;
	/** Again, on its port and with the files it left. */
	start(): Promise<void>;
	/** Removes its files; only while it is down. */
	wipe(): Promise<void>;
	stop(): Promise<void>;
}

/**
 * NATS with JetStream: an own one when `nats-server` is on the PATH, else the one of NATS_URL.
 * Undefined when there is neither, which the run reports; with CI=true that is an error.
 */
export const findOrStartNats = (): Promise<TestServer | undefined> =>
	findOrStart("NATS", "nats-server", process.env["NATS_URL"], startNats);

/** Redis, likewise: an own one when `redis-server` is on the PATH, else the one of REDIS_URL. */
export const findOrStartRedis = (): Promise<TestServer | undefined> =>
	findOrStart("Redis", "redis-server", process.env["REDIS_URL"], startRedis);

async function findOrStart(
	name: string,
	program: string,
	url: string | undefined,
	startIn: (dir: string) => Promise<LocalServer | undefined>,
): Promise<TestServer | undefined> {
	const dir = await mkdtemp(join(tmpdir(), `stoa-${program}-`));
	const server = await startIn(dir);
	if (server) return own(server, dir);
	await rm(dir, { recursive: true, force: true });
	if (url) return foreign(url);
	leaveOut(`${name} suites: apt-get install ${program}, or set ${name.toUpperCase()}_URL`);
	return undefined;
}

function own(server: LocalServer, dir: string): TestServer {
	return {
		url: server.url,
		isOwn: true,
		async kill(signal) {
			const { pid } = server;
			server.kill(signal);
			if (signal === "SIGKILL" || signal === "SIGTERM") await until(`the end of ${server.name}`, () => !isAlive(pid));
		},
		start: () => server.start(),
		wipe: () => rm(join(dir, "streams"), { recursive: true, force: true }),
		async stop() {
			await server.stop();
			await rm(dir, { recursive: true, force: true });
		},
	};
}

function foreign(url: string): TestServer {
	const refuse = () => Promise.reject(new Error("Only a server that a test started may be stopped by it"));
	return { url, isOwn: false, kill: refuse, start: refuse, wipe: refuse, stop: () => Promise.resolve() };
}

/** What a run on this machine does not prove is told at its end. */
function leaveOut(line: string): void {
	if (process.env["CI"] === "true") throw new Error(`With CI=true nothing may be left out. ${line}`);
	const file = process.env["STOA_SKIPPED_FILE"];
	if (file) appendFileSync(file, `${line}\n`);
}

export function isAlive(pid: number): boolean {
	try {
		process.kill(pid, 0);
		return true;
	} catch {
		// There is no such process.
		return false;
	}
}
