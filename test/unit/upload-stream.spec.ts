import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import type { AppBroker } from "../../lib/typed.ts";
import { UploadStream, uploadedBytes, WINDOW_BYTES } from "../../lib/upload-stream.ts";
import { until } from "../support/until.ts";

const PART = 64 * 1024;
const BYTES = 16 * 1024 ** 2;

/** A client that sends as fast as it may. */
function upload(stream: UploadStream): { sent: () => number; whole: Buffer } {
	const whole = randomBytes(BYTES);
	let sent = 0;
	const parts = (function* () {
		for (; sent < BYTES; sent += PART) yield whole.subarray(sent, sent + PART);
	})();
	Readable.from(parts, { objectMode: false }).pipe(stream);
	return { sent: () => sent, whole };
}

/** Hands everything on at once, as Moleculer does over NATS: whatever is sent lies there. */
const faraway = (stream: UploadStream) => {
	const far = new Readable({ objectMode: true, read: () => undefined });
	stream.on("data", part => far.push(part));
	stream.on("end", () => far.push(null));
	return far;
};

const broker = (stream: UploadStream) =>
	({
		broadcast: (_: string, { bytes }: { bytes: number }) => Promise.resolve(stream.taken(bytes)),
		logger: { debug: () => undefined },
	}) as unknown as AppBroker;

describe("An upload on its way to another node", () => {
	it("is never further ahead of its reader than its window, and arrives whole", async () => {
		const stream = new UploadStream(BYTES);
		const { sent, whole } = upload(stream);
		const far = faraway(stream);
		await until("the window", () => stream.isWaiting);
		await new Promise(resolve => setTimeout(resolve, 50));
		expect(sent()).toBeLessThanOrEqual(WINDOW_BYTES + 4 * PART);

		const parts: Buffer[] = [];
		let taken = 0;
		let ahead = 0;
		for await (const part of uploadedBytes(broker(stream), far, { uploadId: "upload-1" })) {
			parts.push(part);
			taken += part.length;
			ahead = Math.max(ahead, sent() - taken);
			await new Promise(setImmediate);
		}
		expect(Buffer.concat(parts).equals(whole)).toBe(true);
		expect(ahead).toBeLessThanOrEqual(WINDOW_BYTES + 4 * PART);
	});

	it("goes on though a word of its reader was lost", async () => {
		const stream = new UploadStream(BYTES);
		upload(stream);
		let isLost = true;
		const { broadcast, logger } = broker(stream) as unknown as {
			broadcast(...args: unknown[]): Promise<void>;
			logger: object;
		};
		const deaf = {
			broadcast: (...args: unknown[]) => (isLost ? Promise.resolve() : broadcast(...args)),
			logger,
		} as unknown as AppBroker;
		const reading = (async () => {
			let bytes = 0;
			for await (const part of uploadedBytes(deaf, faraway(stream), { uploadId: "upload-1" })) bytes += part.length;
			return bytes;
		})();
		await until("all that is lost", () => stream.isWaiting);
		isLost = false;
		expect(await reading).toBe(BYTES);
	});

	it("travels as text, and ends above its bound", async () => {
		const stream = new UploadStream(10);
		stream.write(Buffer.from("0123456789"));
		expect(stream.read()).toBe("MDEyMzQ1Njc4OQ==");
		const error = new Promise(resolve => stream.once("error", resolve));
		stream.write(Buffer.from("x"));
		expect(await error).toMatchObject({ type: "PAYLOAD_TOO_LARGE" });
	});
});
