// What the server says of itself and lets be set: status, parameters, profiler, fail points, checkpoints.
import { MongoError, notImplemented } from "../errors.ts";
import { isParam, parseParam } from "../params.ts";
import { type Doc, isPlain, isTrue, toNumber } from "../values.ts";
import { type Context, type Handlers, OK, type Reply } from "./context.ts";
import { VERSION } from "./handshake.ts";

function serverStatus({ engine }: Context): Reply {
	const { counts } = engine;
	const uptimeMillis = Date.now() - engine.started;
	return {
		host: "localhost",
		version: VERSION,
		process: "mongod",
		pid: process.pid,
		uptime: Math.floor(uptimeMillis / 1000),
		uptimeMillis,
		localTime: new Date(),
		opcounters: {
			insert: counts["insert"] ?? 0,
			query: counts["find"] ?? 0,
			update: counts["update"] ?? 0,
			delete: counts["delete"] ?? 0,
			getmore: counts["getMore"] ?? 0,
			command: Object.values(counts).reduce((a, b) => a + b, 0),
		},
		metrics: {
			commands: Object.fromEntries(Object.entries(counts).map(([name, total]) => [name, { total }])),
			cursor: { open: { total: engine.cursors.size } },
			queryExecutor: { collectionScans: { total: engine.scans } },
		},
		storageEngine: { name: "embedded-mongod", persistent: engine.journalStats !== undefined },
		embeddedJournal: engine.journalStats,
		mem: { resident: Math.round(process.memoryUsage.rss() / 1_048_576) },
		ok: 1,
	};
}

function profile({ engine, db, command }: Context): Reply {
	const { was, slowms } = engine.profiler.level(db);
	const level = toNumber(command["profile"]);
	if (level >= 0 && level <= 2) {
		engine.profiler.set(db, level, command["slowms"] === undefined ? undefined : toNumber(command["slowms"]));
	}
	return { was, slowms, sampleRate: 1, ok: 1 };
}

function getParameter({ engine, command }: Context): Reply {
	const all: Doc = { ...engine.params, featureCompatibilityVersion: { version: "7.0" } };
	if (command["getParameter"] === "*") return { ...all, ok: 1 };
	const found = Object.keys(command).filter(name => Object.hasOwn(all, name));
	if (!found.length) throw new MongoError(72, "InvalidOptions", "no option found to get");
	return { ...Object.fromEntries(found.map(name => [name, all[name]])), ok: 1 };
}

function setParameter({ engine, command }: Context): Reply {
	const [name] = Object.keys(command).filter(isParam);
	if (!name) throw new MongoError(72, "InvalidOptions", "no option found to set, use help:true to see options ");
	const was = engine.params[name];
	Object.assign(engine.params, { [name]: parseParam(name, command[name]) });
	return { was, ok: 1 };
}

function configureFailPoint({ engine, command }: Context): Reply {
	if (!engine.params.enableTestCommands) {
		throw new MongoError(
			59,
			"CommandNotFound",
			"no such command: 'configureFailPoint' (start with --setParameter enableTestCommands=1)",
		);
	}
	const { configureFailPoint: name, mode, data } = command;
	return { count: engine.failPoints.configure(name, mode, isPlain(data) ? data : {}), ok: 1 };
}

/** As MongoDB: makes all that was written durable. Here it writes a checkpoint as well. */
async function fsync({ engine, command }: Context): Promise<Reply> {
	if (isTrue(command["lock"])) throw notImplemented("fsyncLock: stop the server to copy its folder");
	await engine.checkpoint();
	return { numFiles: 1, ok: 1 };
}

export const diagnosticCommands: Handlers = {
	serverStatus,
	profile,
	getParameter,
	setParameter,
	configureFailPoint,
	fsync,
	hostInfo: () => ({ system: { hostname: "localhost", numCores: 1 }, os: { type: process.platform }, ok: 1 }),
	getCmdLineOpts: () => ({ argv: ["embedded-mongod"], parsed: {}, ok: 1 }),
	getLog: () => ({ totalLinesWritten: 0, log: [], ok: 1 }),
	logRotate: () => OK,
	shutdown: ({ engine }) => {
		engine.shutdown();
		return OK;
	},
};
