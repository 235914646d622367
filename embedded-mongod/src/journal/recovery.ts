// Reads the files of a data folder: the newest checkpoint, then the logs after it, each streamed.
import { closeSync, copyFileSync, fstatSync, mkdirSync, openSync, readdirSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { decodeEntry, type Entry } from "./entries.ts";
import { DamageError, type FileKind, FrameReader, HEADER_BYTES, headerFault, versionOf } from "./frames.ts";
import { readSynced, type Synced, syncedFile } from "./synced.ts";

export const fileName = (dir: string, kind: FileKind, number: number) =>
	join(dir, `${kind}-${String(number).padStart(10, "0")}`);

/** What a recovery found and did. */
export interface Recovered {
	/** The log to go on with, and where its last whole entry ends; 0 when its header has to be written again. */
	log: number;
	logBytes: number;
	/** Bytes of the logs since the checkpoint. */
	sinceCheckpoint: number;
	checkpointBytes: number;
	entries: number;
	/** Bytes of an unfinished last entry that were cut off. */
	tornBytes: number;
	/** Bytes that `--repair` had to leave out. */
	skippedBytes: number;
}

interface Files {
	checkpoints: number[];
	logs: number[];
}
type Apply = (entry: Entry) => void;

function listFiles(dir: string): Files {
	const files: Files = { checkpoints: [], logs: [] };
	for (const name of readdirSync(dir)) {
		const match = /^(log|checkpoint)-(\d{10})(\.tmp)?$/.exec(name);
		if (!match) continue;
		if (match[3]) rmSync(join(dir, name));
		else (match[1] === "log" ? files.logs : files.checkpoints).push(Number(match[2]));
	}
	files.logs.sort((a, b) => a - b);
	files.checkpoints.sort((a, b) => a - b);
	return files;
}

/**
 * Replays a data folder.
 * @param salvage leaves out what cannot be read instead of refusing it; the files are copied aside first
 * @throws DamageError when anything but the last entry's end is not as it was written
 */
export function recover(dir: string, apply: Apply, salvage = false): Recovered {
	const files = listFiles(dir);
	if (salvage) copyAside(dir, files);
	const checkpoint = files.checkpoints.at(-1);
	const first = checkpoint ?? 1;
	removeOlder(dir, files, first);
	const out: Recovered = {
		log: first,
		logBytes: 0,
		sinceCheckpoint: 0,
		checkpointBytes: 0,
		entries: 0,
		tornBytes: 0,
		skippedBytes: 0,
	};
	if (checkpoint !== undefined)
		readCheckpoint(fileName(dir, "checkpoint", checkpoint), checkpoint, apply, salvage, out);
	const logs = files.logs.filter(n => n >= first);
	const synced = salvage ? undefined : readSynced(dir);
	if (checkpoint === undefined && !logs.length && (synced?.length ?? 0) < HEADER_BYTES) return out;
	checkComplete(dir, logs, Math.max(first, synced?.log ?? first), first, salvage);
	for (const n of logs) readLog({ dir, apply, salvage, out, synced }, n, n === logs.at(-1));
	return out;
}

function checkComplete(dir: string, logs: number[], least: number, first: number, salvage: boolean): void {
	const last = Math.max(least, logs.at(-1) ?? first);
	for (let n = first; n <= last; n++) {
		if (logs.includes(n) || salvage) continue;
		throw new DamageError(fileName(dir, "log", n), 0, "the file is missing, though files before or after it are there");
	}
}

/** What a checkpoint has made superfluous, when the process ended before it was removed. */
function removeOlder(dir: string, files: Files, first: number): void {
	for (const n of files.logs) if (n < first) rmSync(fileName(dir, "log", n));
	for (const n of files.checkpoints) if (n < first) rmSync(fileName(dir, "checkpoint", n));
}

function copyAside(dir: string, files: Files): void {
	const aside = join(dir, `damaged-${new Date().toISOString().replace(/[:.]/g, "-")}`);
	mkdirSync(aside);
	for (const kind of ["log", "checkpoint"] as const) {
		for (const n of files[`${kind}s`]) {
			const from = fileName(dir, kind, n);
			copyFileSync(from, join(aside, from.slice(dir.length + 1)));
		}
	}
}

function open<T>(path: string, use: (reader: FrameReader) => T): T {
	const fd = openSync(path, "r");
	try {
		return use(new FrameReader(fd, fstatSync(fd).size));
	} finally {
		closeSync(fd);
	}
}

function checkHeader(reader: FrameReader, path: string, kind: FileKind, number: number, salvage: boolean): void {
	const fault = headerFault(reader.bytes(0, HEADER_BYTES), kind, number);
	if (fault && !salvage) throw new DamageError(path, 0, fault);
}

/** Hands out whole entries; `onFault` decides where to go on after one that is not, or throws. */
function readFrames(
	reader: FrameReader,
	apply: Apply,
	onFault: (at: number, fault: string) => number,
): { count: number; end: number } {
	let at = HEADER_BYTES;
	let count = 0;
	while (at < reader.size) {
		const frame = reader.frame(at);
		if ("fault" in frame) at = onFault(at, frame.fault);
		else {
			apply(decodeEntry(frame.payload));
			count++;
			at = frame.next;
		}
	}
	return { count, end: at };
}

function readCheckpoint(path: string, number: number, apply: Apply, salvage: boolean, out: Recovered): void {
	open(path, reader => {
		checkHeader(reader, path, "checkpoint", number, salvage);
		let end: number | undefined;
		const { count } = readFrames(
			reader,
			entry => {
				if (entry.o === "end") end = entry.count;
				else apply(entry);
			},
			(at, fault) => skipOrRefuse(reader, path, at, fault, salvage, out),
		);
		if (!salvage && end !== count - 1) {
			const reason = end === undefined ? "the mark at its end is missing" : `it holds ${count - 1} of ${end} entries`;
			throw new DamageError(path, reader.size, reason);
		}
		out.entries += count;
		out.checkpointBytes = reader.size;
	});
}

function skipOrRefuse(
	reader: FrameReader,
	path: string,
	at: number,
	fault: string,
	salvage: boolean,
	out: Recovered,
): number {
	if (!salvage) throw new DamageError(path, at, fault);
	const found = reader.findFrame(at + 1);
	const next = found < 0 ? reader.size : found;
	out.skippedBytes += next - at;
	return next;
}

interface Reading {
	dir: string;
	apply: Apply;
	salvage: boolean;
	out: Recovered;
	synced: Synced | undefined;
}

function readLog({ dir, apply, salvage, out, synced }: Reading, number: number, isLast: boolean): void {
	const path = fileName(dir, "log", number);
	open(path, reader => {
		out.log = number;
		out.logBytes = 0;
		const known = synced?.log === number ? synced : undefined;
		const header = reader.bytes(0, HEADER_BYTES);
		// A process that ended while it made this file left no entry in it.
		if (
			isLast &&
			(known?.length ?? 0) < HEADER_BYTES &&
			reader.size <= HEADER_BYTES &&
			headerFault(header, "log", number)
		)
			return;
		if (!salvage) refuseCut(path, reader.size, known);
		checkHeader(reader, path, "log", number, salvage);
		const isMarked = versionOf(reader.bytes(0, HEADER_BYTES)) > 1;
		if (isLast && isMarked && !synced && !salvage) throw new DamageError(syncedFile(dir), 0, "the file is missing");
		let end = reader.size;
		let last: Entry | undefined;
		const take = (entry: Entry) => {
			last = entry;
			apply(entry);
		};
		const { count } = readFrames(reader, take, (at, fault) => {
			const isTorn = isLast && at >= (known?.length ?? 0) && reader.findFrame(at + 1) < 0;
			if (!isTorn) return skipOrRefuse(reader, path, at, fault, salvage, out);
			end = at;
			return reader.size;
		});
		if (!isLast && isMarked && last?.o !== "end" && !salvage) {
			throw new DamageError(path, reader.size, "the mark at its end is missing");
		}
		out.entries += count;
		out.logBytes = end;
		out.sinceCheckpoint += end;
		out.tornBytes = reader.size - end;
	});
	if (out.tornBytes && isLast) truncateSync(path, out.logBytes);
}

/** @throws DamageError when the log is shorter than what is known to have been on the disk */
function refuseCut(path: string, size: number, known: Synced | undefined): void {
	if (!known) return;
	const { length, isClosed } = known;
	if (size < length) {
		throw new DamageError(path, size, `it was ${length} bytes long: acknowledged writes are missing at its end`);
	}
	if (isClosed && size > length) {
		throw new DamageError(path, length, `the server was stopped there, and ${size - length} bytes follow`);
	}
}
