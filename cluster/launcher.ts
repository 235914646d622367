import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { generatedSecret } from "../lib/secret.ts";
import { freePort } from "./ports.ts";
import { ended, type LocalServer, startMongod, startNats, startRedis } from "./servers.ts";

const ROOT = join(import.meta.dirname, "..");
const CLUSTER_FILE = "cluster.json";
const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 30_000;
const RESTART_BASE_MS = 500;
const RESTART_MAX_MS = 30_000;

/** One process, and the services it runs. */
export interface Group {
	name: string;
	services: string[];
}

/** Reads that are hot live with the gateway: a call inside a process costs a quarter of one over NATS. */
export const DEFAULT_GROUPS: readonly Group[] = [
	{ name: "gateway", services: ["api", "products", "carts"] },
	{ name: "accounts", services: ["auth", "users"] },
	{ name: "orders", services: ["orders"] },
	{ name: "stock", services: ["inventory"] },
	{ name: "payments", services: ["payments"] },
	{ name: "provider", services: ["test-payments"] },
	{ name: "mail", services: ["notifications"] },
];

export interface ClusterOptions {
	dataDir: string;
	groups?: readonly Group[];
	/** Settings for every process. `NATS_URL`, `REDIS_URL` and `MONGODB_URI` name servers that run already. */
	env?: Readonly<Record<string, string>>;
	/** Whether a process that crashes is started again; tests do it themselves. */
	restart?: boolean;
	/** The port of the first gateway; a free one unless stated. */
	port?: number;
	onEvent?(message: string): void;
}

export interface ClusterProcess extends Group {
	readonly pid: number;
	/** Where it answers health. */
	readonly opsUrl: string;
	kill(signal: NodeJS.Signals): void;
	/** Resolves when the process that runs now has ended. */
	exited(): Promise<void>;
	/** Stops it if it runs, and starts it with these settings on top of the cluster's. */
	restart(env?: Readonly<Record<string, string>>): Promise<void>;
}

export interface Cluster {
	/** One per gateway. */
	urls: string[];
	mongodbUri: string;
	natsUrl: string;
	redisUrl: string | undefined;
	processes: ClusterProcess[];
	servers: LocalServer[];
	process(name: string): ClusterProcess;
	/** Nodes first, then the servers. Safe to call twice. */
	stop(): Promise<void>;
}

