import { accessSync, constants, existsSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { makeFolder } from "../embedded-mongod/src/folders.ts";
import type { Config } from "./config.ts";
import { natsOptions } from "./nats-url.ts";
import { DEFAULT_OPS_PORT } from "./ops-server.ts";
import { folderProblem, portProblem, SurroundingsError } from "./surroundings.ts";

/** Servers that start beside the shop may need a moment. */
const PATIENCE_MS = 8_000;
const AGAIN_MS = 250;
const CONNECT_MS = 2_000;

type Wanted = Pick<
	Config,
	| "port"
	| "opsPort"
	| "dataDir"
	| "mongodbUri"
	| "serviceMongodbUris"
	| "natsUrl"
	| "secret"
	| "smtpUrl"
	| "isProduction"
>;

interface Engine {
	name: string;
	setting: string;
	hosts: { host: string; port: number }[];
	remedy: string;
}

/**
 * Looks at what a start needs before anything starts: the folder, the ports, the servers that settings name.
 * @param hasGateway whether this process will listen on `PORT`
 * @param tell takes a line for whoever waits
 * @throws SurroundingsError with all that is missing
 */
export async function checkSurroundings(
	config: Wanted,
	hasGateway: boolean,
	tell: (line: string) => void,
): Promise<void> {
	const needsFolder = !(config.mongodbUri && config.secret && config.smtpUrl);
	const ports = [
		...(hasGateway ? [config.port] : []),
		...(config.opsPort === DEFAULT_OPS_PORT ? [] : [config.opsPort]),
	];
	const found = await Promise.all([
		needsFolder ? folder(config.dataDir) : undefined,
		...ports.map(port => taken(port, config)),
		...enginesOf(config).map(engine => away(engine, tell)),
	]);
	const problems = found.filter(problem => problem !== undefined);
	if (problems.length > 0) throw new SurroundingsError(problems);
}

function folder(dataDir: string): string | undefined {
	try {
		makeFolder(dataDir);
		accessSync(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
		const probe = join(dataDir, `.probe-${process.pid}`);
		writeFileSync(probe, "");
		rmSync(probe);
		// A file where a folder belongs is found now and not after the shop was half started.
		for (const name of ["mongod", "mail"]) if (existsSync(join(dataDir, name))) makeFolder(join(dataDir, name));
		return undefined;
	} catch (error) {
		return folderProblem((error as NodeJS.ErrnoException).code, dataDir);
	}
}

function taken(port: number, config: Wanted): Promise<string | undefined> {
	if (port === 0) return Promise.resolve(undefined);
	return new Promise(resolve => {
		const server = createServer();
		server.once("error", (error: NodeJS.ErrnoException) => resolve(portProblem(error.code, port, config)));
		server.listen(port, () => server.close(() => resolve(undefined)));
	});
}

function enginesOf({ natsUrl, mongodbUri, serviceMongodbUris, isProduction }: Wanted): Engine[] {
	const mongo = (setting: string, uri: string): Engine => ({
		name: "MongoDB",
		setting,
		hosts: mongoHosts(uri),
		remedy: isProduction ? "" : `; without ${setting} the shop uses a database of its own`,
	});
	return [
		...(natsUrl
			? [
					{
						name: "NATS",
						setting: "NATS_URL",
						hosts: natsOptions(natsUrl).servers.map(s => hostOf(s, 4222)),
						remedy: "",
					},
				]
			: []),
		...(mongodbUri ? [mongo("MONGODB_URI", mongodbUri)] : []),
		...Object.entries(serviceMongodbUris).map(([service, uri]) =>
			mongo(`${service.toUpperCase().replaceAll("-", "_")}_MONGODB_URI`, uri),
		),
	];
}

/** None for what only the driver can look up: a cluster's DNS record, a Unix socket. */
function mongoHosts(uri: string): Engine["hosts"] {
	const [, authority = ""] = /^mongodb:\/\/(?:[^/?#]*@)?([^/?#]*)/.exec(uri) ?? [];
	return authority
		.split(",")
		.filter(host => host && !/^%2f/i.test(host))
		.map(host => hostOf(host, 27_017));
}

function hostOf(text: string, fallback: number): { host: string; port: number } {
	const [, host = text, port] = /^(.*?)(?::(\d+))?$/.exec(text) ?? [];
	return { host: host.replace(/^\[|\]$/g, ""), port: port ? Number(port) : fallback };
}

/** One of its hosts is enough; asked again for a while, which is told. */
async function away(
	{ name, setting, hosts, remedy }: Engine,
	tell: (line: string) => void,
): Promise<string | undefined> {
	if (hosts.length === 0) return undefined;
	const where = hosts.map(({ host, port }) => `${host}:${port}`).join(", ");
	const deadline = performance.now() + PATIENCE_MS;
	for (let isTold = false; ; isTold = true) {
		const codes = await Promise.all(hosts.map(refusal));
		const [code] = codes;
		if (codes.includes(undefined)) return undefined;
		if (performance.now() > deadline || code === "ENOTFOUND")
			return `${name} does not answer at ${where} (${code}): start it, or correct ${setting}${remedy}`;
		if (!isTold) tell(`${name} does not answer at ${where} (${code}); waiting ${PATIENCE_MS / 1000} s for it`);
		await delay(AGAIN_MS);
	}
}

/** Why nobody takes a connection there; undefined when somebody does. */
function refusal({ host, port }: { host: string; port: number }): Promise<string | undefined> {
	return new Promise(resolve => {
		const socket = connect({ host, port });
		const end = (code: string | undefined) => {
			socket.destroy();
			resolve(code);
		};
		socket.setTimeout(CONNECT_MS, () => end("no answer"));
		socket.once("connect", () => end(undefined));
		socket.once("error", (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
	});
}
