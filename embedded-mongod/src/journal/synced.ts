// How much of the log is known to be on the disk, in a file of its own: what is missing of that was acknowledged, and
// was not left out by a crash.
import * as fs from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { syncDirectoryOf } from "./disk.ts";
import { DamageError } from "./frames.ts";

/** Bytes 0–7 magic, 8 number of the log, 12 whether it was closed, 16 its length, 24 checksum of what is before. */
const MAGIC = Buffer.from("embmsync", "latin1");
const BYTES = 28;

export interface Synced {
	log: number;
	length: number;
	/** The server was stopped after it: nothing may have come behind. */
	isClosed: boolean;
}
export const syncedFile = (dir: string): string => join(dir, "synced");

export function encodeSynced({ log, length, isClosed }: Synced): Buffer {
	const bytes = Buffer.alloc(BYTES);
	MAGIC.copy(bytes);
	bytes.writeUInt32LE(log, 8);
	bytes.writeUInt32LE(isClosed ? 1 : 0, 12);
	bytes.writeDoubleLE(length, 16);
	bytes.writeUInt32LE(crc32(bytes.subarray(0, 24)), 24);
	return bytes;
}

/** @returns undefined when there is none @throws DamageError */
export function readSynced(dir: string): Synced | undefined {
	const file = syncedFile(dir);
	if (!fs.existsSync(file)) return undefined;
	const bytes = fs.readFileSync(file);
	const isWhole = bytes.length === BYTES && bytes.subarray(0, 8).equals(MAGIC);
	if (!isWhole || crc32(bytes.subarray(0, 24)) !== bytes.readUInt32LE(24)) {
		throw new DamageError(file, 0, "it does not hold how much of the log was written");
	}
	return { log: bytes.readUInt32LE(8), isClosed: bytes.readUInt32LE(12) === 1, length: bytes.readDoubleLE(16) };
}

/** Keeps the file up to date. Each note is one small write in place, which a crash of the process cannot undo. */
export class SyncedNote {
	readonly #fd: number;

	constructor(dir: string, first: Synced) {
		const file = syncedFile(dir);
		const isNew = !fs.existsSync(file);
		this.#fd = fs.openSync(file, isNew ? "w" : "r+", 0o600);
		this.note(first);
		fs.fsyncSync(this.#fd);
		if (isNew) syncDirectoryOf(file);
	}

	note(synced: Synced): void {
		fs.writeSync(this.#fd, encodeSynced(synced), 0, BYTES, 0);
	}

	close(last: Synced | undefined): void {
		if (last) {
			this.note(last);
			fs.fsyncSync(this.#fd);
		}
		fs.closeSync(this.#fd);
	}
}
