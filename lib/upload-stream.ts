import { type Readable, Transform } from "node:stream";
import { DomainError } from "./errors.ts";
import { broadcastHint } from "./hints.ts";
import type { AppBroker, AppMeta } from "./typed.ts";

/** How far a sender may be ahead of its reader: what nodes keep of one upload, whichever of them is slow. */
export const WINDOW_BYTES = 4 * 1024 ** 2;
const TELL_EVERY_BYTES = 1024 ** 2;
/** A hint may be lost. */
const TELL_EVERY_MS = 1_000;

/**
 * A body on its way to the action that reads it, maybe on another node. Its parts are base64: Moleculer writes bytes as
 * lists of numbers, which costs both nodes a hundred times as much. And it waits for its reader, as Moleculer does not:
 * it would store whatever is sent in the memory of the reader's node.
 */
export class UploadStream extends Transform {
	readonly #most: number;
	#sent = 0;
	#taken = 0;
	#goOn: (() => void) | undefined;

	/** @param most bytes; more are PAYLOAD_TOO_LARGE */
	constructor(most: number) {
		super({ readableObjectMode: true });
		this.#most = most;
	}

	/** Whether it is the reader that is waited for, not the client. */
	get isWaiting(): boolean {
		return this.#goOn !== undefined;
	}

	/** The reader has got so far. */
	taken(bytes: number): void {
		this.#taken = Math.max(this.#taken, bytes);
		if (this.#sent - this.#taken > WINDOW_BYTES) return;
		const goOn = this.#goOn;
		this.#goOn = undefined;
		goOn?.();
	}

	override _transform(part: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
		this.#sent += part.length;
		if (this.#sent > this.#most) {
			done(new DomainError("PAYLOAD_TOO_LARGE", `The body may have at most ${this.#most} bytes`));
			return;
		}
		this.push(part.toString("base64"));
		if (this.#sent - this.#taken > WINDOW_BYTES) this.#goOn = done;
		else done();
	}
}

/** What an action reads of a body that its route declares as a stream: the bytes, of which the gateway is told. */
export async function* uploadedBytes(
	broker: AppBroker,
	stream: Readable,
	{ uploadId }: AppMeta,
): AsyncGenerator<Buffer> {
	let [taken, told] = [0, 0];
	const tell = () => {
		told = taken;
		if (uploadId !== undefined) broadcastHint(broker, "upload.taken", { uploadId, bytes: taken });
	};
	const again = setInterval(() => (stream.destroyed ? clearInterval(again) : tell()), TELL_EVERY_MS).unref();
	try {
		for await (const part of stream as AsyncIterable<string>) {
			const bytes = Buffer.from(part, "base64");
			yield bytes;
			taken += bytes.length;
			if (taken - told >= TELL_EVERY_BYTES) tell();
		}
	} finally {
		clearInterval(again);
	}
}
