/** What stops a start, and is not Stoa's to mend: each in one line with its remedy. A stack would help nobody. */
export class SurroundingsError extends Error {
	constructor(problems: readonly string[]) {
		super(`Stoa cannot start here:\n${problems.map(problem => `  - ${problem}`).join("\n")}`);
		this.name = "SurroundingsError";
	}
}

/** What of the settings an explanation needs. */
export interface Places {
	port: number;
	opsPort: number;
	dataDir: string;
}

const FOLDER_CODES: Readonly<Record<string, string>> = {
	EACCES: "this user may not write there",
	EPERM: "this user may not write there",
	EROFS: "it is on a file system that is read-only",
	ENOTDIR: "it, or something above it, is a file and not a folder",
	EEXIST: "it, or something above it, is a file and not a folder",
	ENOENT: "the system makes no folder there",
	ELOOP: "its links lead in a circle",
	ENAMETOOLONG: "its name is too long",
	ENOSPC: "the disk is full",
	EDQUOT: "the disk quota is used up",
};
const LISTEN_CODES: Readonly<Record<string, string>> = {
	EADDRINUSE: "is in use by another program: stop that one",
	EACCES: "is not for this user to listen on: take one from 1024 on",
};
const NATS_CODES: Readonly<Record<string, string>> = {
	CONNECTION_REFUSED: "does not answer",
	TIMEOUT: "does not answer, or runs without JetStream (-js)",
	"503": "runs without JetStream: start nats-server with -js",
	AUTHORIZATION_VIOLATION: "refuses these credentials",
	BAD_AUTHENTICATION: "refuses these credentials",
	AUTHENTICATION_EXPIRED: "refuses these credentials",
};

/** One sentence for an error that the surroundings caused; undefined for everything else, which is Stoa's own. */
export function problemOf(error: unknown, places: Places): string | undefined {
	const { name = "", message = "", code = "", syscall, port } = error as NodeJS.ErrnoException & { port?: number };
	if (name === "LockedError" || name === "DamageError" || message.includes("the lock file"))
		return message.replace("embedded-mongod: ", "");
	if (syscall === "listen") return portProblem(code, port, places);
	if (name === "NatsError")
		return `NATS ${NATS_CODES[code] ?? `cannot be used (${code || message})`}: start it, or correct NATS_URL`;
	if (/^Mongo.*(?:Selection|Network|Server|Parse)/.test(name)) return mongoProblem(message);
	const path = (error as NodeJS.ErrnoException).path ?? "";
	return path.startsWith(places.dataDir) ? folderProblem(code, places.dataDir) : undefined;
}

export function mongoProblem(message: string): string {
	const why = /auth/i.test(message) ? "refuses these credentials" : `cannot be reached (${message.split("\n")[0]})`;
	return `MongoDB ${why}: start it, or correct MONGODB_URI (and <SERVICE>_MONGODB_URI)`;
}

export const folderProblem = (code: string | undefined, dataDir: string): string =>
	`DATA_DIR ${dataDir} cannot be used: ${FOLDER_CODES[code ?? ""] ?? code}. Set another one, or mend this one`;

export function portProblem(code: string | undefined, port: number | undefined, places: Places): string {
	const setting = port === places.port ? "PORT" : port === places.opsPort ? "OPS_PORT" : "a port";
	const why = LISTEN_CODES[code ?? ""] ?? `cannot be listened on (${code}): take another one`;
	return `${setting} ${port} ${why}, or set another ${setting === "a port" ? "one" : setting} (0 takes a free one)`;
}
