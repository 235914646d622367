import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ServiceBroker, type ServiceSchema } from "moleculer";
import type { Logger } from "pino";
import { startEmbeddedMongod } from "./embedded-mongod/src/index.ts";
import { createClock } from "./lib/clock.ts";
import type { Config } from "./lib/config.ts";
import { createDatabase } from "./lib/database.ts";
import { endsWithin } from "./lib/deadline.ts";
import { createFailpoints } from "./lib/failpoints.ts";
import { createHealth } from "./lib/health.ts";
import { createFixedLogger, createLogger } from "./lib/logger.ts";
import { createMetrics } from "./lib/metrics.ts";
import { networkOf } from "./lib/network.ts";
import { startOpsServer } from "./lib/ops-server.ts";
import type { Runtime } from "./lib/runtime.ts";
import { generatedSecret } from "./lib/secret.ts";
import { createSecurityLog } from "./lib/security-events.ts";
import { mongoProblem, SurroundingsError } from "./lib/surroundings.ts";
import type { AppBroker } from "./lib/typed.ts";
import { createNatsGuard } from "./middlewares/nats-guard.ts";
import { brokerOptions } from "./moleculer.config.ts";
import { createCacheStore } from "./ports/cache/index.ts";
import { createEventBus } from "./ports/events/index.ts";
import { BullJobs } from "./ports/jobs/bull.ts";
import { createJobQueue } from "./ports/jobs/index.ts";
import { createMailTransport } from "./ports/mail/index.ts";

const SERVICES_DIR = join(import.meta.dirname, "services");

/** Every service of the shop: the folders of `services/` that have a service file. They find each other. */
export const SERVICES: readonly string[] = readdirSync(SERVICES_DIR).filter(name => existsSync(fileOf(name)));

/** A running node: a broker, its engines and its services. */
export interface StoaNode {
	broker: AppBroker;
	/** The database this node uses, embedded or not. */
	mongodbUri: string;
	/** Where this node answers for its health. */
	opsUrl: string;
	/** In order: services, broker, engines, database; within seconds, whatever is away. Safe to call twice. */
	stop(): Promise<void>;
}

/** One step of a stop, and how long it is waited for. */
interface Step {
	what: string;
	ms?: number;
	run(): Promise<void>;
	/** Lets go of what would keep the process. */
	leave?(): void;
}

/** Requests and calls under way get their time to end; what then still waits, waits for something that is away. */
const SERVICES_STOP_MS = 12_000;
const STEP_MS = 2_000;
/** It writes out what is in memory. */
const EMBEDDED_STOP_MS = 10_000;

/**
 * Every step gets its turn, whatever the others do: a stop ends within seconds though the database, the bus or Redis is
 * away, and what was under way is healed by whoever goes on, as after a crash.
 * @throws the first error of a step, after the last step
 */
async function undoAll(steps: readonly Step[], log: Logger): Promise<void> {
	const errors: unknown[] = [];
	for (const { what, ms = STEP_MS, run, leave } of steps) {
		try {
			if (await endsWithin(ms, run())) continue;
			log.warn({ what, ms }, "did not stop in time and is left behind");
			leave?.();
		} catch (error) {
			errors.push(error);
		}
	}
	if (errors.length > 0) throw errors[0];
}

/**
 * Starts a node with the services its settings name. Engines start before the services and stop after them.
 * @param onFatal called when an engine ends on its own and the node cannot go on
 * @throws when an engine cannot start or a service is unknown; whatever was started by then is stopped again
 */
export async function startNode(config: Config, onFatal: (error: Error) => void = () => undefined): Promise<StoaNode> {
	refuseUnknownDatabases(config);
	const undo: Step[] = [];
	let stopping: Promise<void> | undefined;
	const stop = () => {
		stopping ??= undoAll(undo.reverse(), createLogger(config.logLevel).child({ mod: "node" }));
		return stopping;
	};
	try {
		const mongodbUri = config.mongodbUri ?? (await startOwnDatabase(config, undo, onFatal));
		const natsGuard = config.natsUrl ? createNatsGuard() : undefined;
		let isStarted = false;
		const isBrokerUp = () => isStarted && (natsGuard?.isUp() ?? true);
		const runtime = await startEngines(config, mongodbUri, isBrokerUp, undo);
		const raw = new ServiceBroker(brokerOptions(config, { outer: natsGuard ? [natsGuard] : [] }));
		const broker = Object.assign(raw, { stoa: runtime }) as unknown as AppBroker;
		if (runtime.jobs instanceof BullJobs) broker.createService(runtime.jobs.service(config.nodeId));
		if ((config.services ?? SERVICES).includes("api")) runtime.shopActions = await publishedActions();
		for (const name of config.services ?? SERVICES) broker.createService(await loadService(name));
		const ops = await startOpsServer(opsAddress(config), runtime.health, { "/metrics": () => runtime.metrics.page() });
		undo.push({ what: "operators' pages", run: () => ops.close() });
		undo.push({ what: "services", ms: SERVICES_STOP_MS, run: () => broker.stop(), leave: () => natsGuard?.leave() });
		await broker.start();
		isStarted = true;
		undo.push({ what: "readiness", run: async () => runtime.health.drain() });
		runtime.events.open();
		return { broker, mongodbUri, opsUrl: `http://127.0.0.1:${ops.port}`, stop };
	} catch (error) {
		await stop();
		throw error;
	}
}

