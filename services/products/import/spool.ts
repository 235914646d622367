import { Readable } from "node:stream";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { DomainError } from "../../../lib/errors.ts";
import { gunzipped } from "../../../lib/gunzip.ts";

const compress = promisify(gzip);

const MAX_FILE_BYTES = 1_073_741_824;
const MAX_LINE_BYTES = 1_048_576;
const CHUNK_BYTES = 1_048_576;
/** Blank ones too: a line costs work, whatever stands in it. */
const MAX_LINES = 5_000_000;
const MAX_BLANK_LINES = 100_000;
const NEWLINE = 10;

/** Whole lines, compressed. */
export interface Chunk {
	n: number;
	firstLine: number;
	data: Buffer;
}

/** What the file is, once it is read to its end. */
export interface Spooled {
	chunks: number;
	/** Lines that are not blank. */
	rows: number;
}

/**
 * Cuts a file into chunks of whole lines. Nothing is read ahead while `store` is busy, so memory does not grow with
 * the file. A file that is gzip by its first bytes is unpacked; the limits count what comes out.
 * @param signal ends it when nobody waits for it any more, however much of a small file is still to be unpacked
 * @throws PAYLOAD_TOO_LARGE above 1 GiB, 1 MB a line, 5,000,000 lines or 100,000 blank ones; BAD_REQUEST for broken gzip
 */
export async function spool(
	source: AsyncIterable<Buffer>,
	store: (chunk: Chunk) => Promise<void>,
	signal?: AbortSignal,
): Promise<Spooled> {
	let bytes = 0;
	let lines = 0;
	let rows = 0;
	let chunks = 0;
	let line: Buffer[] = [];
	let lineBytes = 0;
	let chunk: Buffer[] = [];
	let chunkBytes = 0;
	let firstLine = 0;

	const flush = async () => {
		if (chunk.length === 0) return;
		const whole = Buffer.concat(chunk);
		chunk = [];
		chunkBytes = 0;
		await store({ n: chunks++, firstLine, data: await compress(whole, { level: 1 }) });
		firstLine = lines;
	};
	const endLine = async () => {
		if (chunkBytes + lineBytes > CHUNK_BYTES) await flush();
		const whole = line.length === 1 && line[0] ? line[0] : Buffer.concat(line);
		chunk.push(whole);
		chunkBytes += lineBytes;
		lines++;
		if (!isBlank(whole)) rows++;
		else if (lines - rows > MAX_BLANK_LINES) throw tooLarge(`The file has more than ${MAX_BLANK_LINES} blank lines`);
		if (lines > MAX_LINES) throw tooLarge(`The file has more than ${MAX_LINES} lines`);
		line = [];
		lineBytes = 0;
	};
	const take = (part: Buffer) => {
		line.push(part);
		lineBytes += part.length;
		if (lineBytes > MAX_LINE_BYTES) throw tooLarge(`Line ${lines + 1} is longer than 1 MB`);
	};

	for await (const part of unpacked(source)) {
		signal?.throwIfAborted();
		bytes += part.length;
		if (bytes > MAX_FILE_BYTES) throw tooLarge("The file is larger than 1 GiB");
		let start = 0;
		for (let end = part.indexOf(NEWLINE); end >= 0; end = part.indexOf(NEWLINE, start)) {
			take(part.subarray(start, end + 1));
			start = end + 1;
			await endLine();
		}
		if (start < part.length) take(part.subarray(start));
	}
	if (lineBytes > 0) await endLine();
	await flush();
	signal?.throwIfAborted();
	return { chunks, rows };
}

/** Longer ones are bad rows, not blank ones. */
const isBlank = (line: Buffer): boolean => line.length <= 16 && line.toString().trim() === "";

const tooLarge = (message: string): DomainError => new DomainError("PAYLOAD_TOO_LARGE", message);

async function* unpacked(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
	const iterator = source[Symbol.asyncIterator]();
	let head = Buffer.alloc(0);
	while (head.length < 2) {
		const next = await iterator.next();
		if (next.done) break;
		head = Buffer.concat([head, Buffer.from(next.value)]);
	}
	const whole = (async function* () {
		if (head.length > 0) yield head;
		yield* { [Symbol.asyncIterator]: () => iterator };
	})();
	if (head[0] !== 0x1f || head[1] !== 0x8b) {
		yield* whole;
		return;
	}
	yield* gunzipped(Readable.from(whole)) as AsyncIterable<Buffer>;
}
