import { pipeline, Readable, Transform } from "node:stream";
import { createGunzip } from "node:zlib";
import { DomainError } from "./errors.ts";

/** Text of any catalogue shrinks to a tenth, at best to a hundredth; only a file made to hurt shrinks more. */
const MAX_RATIO = 200;
/** So much may come out before the ratio says anything. */
const FREE_BYTES = 16 * 1024 ** 2;

/**
 * Unpacks gzip that a client sent. What is cut or corrupt is the client's mistake, and a bomb ends as soon as it shows:
 * the stream then has BAD_REQUEST or PAYLOAD_TOO_LARGE for its error. The source is let go of, never destroyed: a
 * request must live on to be answered.
 */
export function gunzipped(source: Readable): Readable {
	let [packed, plain] = [0, 0];
	const input = new Transform({
		transform(part: Buffer, _encoding, done) {
			packed += part.length;
			done(null, part);
		},
	});
	const output = new Transform({
		transform(part: Buffer, _encoding, done) {
			plain += part.length;
			if (plain > FREE_BYTES && plain > packed * MAX_RATIO)
				done(new DomainError("PAYLOAD_TOO_LARGE", `The gzip unpacks to more than ${MAX_RATIO} times its size`));
			else done(null, part);
		},
	});
	// A stream of its own, so that its reader sees the client's mistake and not what zlib calls it.
	const result = new Readable({
		read: () => void output.resume(),
		destroy(error, done) {
			output.destroy();
			done(error);
		},
	});
	output.on("data", (part: Buffer) => result.push(part) || output.pause());
	output.on("end", () => result.push(null));
	output.pause();
	pipeline(input, createGunzip(), output, error => {
		source.unpipe(input);
		if (error) result.destroy(mistakeOf(error));
	});
	feed(source, input);
	return result;
}

/** Piped, and ended with an error when the source ends early. */
export function feed(source: Readable, into: Transform): void {
	const end = (error?: Error) => into.destroy(error ?? new DomainError("BAD_REQUEST", "The body ended early"));
	source.once("error", end);
	source.once("close", () => source.readableEnded || into.writableEnded || end());
	source.pipe(into);
}

const mistakeOf = (error: NodeJS.ErrnoException): Error =>
	error.code?.startsWith("Z_") ? new DomainError("BAD_REQUEST", "This is not valid gzip: it is cut or corrupt") : error;