async function startOwnDatabase(config: Config, undo: Step[], onFatal: (error: Error) => void): Promise<string> {
	const server = await startEmbeddedMongod({ dataDir: join(config.dataDir, "mongod") });
	server.onExit(onFatal);
	undo.push({ what: "embedded database", ms: EMBEDDED_STOP_MS, run: () => server.close() });
	return server.uri;
}

/** Probes of a cluster come from outside; on a laptop nobody else should see it. */
const opsAddress = ({ opsPort, isProduction }: Config) => ({
	port: opsPort,
	...(isProduction ? {} : { host: "127.0.0.1" }),
});

async function startEngines(
	config: Config,
	mongodbUri: string,
	isBrokerUp: () => boolean,
	undo: Step[],
): Promise<Runtime> {
	const database = createDatabase(mongodbUri, config.serviceMongodbUris, createClock(config.clockShiftMs));
	undo.push({ what: "database", run: () => database.close() });
	await database.start();
	// The driver does not try again what failed at first; the services would only wait in vain.
	await database.ping().catch(error => {
		throw new SurroundingsError([mongoProblem(error instanceof Error ? error.message : String(error))]);
	});
	const [events, jobs, cache] = [createEventBus(config), createJobQueue(config), createCacheStore(config)];
	const secret = config.secret ?? (await generatedSecret(config.dataDir));
	const metrics = createMetrics();
	const securityLog = createFixedLogger(config.logLevel).child({ mod: "security", nodeID: config.nodeId });
	const runtime: Runtime = {
		config,
		secret,
		publicUrl: config.publicUrl,
		clock: database.clockOf(),
		failpoints: createFailpoints(config.failpoints),
		database,
		events,
		jobs,
		cache,
		mail: createMailTransport(config),
		metrics,
		shopActions: [],
		security: createSecurityLog(secret, metrics, securityLog, networkOf),
		health: createHealth({
			database: () => database.ping(),
			isBrokerUp,
			optional: { events: () => events.isReady(), jobs: () => jobs.isReady(), cache: () => cache.isReady() },
		}),
	};
	const { mail } = runtime;
	for (const [what, engine] of Object.entries({ events, jobs, cache, mail })) {
		undo.push({ what, run: () => engine.stop() });
		await engine.start();
	}
	return runtime;
}

function fileOf(service: string): string {
	return join(SERVICES_DIR, service, `${service}.service.ts`);
}

/** A typo here would quietly put a service's data elsewhere. */
function refuseUnknownDatabases({ serviceMongodbUris }: Config): void {
	for (const name of Object.keys(serviceMongodbUris).filter(name => !SERVICES.includes(name))) {
		const variable = `${name.toUpperCase().replaceAll("-", "_")}_MONGODB_URI`;
		throw new Error(`${variable} names no service: there are ${SERVICES.join(", ")}; unset it or put its name right`);
	}
}

async function loadService(name: string): Promise<ServiceSchema> {
	if (!SERVICES.includes(name)) throw new Error(`SERVICES names "${name}"; there are ${SERVICES.join(", ")}`);
	const module = (await import(pathToFileURL(fileOf(name)).href)) as { default: ServiceSchema };
	return module.default;
}

/** All nodes run the same files, so a gateway reads in them what it has to serve when the services are there. */
async function publishedActions(): Promise<Runtime["shopActions"]> {
	const schemas = await Promise.all(SERVICES.map(loadService));
	return schemas.flatMap(({ name, actions = {} }) =>
		Object.entries(actions).flatMap(([key, action]) =>
			typeof action === "object" && action.visibility === "published" ? [{ ...action, name: `${name}.${key}` }] : [],
		),
	);
}
