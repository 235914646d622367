import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ServiceBroker, type ServiceSchema } from "moleculer";
import { startEmbeddedMongod } from "./embedded-mongod/src/index.ts";
import { createClock } from "./lib/clock.ts";
import type { Config } from "./lib/config.ts";
import { createDatabase } from "./lib/database.ts";
import { createFailpoints } from "./lib/failpoints.ts";
import type { Runtime } from "./lib/runtime.ts";
import type { AppBroker } from "./lib/typed.ts";
import { brokerOptions } from "./moleculer.config.ts";
import { createCacheStore } from "./ports/cache/index.ts";
import { createEventBus } from "./ports/events/index.ts";
import { createJobQueue } from "./ports/jobs/index.ts";
import { createMailTransport } from "./ports/mail/index.ts";

/** Every service of the shop, in no particular order: they find each other. */
export const SERVICES = [
	"api",
	"auth",
	"users",
	"products",
	"inventory",
	"carts",
	"orders",
	"payments",
	"test-payments",
	"notifications",
] as const;

/** A running node: a broker, its engines and its services. */
export interface StoaNode {
	broker: AppBroker;
	/** The database this node uses, embedded or not. */
	mongodbUri: string;
	/** In order: services, broker, engines, database. Safe to call twice. */
	stop(): Promise<void>;
}

/**
 * Starts a node with the services its settings name. Engines start before the services and stop after them.
 * @throws when an engine cannot start or a service is unknown; whatever was started by then is stopped again
 */
export async function startNode(config: Config): Promise<StoaNode> {
	const undo: (() => Promise<void>)[] = [];
	let stopping: Promise<void> | undefined;
	const stop = () => {
		stopping ??= (async () => {
			for (const step of undo.reverse()) await step();
		})();
		return stopping;
	};
	try {
		const mongodbUri = config.mongodbUri ?? (await startOwnDatabase(config, undo));
		const runtime = await startEngines(config, mongodbUri, undo);
		const broker = Object.assign(new ServiceBroker(brokerOptions(config)), { stoa: runtime }) as unknown as AppBroker;
		for (const name of config.services ?? SERVICES) broker.createService(await loadService(name));
		undo.push(() => broker.stop());
		await broker.start();
		runtime.events.open();
		return { broker, mongodbUri, stop };
	} catch (error) {
		await stop();
		throw error;
	}
}

async function startOwnDatabase(config: Config, undo: (() => Promise<void>)[]): Promise<string> {
	const server = await startEmbeddedMongod({ dataDir: join(config.dataDir, "mongod") });
	undo.push(() => server.close());
	return server.uri;
}

async function startEngines(config: Config, mongodbUri: string, undo: (() => Promise<void>)[]): Promise<Runtime> {
	const database = createDatabase(mongodbUri, config.serviceMongodbUris);
	undo.push(() => database.close());
	const runtime: Runtime = {
		config,
		secret: config.secret ?? (await generatedSecret(config.dataDir)),
		publicUrl: config.publicUrl,
		clock: createClock(config.clockShiftMs),
		failpoints: createFailpoints(config.failpoints),
		database,
		events: createEventBus(config),
		jobs: createJobQueue(config),
		cache: createCacheStore(config),
		mail: createMailTransport(config),
	};
	for (const engine of [runtime.events, runtime.jobs, runtime.cache, runtime.mail]) {
		undo.push(() => engine.stop());
		await engine.start();
	}
	return runtime;
}

/** Outside production a shop makes its own secret on the first start, readable by its owner only. */
async function generatedSecret(dataDir: string): Promise<string> {
	const file = join(dataDir, "secret");
	await mkdir(dataDir, { recursive: true, mode: 0o700 });
	await writeFile(file, randomBytes(48).toString("base64url"), { flag: "wx", mode: 0o600 }).catch(
		(error: NodeJS.ErrnoException) => {
			if (error.code !== "EEXIST") throw error;
		},
	);
	return (await readFile(file, "utf8")).trim();
}

async function loadService(name: string): Promise<ServiceSchema> {
	const file = join(import.meta.dirname, "services", name, `${name}.service.ts`);
	try {
		const module = (await import(pathToFileURL(file).href)) as { default: ServiceSchema };
		return module.default;
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
		throw new Error(`SERVICES names "${name}", but there is no services/${name}/${name}.service.ts`, { cause: error });
	}
}
