// One process per data folder. Process ids alone prove nothing: in containers every pid is 1.
import { randomUUID } from "node:crypto";
import {
	linkSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	realpathSync,
	renameSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { createConnection } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Address } from "./server.ts";

const LOCK = "mongod.lock";
const PROBE_MS = 2_000;
/** Every other start that takes or leaves the lock costs one. */
const MAX_TRIES = 1_000;

/** Who holds a lock. */
interface Holder {
	token: string;
	pid: number;
	/** When the process started, in the kernel's ticks; empty where the system does not say. */
	startTime: string;
	bootId: string;
	pidNamespace: string;
	host: string;
	address: Address;
}
export interface Lock {
	release(): void;
}

/** The data folder is in use. */
export class LockedError extends Error {
	constructor(dir: string, holder: Holder) {
		const { pid, host } = holder;
		const where = "path" in holder.address ? holder.address.path : `${holder.address.host}:${holder.address.port}`;
		super(
			`embedded-mongod: ${dir} is in use by process ${pid} on ${host}, which listens on ${where}. ` +
				"Two servers would destroy each other's files: stop that one, or choose another folder.",
		);
		this.name = "LockedError";
	}
}

const read = (file: string) => {
	try {
		return readFileSync(file, "utf8").trim();
	} catch {
		// Not Linux, or not there: the caller takes less evidence.
		return "";
	}
};
const link = (file: string) => {
	try {
		return readlinkSync(file);
	} catch {
		// As above.
		return "";
	}
};
/** Field 22 of /proc/<pid>/stat, counted from behind the command's closing parenthesis. */
const startTimeOf = (pid: number) => {
	const stat = read(`/proc/${pid}/stat`);
	return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
};

function self(address: Address): Holder {
	return {
		token: randomUUID(),
		pid: process.pid,
		startTime: startTimeOf(process.pid),
		bootId: read("/proc/sys/kernel/random/boot_id"),
		pidNamespace: link("/proc/self/ns/pid"),
		host: hostname(),
		address,
	};
}

/** Locks this process holds itself: its pid is alive, but says nothing about them. */
const held = new Set<string>();

/**
 * Takes the lock of a data folder, from a holder that is gone if need be.
 * @throws LockedError when it is in use
 */
export async function acquireLock(dir: string, address: Address): Promise<Lock> {
	const folder = realpathSync(dir);
	const file = join(folder, LOCK);
	const me = self(address);
	if (held.has(folder)) throw new LockedError(dir, me);
	held.add(folder);
	try {
		const mine = join(folder, `${LOCK}.${me.token}`);
		writeFileSync(mine, JSON.stringify(me), { flag: "wx", flush: true, mode: 0o600 });
		try {
			let tries = 0;
			while (!(await tryTake(dir, file, mine, me)))
				if (++tries === MAX_TRIES) throw new Error(`embedded-mongod: ${file} changes too often to be taken; try again`);
		} finally {
			rmSync(mine, { force: true });
		}
	} catch (error) {
		held.delete(folder);
		throw error;
	}
	return {
		release() {
			held.delete(folder);
			if (holderIn(file)?.token === me.token) rmSync(file, { force: true });
		},
	};
}

/** @returns false when the state changed underneath and has to be looked at again */
async function tryTake(dir: string, file: string, mine: string, me: Holder): Promise<boolean> {
	if (linked(mine, file)) return true;
	const root = holderIn(file);
	if (!root) return false;
	// A stale lock is inherited: each claim is a link whose name holds the token it succeeds, so only one can succeed it.
	let last = root;
	for (;;) {
		if (await isAlive(last, me)) throw new LockedError(dir, last);
		const claim = `${file}.after-${last.token}`;
		if (linked(mine, claim)) break;
		const next = holderIn(claim);
		if (!next) return false;
		last = next;
	}
	const claim = `${file}.after-${last.token}`;
	if (holderIn(file)?.token !== root.token) {
		// Somebody inherited and tidied up in the meantime: this claim succeeds a lock that is no more.
		rmSync(claim, { force: true });
		return false;
	}
	const copy = `${mine}.new`;
	linkSync(mine, copy);
	renameSync(copy, file);
	for (const name of readdirSync(join(file, ".."))) {
		if (name.startsWith(`${LOCK}.after-`)) rmSync(join(file, "..", name), { force: true });
	}
	return true;
}

/** A hard link appears with its content or not at all, and only where nothing was. */
function linked(from: string, to: string): boolean {
	try {
		linkSync(from, to);
		return true;
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
		throw error;
	}
}

function holderIn(file: string): Holder | undefined {
	try {
		return JSON.parse(readFileSync(file, "utf8")) as Holder;
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
		// A lock appears with its content or not at all: an empty one was cut by something else.
		throw new Error(`embedded-mongod: the lock file ${file} cannot be read; remove it if no server uses the folder`);
	}
}

async function isAlive(holder: Holder, me: Holder): Promise<boolean> {
	if (await answers(holder.address)) return true;
	// Another boot. On a volume shared between machines this cannot be told from one: see the README.
	if (holder.bootId !== me.bootId) return false;
	// Another container on this machine: its processes cannot be seen from here, and its socket did not answer.
	if (holder.pidNamespace !== me.pidNamespace) return false;
	if (holder.pid === me.pid) return false;
	if (holder.startTime) return startTimeOf(holder.pid) === holder.startTime;
	return isRunning(holder.pid);
}
function isRunning(pid: number): boolean {
	try {
		process.kill(pid, 0);
		return true;
	} catch (error) {
		return (error as NodeJS.ErrnoException).code === "EPERM";
	}
}

/** Whether somebody listens there: the one proof that holds across containers. */
function answers(address: Address): Promise<boolean> {
	if ("port" in address && address.port === 0) return Promise.resolve(false);
	return new Promise(done => {
		const socket = createConnection(address);
		const end = (isThere: boolean) => {
			socket.destroy();
			done(isThere);
		};
		socket.setTimeout(PROBE_MS, () => end(true));
		socket.once("connect", () => end(true));
		socket.once("error", () => end(false));
	});
}
