import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { serialize } from "bson";
import { parseParams } from "../src/params.ts";
import { startServer } from "../src/server.ts";

const MESSAGES = 100_000;

function hello(): Buffer {
	const document = Buffer.from(serialize({ hello: 1, $db: "admin" }));
	const head = Buffer.alloc(21);
	head.writeInt32LE(21 + document.length, 0);
	head.writeInt32LE(2013, 12);
	return Buffer.concat([head, document]);
}

describe("A client that sends and does not read", () => {
	it("is not listened to until it does; then it gets every answer", async () => {
		const server = await startServer(
			{ port: 0, host: "127.0.0.1" },
			{ dataDir: undefined, params: parseParams({}), onFatal: () => undefined },
			{ user: "stoa", password: "a-password-of-this-run" },
		);
		const socket = connect({ host: "127.0.0.1", port: server.port ?? 0 });
		try {
			await once(socket, "connect");
			socket.pause();
			socket.write(Buffer.concat(Array<Buffer>(MESSAGES).fill(hello())));
			const taken = () => server.engine.counts["hello"] ?? 0;
			for (let before = -1; before !== taken(); await delay(300)) before = taken();
			expect(taken()).toBeGreaterThan(0);
			expect(taken()).toBeLessThan(MESSAGES);

			let bytes = 0;
			let first: number | undefined;
			await new Promise<void>((resolve, reject) => {
				socket.on("error", reject).on("close", () => reject(new Error("hung up")));
				socket.on("data", (chunk: Buffer) => {
					first ??= chunk.readInt32LE(0);
					bytes += chunk.length;
					if (bytes >= MESSAGES * first) resolve();
				});
				socket.resume();
			});
			// The number of a connection and the time have the same length in every answer.
			expect(bytes).toBe(MESSAGES * (first ?? 0));
			expect(taken()).toBe(MESSAGES);
		} finally {
			socket.destroy();
			await server.close();
		}
	}, 60_000);
});
