// From a command to its handler: counting, fail points, profiling, and waiting for the disk.
import { adminCommands } from "./commands/admin.ts";
import { type Connection, type Context, evaluationOf, type Handlers, type Reply } from "./commands/context.ts";
import { diagnosticCommands } from "./commands/diagnostics.ts";
import { handshakeCommands } from "./commands/handshake.ts";
import { indexCommands } from "./commands/indexes.ts";
import { readCommands } from "./commands/read.ts";
import { writeCommands } from "./commands/write.ts";
import type { Engine } from "./engine.ts";
import { MongoError } from "./errors.ts";
import { Evaluation } from "./expressions.ts";
import { type Doc, isPlain } from "./values.ts";

const HANDLERS: Handlers = Object.assign(
	Object.create(null) as Handlers,
	handshakeCommands,
	readCommands,
	writeCommands,
	indexCommands,
	adminCommands,
	diagnosticCommands,
);
/** What waits for the disk when its write concern asks for it. */
const CHANGES = new Set([
	...Object.keys(writeCommands),
	...Object.keys(indexCommands),
	"aggregate",
	"create",
	"drop",
	"dropDatabase",
	"renameCollection",
]);

const NOWHERE = "close";
/** @returns the reply, or that the connection is to be closed without one */
export async function dispatch(engine: Engine, connection: Connection, command: Doc): Promise<Reply | typeof NOWHERE> {
	const [name = ""] = Object.keys(command);
	const db = typeof command["$db"] === "string" ? command["$db"] : "test";
	const handler = HANDLERS[name];
	refuseStrangers(connection, name);
	engine.counts[name] = (engine.counts[name] ?? 0) + 1;
	if (!handler) throw new MongoError(59, "CommandNotFound", `no such command: '${name}'`);
	refuseTransaction(command);
	const outcome = await engine.failPoints.apply(name, `${db}.${command[name]}`, connection.appName);
	if (outcome === "close") return NOWHERE;
	const reply = await run(engine, handler, connection, name, db, command);
	if (CHANGES.has(name) && isDurable(command["writeConcern"])) await engine.durable();
	return outcome === "runThenClose" ? NOWHERE : reply;
}

function run(
	engine: Engine,
	handler: Handlers[string],
	connection: Connection,
	name: string,
	db: string,
	command: Doc,
) {
	const since = performance.now();
	const client = `connection ${connection.id}`;
	const context: Context = {
		engine,
		connection,
		name,
		db,
		command,
		// A `let` is a program: nobody may have one run before it is known who they are.
		evaluation: isStranger(connection) ? new Evaluation() : evaluationOf(command),
		profile: operation => {
			if (operation.costs?.planSummary?.startsWith("COLLSCAN")) engine.scans++;
			engine.profiler.note(db, { command, client, appName: connection.appName, ...operation }, since);
		},
	};
	return handler?.(context) ?? {};
}

/** As MongoDB: `j: true` and `majority` answer once the change is on the disk. */
function isDurable(writeConcern: unknown): boolean {
	return (
		isPlain(writeConcern) && Boolean(writeConcern["j"] || writeConcern["w"] === "majority" || writeConcern["fsync"])
	);
}

/** What a driver needs before it has proven who it is; nothing of it tells or changes anything. */
const BEFORE_PROOF = new Set([
	"hello",
	"isMaster",
	"ismaster",
	"saslStart",
	"saslContinue",
	"ping",
	"buildInfo",
	"buildinfo",
]);

const isStranger = ({ proof }: Connection): boolean => proof?.isDone === false;

function refuseStrangers(connection: Connection, name: string): void {
	if (!isStranger(connection) || BEFORE_PROOF.has(name)) return;
	throw new MongoError(13, "Unauthorized", `Command ${/^\w{1,40}$/.test(name) ? name : "?"} requires authentication`);
}

function refuseTransaction(command: Doc): void {
	if (command["autocommit"] !== false && command["startTransaction"] === undefined) return;
	throw new MongoError(
		20,
		"IllegalOperation",
		"Transaction numbers are only allowed on a replica set member or mongos",
	);
}

export function errorReply(error: unknown): Doc {
	if (!(error instanceof MongoError)) {
		return { ok: 0, errmsg: (error as Error).message, code: 8, codeName: "UnknownError" };
	}
	const labels = error.labels ? { errorLabels: error.labels } : {};
	return { ok: 0, errmsg: error.message, code: error.code, codeName: error.codeName, ...error.extra, ...labels };
}