/**
 * Starts a whole cluster on this machine: the servers that are not named by a setting, then one process per group.
 * @throws when NATS is nowhere to be found, or a process does not become ready; what was started is stopped again
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
	const dataDir = resolve(options.dataDir);
	mkdirSync(join(dataDir, "logs"), { recursive: true, mode: 0o700 });
	const reaper = startReaper();
	const servers: LocalServer[] = [];
	const nodes: Node[] = [];
	let stopping: Promise<void> | undefined;
	const stop = () => {
		stopping ??= (async () => {
			await Promise.all(nodes.map(node => node.stop()));
			for (const server of servers.reverse()) {
				const { pid } = server;
				await server.stop();
				reaper.stdin?.write(`-${pid}\n`);
			}
			reaper.stdin?.end();
			rmSync(join(dataDir, CLUSTER_FILE), { force: true });
		})();
		return stopping;
	};
	try {
		const urls = await startServers(dataDir, options.env ?? {}, servers, reaper);
		nodes.push(...(await createNodes(options, dataDir, urls)));
		await Promise.all(nodes.map(node => node.start()));
		const introduce = async () => {
			const services = nodes.filter(node => node.isRunning).flatMap(node => node.services);
			await Promise.all(nodes.map(node => node.meet(services)));
		};
		await introduce();
		for (const node of nodes) node.onRestarted = introduce;
		const cluster: Cluster = {
			...urls,
			urls: nodes.flatMap(node => (node.url ? [node.url] : [])),
			processes: nodes,
			servers,
			process(name) {
				const found = nodes.find(node => node.name === name);
				if (!found)
					throw new Error(`No process is called ${name}; there are ${nodes.map(node => node.name).join(", ")}`);
				return found;
			},
			stop,
		};
		describe(dataDir, cluster);
		return cluster;
	} catch (error) {
		await stop();
		throw error;
	}
}

interface ServerUrls {
	mongodbUri: string;
	natsUrl: string;
	redisUrl: string | undefined;
}

async function startServers(
	dataDir: string,
	env: Readonly<Record<string, string>>,
	servers: LocalServer[],
	reaper: ChildProcess,
): Promise<ServerUrls> {
	const keep = (server: LocalServer | undefined) => {
		if (!server) return undefined;
		servers.push(server);
		reaper.stdin?.write(`+${server.pid}\n`);
		return server.url;
	};
	const natsUrl = env["NATS_URL"] ?? keep(await startNats(join(dataDir, "nats")));
	if (!natsUrl) {
		throw new Error(
			"A cluster needs NATS: install nats-server (apt-get install nats-server, brew install nats-server) or set NATS_URL",
		);
	}
	const redisUrl = env["REDIS_URL"] ?? keep(await startRedis(join(dataDir, "redis")));
	const mongodbUri = env["MONGODB_URI"] ?? keep(await startMongod(join(dataDir, "mongod"))) ?? "";
	return { natsUrl, redisUrl, mongodbUri };
}

async function createNodes(options: ClusterOptions, dataDir: string, urls: ServerUrls): Promise<Node[]> {
	const groups = options.groups ?? DEFAULT_GROUPS;
	const secret = options.env?.["STOA_SECRET"] ?? (await generatedSecret(dataDir));
	const ports = new Map<string, number>();
	for (const { name, services } of groups) {
		if (services.includes("api")) ports.set(name, ports.size === 0 && options.port ? options.port : await freePort());
	}
	const [firstPort] = ports.values();
	const shared = {
		...options.env,
		DATA_DIR: dataDir,
		STOA_SECRET: secret,
		NATS_URL: urls.natsUrl,
		MONGODB_URI: urls.mongodbUri,
		...(urls.redisUrl ? { REDIS_URL: urls.redisUrl } : {}),
		PUBLIC_URL: options.env?.["PUBLIC_URL"] ?? `http://127.0.0.1:${firstPort}`,
		OPS_PORT: "0",
	};
	return groups.map(group => {
		const port = ports.get(group.name);
		const env = {
			...shared,
			...(port ? { PORT: String(port) } : {}),
			SERVICES: group.services.join(","),
			NODE_ID: group.name,
		};
		return new Node(group, env, port, options, join(dataDir, "logs", `${group.name}.log`));
	});
}

/** A process of the cluster. */
class Node implements ClusterProcess {
	readonly name: string;
	readonly services: string[];
	readonly url: string | undefined;
	opsUrl = "";
	/** Resolves when the processes of the cluster know each other again. */
	onRestarted: () => Promise<void> = () => Promise.resolve();
	readonly #env: Readonly<Record<string, string>>;
	readonly #options: ClusterOptions;
	readonly #logFile: string;
	#child: ChildProcess | undefined;
	#extra: Readonly<Record<string, string>> = {};
	#exit: Promise<void> = Promise.resolve();
	#isStopping = false;
	#crashes = 0;

	constructor(
		group: Group,
		env: Readonly<Record<string, string>>,
		port: number | undefined,
		options: ClusterOptions,
		logFile: string,
	) {
		this.name = group.name;
		this.services = group.services;
		this.url = port ? `http://127.0.0.1:${port}` : undefined;
		this.#env = env;
		this.#options = options;
		this.#logFile = logFile;
	}

	get pid(): number {
		return this.#child?.pid ?? 0;
	}

	get isRunning(): boolean {
		return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
	}

