import { connect as connectTo, type Socket } from "node:net";
import { serialize } from "bson";
import { startEmbeddedMongod } from "../src/index.ts";
import { connect, type Numbered, temporaryFolder } from "./support/servers.ts";

/**
 * Messages that are almost right: every length, kind and name of the wire protocol's grammar is wrong now and then. The
 * server may answer, or hang up; it must go on. `WIRE_FRAMES=1000000` makes a nightly run of it.
 */
const FRAMES = Number(process.env["WIRE_FRAMES"] ?? 20_000);
const SEED = Number(process.env["TEST_SEED"] ?? 1 + Math.floor(Math.random() * 2 ** 31));
const AT_ONCE = 200;

let state = SEED;
/** Numerical Recipes' generator: enough to choose mutations by a seed. */
function below(limit: number): number {
	state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
	return Math.floor((state / 2 ** 32) * limit);
}
const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T;
const isOdd = () => below(6) === 0;

/** A length as it should be, or one that somebody wants to see believed. */
function length(right: number): Buffer {
	const wrong = [-1, 0, 1, 3, 4, 5, right - 1, right + 1, -right, 0x7fffffff, -0x80000000, 16 * 1024 * 1024];
	const bytes = Buffer.alloc(4);
	bytes.writeInt32LE(isOdd() ? pick(wrong) : right);
	return bytes;
}

const DOCUMENTS = [
	{},
	{ _id: 1 },
	{ a: [1, { b: [] }], s: "text" },
	{ d: { e: { f: null } }, t: new Date(0), n: 1.5 },
].map(document => Buffer.from(serialize(document)));
const COMMANDS = [
	{ ping: 1, $db: "admin" },
	{ find: "c", filter: { _id: 1 }, $db: "fuzz" },
	{ insert: "c", $db: "fuzz" },
	{ update: "c", updates: [{ q: {}, u: { $set: { a: 1 } } }], $db: "fuzz" },
	{ aggregate: "c", pipeline: [], cursor: {}, $db: "fuzz" },
].map(command => Buffer.from(serialize(command)));

/** A document whose bytes were tampered with now and then. */
function document(from: readonly Buffer[]): Buffer {
	const bytes = Buffer.from(pick(from));
	if (isOdd()) length(bytes.length).copy(bytes);
	if (isOdd()) bytes[4 + below(bytes.length - 4)] = below(256);
	return isOdd() ? bytes.subarray(0, below(bytes.length)) : bytes;
}

function sequence(): Buffer {
	const name = isOdd() ? Buffer.from("documents") : Buffer.from("documents\0");
	const list = Array.from({ length: below(4) }, () => document(DOCUMENTS));
	const content = Buffer.concat([name, ...list]);
	return Buffer.concat([Buffer.from([1]), length(content.length + 4), content]);
}

const body = () => Buffer.concat([Buffer.from([isOdd() ? below(256) : 0]), document(COMMANDS)]);

function frame(): Buffer {
	const sections = Array.from({ length: below(3) }, () => (below(2) ? sequence() : body()));
	const flags = Buffer.alloc(4);
	flags.writeInt32LE(isOdd() ? below(4) : 0);
	const isQuery = below(8) === 0;
	const content = isQuery
		? Buffer.concat([flags, Buffer.from(isOdd() ? "admin.$cmd" : "admin.$cmd\0"), Buffer.alloc(8), document(COMMANDS)])
		: Buffer.concat([flags, body(), ...sections]);
	const head = Buffer.alloc(12);
	head.writeInt32LE(below(1_000), 0);
	head.writeInt32LE(isOdd() ? below(3_000) : isQuery ? 2004 : 2013, 8);
	// The outer length is right: a wrong one only makes the server wait for more.
	const whole = Buffer.alloc(4);
	whole.writeInt32LE(content.length + 16);
	return Buffer.concat([whole, head, content]);
}

/** Sends frames until the server hangs up, or all are sent. @returns when the connection is over */
function send(path: string, frames: readonly Buffer[]): Promise<void> {
	return new Promise(resolve => {
		const socket: Socket = connectTo({ path });
		socket.on("error", () => undefined);
		socket.on("data", () => undefined);
		socket.on("close", () => resolve());
		for (const bytes of frames) socket.write(bytes);
		socket.end();
	});
}

describe("Messages that contradict themselves", () => {
	it(`leave the server answering after ${FRAMES} of them (TEST_SEED=${SEED})`, async () => {
		const folder = await temporaryFolder();
		const server = await startEmbeddedMongod({ dataDir: folder.path });
		const path = decodeURIComponent(server.uri.replace("mongodb://", ""));
		const client = await connect(server.uri);
		const c = client.db("fuzz").collection<Numbered>("kept");
		await c.insertOne({ _id: 1, n: 1 });
		for (let sent = 0; sent < FRAMES; sent += AT_ONCE) {
			// One frame a connection: behind a refused one nothing is read any more.
			await Promise.all(Array.from({ length: Math.min(AT_ONCE, FRAMES - sent) }, () => send(path, [frame()])));
			expect(await c.findOne({ _id: 1 })).toEqual({ _id: 1, n: 1 });
		}
		await client.close();
		await server.close();
		await folder.remove();
	}, 600_000);
});
