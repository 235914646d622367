// The command line: mongod's own flags, as far as they mean something here.
import { existsSync, readFileSync } from "node:fs";
import { parseCommandLine, USAGE, UsageError } from "./command-line.ts";
import { VERSION } from "./commands/handshake.ts";
import { defaultSocketPath, prepareSocket } from "./index.ts";
import { acquireLock } from "./lock.ts";
import type { Login } from "./scram.ts";
import { type Address, type RunningServer, startServer } from "./server.ts";

/** mongod's own exit codes, where it has one for the case. */
const EXIT = { ok: 0, failed: 1, usage: 2, files: 14, listener: 48, noFolder: 100 } as const;

/** One line of JSON per event, as mongod logs. */
function log(severity: "I" | "F", id: number, message: string, attributes: object = {}): void {
	const line = {
		t: { $date: new Date().toISOString() },
		s: severity,
		c: "EMBEDDED",
		id,
		msg: message,
		attr: attributes,
	};
	console.log(JSON.stringify(line));
}

function end(code: number): void {
	process.exitCode = code;
	// The line before has to reach a pipe; what is left open must not keep the process.
	process.stdout.write("", () => process.exit());
}

/** The password is in a file: a command line is everybody's to read. @throws UsageError */
function readLogin(file: string): Login {
	let text: string;
	try {
		text = readFileSync(file, "utf8").trim();
	} catch {
		throw new UsageError(`--loginFile ${file} cannot be read`);
	}
	const [user = "", password = ""] = text.split(/:(.*)/s);
	if (!user || !password) throw new UsageError("--loginFile must hold user:password in one line");
	return { user, password };
}

async function run(argv: string[]): Promise<void> {
	const options = parseCommandLine(argv);
	if (options.help) return void console.log(USAGE);
	if (options.version) return void console.log(`db version v${VERSION} (embedded-mongod)`);
	const { dbpath } = options;
	if (dbpath !== undefined && !existsSync(dbpath)) {
		log(
			"F",
			20574,
			`Data directory ${dbpath} not found. Create the missing directory or specify another path with --dbpath`,
		);
		return end(EXIT.noFolder);
	}
	const address: Address = options.unixSocket
		? { path: options.unixSocket === true ? defaultSocketPath(dbpath ?? ".") : options.unixSocket }
		: { port: options.port, host: "127.0.0.1" };
	const login = options.loginFile === undefined ? undefined : readLogin(options.loginFile);
	const lock = dbpath === undefined ? undefined : await acquireLock(dbpath, address);
	let server: RunningServer | undefined;
	const stop = async (code: number) => {
		// What cannot be written any more has been logged, and is why it stops.
		await server?.close().catch(() => undefined);
		lock?.release();
		end(code);
	};
	try {
		prepareSocket(address);
		const engineOptions = {
			dataDir: dbpath,
			params: options.params,
			...(options.repair ? { salvage: true } : {}),
			onFatal: (error: Error) => {
				log("F", 23091, error.message);
				void stop(EXIT.files);
			},
		};
		server = await startServer(address, engineOptions, login);
	} catch (error) {
		lock?.release();
		throw error;
	}
	const { engine, port, recovered } = server;
	if (options.repair) {
		await engine.checkpoint();
		log("I", 20999, "Repaired", { skippedBytes: recovered?.skippedBytes, entries: recovered?.entries });
		return stop(EXIT.ok);
	}
	engine.onShutdown = () => void stop(EXIT.ok);
	for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => void stop(EXIT.ok));
	const where = "path" in address ? { socket: address.path } : { port };
	log("I", 23016, "Waiting for connections", { ...where, embedded: true, recovered });
}

run(process.argv.slice(2)).catch((error: NodeJS.ErrnoException) => {
	if (error instanceof UsageError) {
		console.error(`${error.message}\n${USAGE}`);
		return end(EXIT.usage);
	}
	const isListener = error.code === "EADDRINUSE" || error.code === "EACCES";
	log("F", isListener ? 23024 : 20557, error.message);
	end(isListener ? EXIT.listener : error.name === "DamageError" ? EXIT.files : EXIT.failed);
});
