import { type Params, parseParams } from "./params.ts";

export const USAGE = `embedded-mongod: speaks the wire protocol of a standalone MongoDB 7, see embedded-mongod/README.md
  --port N               on 127.0.0.1, default 27017; 0 takes a free one
  --unixSocket [PATH]    listens on a Unix socket instead, by default mongod.sock in the data folder
  --unixSocketPrefix DIR listens on DIR/mongodb-<port>.sock instead
  --dbpath DIR           keeps the data there; without it, in memory only
  --loginFile FILE       whoever connects must know what is in it: user:password, in one line (SCRAM-SHA-256)
  --setParameter K=V     see the README; among them enableTestCommands=1, notablescan=1, ttlMonitorSleepSecs=N
  --repair               reads what can be read of damaged files, after copying them aside, and ends
  --version, --help      (--quiet, --nojournal, --logpath F and the like are accepted and ignored)`;

/** A command line that cannot be meant. */
export class UsageError extends Error {}

export interface CommandLine {
	port: number;
	/** True is the data folder's own. */
	unixSocket: string | true | undefined;
	dbpath: string | undefined;
	loginFile: string | undefined;
	params: Params;
	repair: boolean;
	help: boolean;
	version: boolean;
}

const REFUSED = new Set(["replSet", "auth", "tlsMode", "sslMode", "configsvr", "shardsvr", "fork", "keyFile"]);
const IGNORED = new Set(["quiet", "nojournal", "journal", "noauth", "ipv6", "logappend", "nounixsocket"]);
const IGNORED_WITH_VALUE = new Set([
	"bind_ip",
	"logpath",
	"wiredTigerCacheSizeGB",
	"storageEngine",
	"oplogSize",
	"verbose",
	"pidfilepath",
]);

/** @throws UsageError on what it does not know, and on what would be less safe than asked for */
export function parseCommandLine(argv: string[]): CommandLine {
	const args = argv.flatMap(splitAssignment);
	const given: Record<string, string> = {};
	const out: CommandLine = {
		port: 27017,
		unixSocket: undefined,
		dbpath: undefined,
		loginFile: undefined,
		params: parseParams({}),
		repair: false,
		help: false,
		version: false,
	};
	let prefix: string | undefined;
	for (let i = 0; i < args.length; i++) {
		const flag = args[i] ?? "";
		const name = flag.replace(/^--?/, "");
		const next = args[i + 1];
		const value = () => {
			i++;
			if (next === undefined) throw new UsageError(`${flag} needs a value`);
			return next;
		};
		if (!flag.startsWith("-")) throw new UsageError(`unknown argument ${flag}`);
		if (REFUSED.has(name)) throw new UsageError(`embedded-mongod has no ${flag}`);
		if (IGNORED.has(name)) continue;
		if (IGNORED_WITH_VALUE.has(name)) value();
		else if (name === "port") out.port = portOf(value());
		else if (name === "dbpath") out.dbpath = value();
		else if (name === "loginFile") out.loginFile = value();
		else if (name === "unixSocketPrefix") prefix = value();
		else if (name === "unixSocket") out.unixSocket = next === undefined || next.startsWith("--") ? true : value();
		else if (name === "setParameter") Object.assign(given, assignment(value()));
		else if (name === "repair" || name === "help" || name === "version") out[name] = true;
		else if (name === "h") out.help = true;
		else throw new UsageError(`unknown argument ${flag}`);
	}
	if (prefix !== undefined) out.unixSocket = `${prefix}/mongodb-${out.port}.sock`;
	if (out.unixSocket === true && out.dbpath === undefined)
		throw new UsageError("--unixSocket without a path needs --dbpath");
	try {
		out.params = parseParams(given);
	} catch (error) {
		throw new UsageError((error as Error).message);
	}
	return out;
}

function splitAssignment(arg: string): string[] {
	const at = arg.indexOf("=");
	return arg.startsWith("--") && at > 0 ? [arg.slice(0, at), arg.slice(at + 1)] : [arg];
}
function assignment(text: string): Record<string, string> {
	const at = text.indexOf("=");
	if (at < 1) throw new UsageError(`--setParameter needs name=value, not ${text}`);
	return { [text.slice(0, at)]: text.slice(at + 1) };
}
function portOf(text: string): number {
	const port = Number(text);
	if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new UsageError(`--port cannot be ${text}`);
	return port;
}
