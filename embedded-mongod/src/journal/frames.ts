// The shape of the files: a header, then frames, each with its length and checksum.
import { readSync } from "node:fs";
import { crc32 } from "node:zlib";

/** Since 2, a log that another follows ends with a mark, and the file `synced` says how long the last one is. */
export const FORMAT_VERSION = 2;
const OLDEST_VERSION = 1;
export const HEADER_BYTES = 24;
export const FRAME_OVERHEAD = 12;
/** Marks the beginning of a frame, so that what follows damage can be found again. */
const FRAME_MAGIC = Buffer.from([0xf5, 0x53, 0x74, 0xa7]);
const FILE_MAGIC = Buffer.from("embmongd", "latin1");
const KINDS = { log: 1, checkpoint: 2 } as const;
export type FileKind = keyof typeof KINDS;
/** A frame holds one entry: at most a document of 16 MB and a little around it. */
const LONGEST_FRAME = 32 * 1024 * 1024;
const CHUNK_BYTES = 1024 * 1024;

/** A file that cannot be trusted. Starting on it is refused: skipping what cannot be read would lose writes silently. */
export class DamageError extends Error {
	readonly file: string;
	readonly offset: number;

	constructor(file: string, offset: number, reason: string) {
		super(
			`embedded-mongod: ${file} is damaged at byte ${offset}: ${reason}. Nothing was changed. ` +
				"Restore the folder from a backup; or, to keep what can still be read, copy the folder and start once with " +
				"`npm run mongod -- --dbpath DIR --repair`.",
		);
		this.name = "DamageError";
		this.file = file;
		this.offset = offset;
	}
}

/** Bytes 0–7 magic, 8 version, 12 kind, 16 number, 20 checksum of what is before. */
export function encodeHeader(kind: FileKind, number: number): Buffer {
	const header = Buffer.alloc(HEADER_BYTES);
	FILE_MAGIC.copy(header);
	header.writeUInt32LE(FORMAT_VERSION, 8);
	header.writeUInt32LE(KINDS[kind], 12);
	header.writeUInt32LE(number, 16);
	header.writeUInt32LE(crc32(header.subarray(0, 20)), 20);
	return header;
}

export const versionOf = (header: Buffer): number => header.readUInt32LE(8);

/** @returns what is wrong with a header, or undefined */
export function headerFault(header: Buffer, kind: FileKind, number: number): string | undefined {
	if (header.length < HEADER_BYTES) return "its header is incomplete";
	if (!header.subarray(0, 8).equals(FILE_MAGIC)) return "it does not begin as a file of embedded-mongod";
	if (crc32(header.subarray(0, 20)) !== header.readUInt32LE(20)) return "the checksum of its header is wrong";
	const version = header.readUInt32LE(8);
	if (version < OLDEST_VERSION || version > FORMAT_VERSION) {
		return `it has format ${version}, and this release reads ${OLDEST_VERSION} to ${FORMAT_VERSION}`;
	}
	if (header.readUInt32LE(12) !== KINDS[kind]) return "it is not the kind of file its name says";
	return header.readUInt32LE(16) === number ? undefined : "it has another number than its name says";
}

/** Magic, length and checksum (seeded with the length), then the payload. */
export function encodeFrame(payload: Uint8Array): Buffer {
	const frame = Buffer.allocUnsafe(FRAME_OVERHEAD + payload.length);
	FRAME_MAGIC.copy(frame);
	frame.writeUInt32LE(payload.length, 4);
	frame.writeUInt32LE(crc32(payload, payload.length), 8);
	frame.set(payload, FRAME_OVERHEAD);
	return frame;
}

/** Reads a file from front to back through a window, never as a whole. */
export class FrameReader {
	readonly #fd: number;
	readonly size: number;
	#window: Buffer = Buffer.allocUnsafe(CHUNK_BYTES);
	#start = 0;
	#length = 0;

	constructor(fd: number, size: number) {
		this.#fd = fd;
		this.size = size;
	}

	/** Up to `length` bytes at `at`; valid until the next call. */
	bytes(at: number, length: number): Buffer {
		const end = Math.min(at + length, this.size);
		if (at < this.#start || end > this.#start + this.#length) this.#fill(at, end - at);
		return this.#window.subarray(at - this.#start, end - this.#start);
	}
	#fill(at: number, needed: number): void {
		if (needed > this.#window.length) this.#window = Buffer.allocUnsafe(needed);
		this.#start = at;
		this.#length = 0;
		while (this.#length < this.#window.length) {
			const n = readSync(this.#fd, this.#window, this.#length, this.#window.length - this.#length, at + this.#length);
			if (n === 0) break;
			this.#length += n;
		}
	}

	/** The frame at `at`, or why there is none. */
	frame(at: number): { payload: Buffer; next: number } | { fault: string } {
		const head = this.bytes(at, FRAME_OVERHEAD);
		if (head.length < FRAME_OVERHEAD) return { fault: "the entry is incomplete" };
		if (!head.subarray(0, 4).equals(FRAME_MAGIC)) return { fault: "no entry begins here" };
		const length = head.readUInt32LE(4);
		const checksum = head.readUInt32LE(8);
		if (length > LONGEST_FRAME) return { fault: "the entry's length is impossible" };
		const payload = this.bytes(at + FRAME_OVERHEAD, length);
		if (payload.length < length) return { fault: "the entry is incomplete" };
		if (crc32(payload, length) !== checksum) return { fault: "the entry's checksum is wrong" };
		return { payload, next: at + FRAME_OVERHEAD + length };
	}

	/** Where the next whole frame begins at or after `from`, or -1: tells damage from a torn end. */
	findFrame(from: number): number {
		for (let at = from; at < this.size; ) {
			const chunk = this.bytes(at, CHUNK_BYTES / 2);
			const hit = chunk.indexOf(FRAME_MAGIC);
			if (hit < 0) {
				if (at + chunk.length >= this.size) return -1;
				at += Math.max(1, chunk.length - (FRAME_MAGIC.length - 1));
			} else if ("payload" in this.frame(at + hit)) return at + hit;
			else at += hit + 1;
		}
		return -1;
	}
}
