import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { makeFolder } from "../embedded-mongod/src/folders.ts";
import { generatedSecret } from "../lib/secret.ts";
import { ClusterNode, type ClusterProcess, type Group } from "./cluster-node.ts";
import { freePort } from "./ports.ts";
import { type LocalServer, type ServerHooks, startMongod, startNats, startRedis } from "./servers.ts";
import { Supervisor, type SupervisorOptions } from "./supervisor.ts";

export type { ClusterProcess, Group };

const CLUSTER_FILE = "cluster.json";

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
	/** Whether a process or server that crashes is started again, as it is unless stated; tests do it themselves. */
	restart?: boolean;
	/** The port of the first gateway; a free one unless stated. */
	port?: number;
	onEvent?(message: string): void;
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
	makeFolder(join(dataDir, "logs"));
	const servers = new Servers(dataDir, options);
	const nodes: ClusterNode[] = [];
	let stopping: Promise<void> | undefined;
	const stop = () => {
		stopping ??= (async () => {
			await Promise.all(nodes.map(node => node.stop()));
			await servers.stop();
			rmSync(join(dataDir, CLUSTER_FILE), { force: true });
		})();
		return stopping;
	};
	try {
		const urls = await servers.start();
		nodes.push(...(await createNodes(options, dataDir, urls)));
		await Promise.all(nodes.map(node => node.start()));
		const cluster: Cluster = {
			...urls,
			urls: nodes.flatMap(node => (node.url ? [node.url] : [])),
			processes: nodes,
			servers: servers.list,
			process(name) {
				const found = nodes.find(node => node.name === name);
				if (!found)
					throw new Error(`No process is called ${name}; there are ${nodes.map(node => node.name).join(", ")}`);
				return found;
			},
			stop,
		};
		const strangers = await introduce(nodes);
		if (strangers.length > 0) throw new Error(`${strangers.join(", ")} did not find the other services over NATS`);
		describe(dataDir, cluster);
		for (const node of nodes) {
			node.onRestarted = async () => {
				await introduce(nodes);
				if (!stopping) describe(dataDir, cluster);
			};
		}
		return cluster;
	} catch (error) {
		await stop();
		throw error;
	}
}

/** Lets the nodes that are ready find each other. Gives the names of those that did not find all others in time. */
async function introduce(nodes: readonly ClusterNode[]): Promise<string[]> {
	const ready = nodes.filter(node => node.isReady);
	const services = ready.flatMap(node => node.services);
	const hasMet = await Promise.all(ready.map(node => node.meet(services)));
	return ready.filter((_, i) => !hasMet[i]).map(({ name }) => name);
}

interface ServerUrls {
	mongodbUri: string;
	natsUrl: string;
	redisUrl: string | undefined;
}

/**
 * The servers of a cluster: those that no setting names, each with a password of this run, since other users of the
 * machine reach the loopback address as well. They are started again when they crash.
 */
class Servers {
	readonly list: LocalServer[] = [];
	readonly #dataDir: string;
	readonly #options: ClusterOptions;
	readonly #supervisors: Supervisor[] = [];
	readonly #reaper = startReaper();

	constructor(dataDir: string, options: ClusterOptions) {
		this.#dataDir = dataDir;
		this.#options = options;
	}

	async start(): Promise<ServerUrls> {
		const { env = {} } = this.#options;
		const dir = (name: string) => join(this.#dataDir, name);
		const natsUrl = env["NATS_URL"] ?? (await this.#keep(hooks => startNats(dir("nats"), undefined, hooks)));
		if (!natsUrl) {
			throw new Error(
				"A cluster needs NATS: install nats-server (apt-get install nats-server, brew install nats-server) or set NATS_URL",
			);
		}
		const redisUrl = env["REDIS_URL"] ?? (await this.#keep(hooks => startRedis(dir("redis"), undefined, hooks)));
		const mongodbUri = env["MONGODB_URI"] ?? (await this.#keep(hooks => startMongod(dir("mongod"), hooks))) ?? "";
		return { natsUrl, redisUrl, mongodbUri };
	}

	async stop(): Promise<void> {
		for (const supervisor of this.#supervisors) supervisor.cancel();
		for (const server of this.list.reverse()) await server.stop();
		this.#reaper.stdin?.end();
	}

	/** The reaper knows each process from its first moment to its last: a pid may soon be somebody else's. */
	async #keep(start: (hooks: ServerHooks) => Promise<LocalServer | undefined>): Promise<string | undefined> {
		let server: LocalServer | undefined;
		const supervisor = new Supervisor(supervision(this.#options), async () => server?.start());
		server = await start({
			password: newPassword(),
			onSpawn: pid => this.#reaper.stdin?.write(`+${pid}\n`),
			onExit: pid => this.#reaper.stdin?.write(`-${pid}\n`),
			onCrash: (how, livedMs) => server && supervisor.crashed(server.name, how, livedMs),
		});
		if (!server) return undefined;
		this.list.push(server);
		this.#supervisors.push(supervisor);
		return server.url;
	}
}

/** Of this run: a server of an earlier one that is somehow still there is of no use to anybody, nor it to this one. */
const newPassword = (): string => randomBytes(24).toString("base64url");

const supervision = ({ restart = true, onEvent = () => undefined }: ClusterOptions): SupervisorOptions => ({
	restart,
	onEvent,
});

async function createNodes(options: ClusterOptions, dataDir: string, urls: ServerUrls): Promise<ClusterNode[]> {
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
		const plan = { ...group, env, port, logFile: join(dataDir, "logs", `${group.name}.log`) };
		return new ClusterNode(plan, supervision(options));
	});
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

/** For `npm run console`, and its owner only: where this cluster is, passwords included. The secret stays in its own file. */
function describe(dataDir: string, { urls, natsUrl, redisUrl, mongodbUri, processes }: Cluster): void {
	const content = {
		urls,
		natsUrl,
		redisUrl,
		mongodbUri,
		processes: processes.map(({ name, pid, services }) => ({ name, pid, services })),
	};
	const file = join(dataDir, CLUSTER_FILE);
	// Written anew each time, with its rights: those of a file that was there would stay.
	rmSync(`${file}.new`, { force: true });
	writeFileSync(`${file}.new`, JSON.stringify(content, null, 2), { mode: 0o600 });
	renameSync(`${file}.new`, file);
}