	async start(): Promise<void> {
		const log = openSync(this.#logFile, "a", 0o600);
		const env: NodeJS.ProcessEnv = { ...process.env, ...this.#env, ...this.#extra };
		delete env["NODE_OPTIONS"];
		// A group of its own: Ctrl-C is for the launcher. The channel is how it learns that the launcher is gone.
		const child = spawn(process.execPath, ["main.ts"], {
			cwd: ROOT,
			env,
			detached: true,
			stdio: ["ignore", log, log, "ipc"],
		});
		closeSync(log);
		this.#child = child;
		this.#exit = new Promise(resolve => child.once("exit", () => resolve()));
		child.once("exit", (code, signal) => this.#onExit(child, code, signal));
		await new Promise<void>((done, fail) => {
			const timer = setTimeout(
				() => fail(new Error(`${this.name} was not ready within ${READY_TIMEOUT_MS} ms; see ${this.#logFile}`)),
				READY_TIMEOUT_MS,
			);
			child.once("message", message => {
				clearTimeout(timer);
				this.opsUrl = (message as { opsUrl: string }).opsUrl;
				done();
			});
			child.once("exit", code => {
				clearTimeout(timer);
				fail(new Error(`${this.name} ended with code ${code} before it was ready; see ${this.#logFile}`));
			});
		});
	}

	/** Resolves when this process knows these services, wherever they run. */
	async meet(services: readonly string[]): Promise<void> {
		const child = this.#child;
		if (!child?.connected) return;
		const met = new Promise<void>(done => child.once("message", () => done()));
		child.send({ waitFor: services });
		await Promise.race([met, this.exited()]);
	}

	kill(signal: NodeJS.Signals): void {
		this.#child?.kill(signal);
	}

	exited(): Promise<void> {
		return this.#exit;
	}

	async restart(env: Readonly<Record<string, string>> = {}): Promise<void> {
		this.#extra = env;
		this.#isStopping = true;
		if (this.#child) await ended(this.#child, "SIGTERM", STOP_TIMEOUT_MS);
		this.#isStopping = false;
		await this.start();
		await this.onRestarted();
	}

	async stop(): Promise<void> {
		this.#isStopping = true;
		if (this.#child) await ended(this.#child, "SIGTERM", STOP_TIMEOUT_MS);
	}

	#onExit(child: ChildProcess, code: number | null, signal: NodeJS.Signals | null): void {
		if (this.#isStopping || child !== this.#child) return;
		const { restart = true, onEvent } = this.#options;
		onEvent?.(`${this.name} ended (${signal ?? `code ${code}`})`);
		if (!restart) return;
		const delayMs = Math.min(RESTART_BASE_MS * 2 ** this.#crashes++, RESTART_MAX_MS);
		setTimeout(() => {
			if (this.#isStopping) return;
			const startedAt = Date.now();
			this.start()
				.then(() => {
					// A process that lasted starts its count of crashes anew.
					this.#child?.once("exit", () => {
						if (Date.now() - startedAt > RESTART_MAX_MS) this.#crashes = 0;
					});
					return this.onRestarted();
				})
				.then(
					() => onEvent?.(`${this.name} runs again`),
					error => onEvent?.(String(error)),
				);
		}, delayMs).unref();
	}
}

function startReaper(): ChildProcess {
	const reaper = spawn(process.execPath, [join(import.meta.dirname, "reaper.ts")], {
		stdio: ["pipe", "ignore", "ignore"],
		detached: true,
		env: { PATH: process.env["PATH"] },
	});
	// What is left in the pipe when it ends first is nobody's loss.
	reaper.stdin?.on("error", () => undefined);
	return reaper;
}

/** For `npm run console`: where this cluster is. The secret stays in its own file. */
function describe(dataDir: string, { urls, natsUrl, redisUrl, mongodbUri, processes }: Cluster): void {
	const content = {
		urls,
		natsUrl,
		redisUrl,
		mongodbUri,
		processes: processes.map(({ name, pid, services }) => ({ name, pid, services })),
	};
	writeFileSync(join(dataDir, CLUSTER_FILE), JSON.stringify(content, null, 2), { mode: 0o600 });
}
