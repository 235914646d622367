// OP_MSG, and OP_QUERY for the first hello of old drivers.
import type { Socket } from "node:net";
import { decode } from "./bson-read.ts";
import { encode } from "./bson-write.ts";
import type { Connection, CursorReply, Reply } from "./commands/context.ts";
import { dispatch, errorReply } from "./dispatch.ts";
import type { Engine } from "./engine.ts";
import type { Doc } from "./values.ts";

const OP_REPLY = 1;
const OP_QUERY = 2004;
const OP_MSG = 2013;
const HEADER_BYTES = 16;
const LONGEST_MESSAGE = 48_000_000;
/** Nobody may fill the memory before it is known who they are. */
const LONGEST_BEFORE_PROOF = 64 * 1024;
const FLAG_CHECKSUM = 1;
const FLAG_MORE_TO_COME = 2;

/** Messages of one connection that may wait: for one that sends without end nothing more is read until they are answered. */
const MOST_WAITING = 64;

/** Answers one connection's messages, in the order they came. */
export function serve(socket: Socket, engine: Engine, connection: Connection): void {
	socket.setNoDelay(true);
	let waiting: Buffer[] = [];
	let size = 0;
	let last: Promise<void> = Promise.resolve();
	let unanswered = 0;
	const answered = () => {
		if (--unanswered < MOST_WAITING && socket.isPaused()) socket.resume();
	};
	// A client that goes away is its own affair: the socket closes by itself.
	socket.on("error", () => undefined);
	socket.on("data", chunk => {
		waiting.push(chunk);
		size += chunk.length;
		for (;;) {
			const head = waiting[0];
			if (size < HEADER_BYTES || !head) return;
			if (head.length < HEADER_BYTES) waiting = [Buffer.concat(waiting)];
			const length = (waiting[0] ?? head).readInt32LE(0);
			const longest = connection.proof?.isDone === false ? LONGEST_BEFORE_PROOF : LONGEST_MESSAGE;
			if (length < HEADER_BYTES || length > longest) return void socket.destroy();
			if (size < length) return;
			const all = waiting.length === 1 ? (waiting[0] ?? head) : Buffer.concat(waiting);
			const message = all.subarray(0, length);
			const rest = all.subarray(length);
			waiting = rest.length ? [rest] : [];
			size = rest.length;
			if (++unanswered >= MOST_WAITING) socket.pause();
			last = last
				.then(() => handle(socket, engine, connection, message))
				.catch(() => void socket.destroy())
				.then(answered);
		}
	});
}

async function handle(socket: Socket, engine: Engine, connection: Connection, message: Buffer): Promise<void> {
	const id = message.readInt32LE(4);
	const op = message.readInt32LE(12);
	if (op === OP_MSG) {
		if (message.length < HEADER_BYTES + 4) throw new MalformedMessage("the flags are cut off");
		const flags = message.readInt32LE(HEADER_BYTES);
		const reply = await answer(engine, connection, readMessage(message, flags));
		if (!reply) socket.destroy();
		else if (!(flags & FLAG_MORE_TO_COME)) await sent(socket, Buffer.concat([messageHead(id, reply.length), reply]));
	} else if (op === OP_QUERY) {
		const nul = message.indexOf(0, 20);
		if (nul < 0) throw new MalformedMessage("the namespace does not end");
		const command = decode(sized(message, nul + 9, EMPTY_DOCUMENT_BYTES));
		const reply = await answer(engine, connection, { ...command, $db: "admin" });
		if (!reply) socket.destroy();
		else await sent(socket, Buffer.concat([queryReplyHead(id, reply.length), reply]));
	} else socket.destroy();
}

/** Answers that nobody reads would fill the memory: the next one waits until the client has taken enough of them. */
function sent(socket: Socket, reply: Buffer): Promise<void> | undefined {
	if (socket.write(reply) || socket.destroyed) return undefined;
	return new Promise(resolve => {
		const done = () => {
			socket.off("drain", done).off("close", done);
			resolve();
		};
		socket.on("drain", done).on("close", done);
	});
}

function messageHead(id: number, length: number): Buffer {
	const head = Buffer.alloc(21);
	head.writeInt32LE(21 + length, 0);
	head.writeInt32LE(id, 8);
	head.writeInt32LE(OP_MSG, 12);
	return head;
}
function queryReplyHead(id: number, length: number): Buffer {
	const head = Buffer.alloc(36);
	head.writeInt32LE(36 + length, 0);
	head.writeInt32LE(id, 8);
	head.writeInt32LE(OP_REPLY, 12);
	head.writeInt32LE(8, 16);
	head.writeInt32LE(1, 32);
	return head;
}

/** The smallest document: its length and the byte that ends it. */
const EMPTY_DOCUMENT_BYTES = 5;

/** A message that contradicts itself: its connection is closed, as nothing after it can be trusted either. */
class MalformedMessage extends Error {}

/** The bytes of something that begins with its own length. @throws when the length is impossible: every loop goes on by it */
function sized(bytes: Buffer, at: number, smallest: number): Buffer {
	if (at + 4 > bytes.length) throw new MalformedMessage("a length is cut off");
	const size = bytes.readInt32LE(at);
	if (size < smallest || at + size > bytes.length) throw new MalformedMessage(`a length of ${size} is impossible`);
	return bytes.subarray(at, at + size);
}

/** One command, with the lists of its document sequences put where the command would have them. */
export function readMessage(message: Buffer, flags: number): Doc {
	const body = message.subarray(HEADER_BYTES + 4, message.length - (flags & FLAG_CHECKSUM ? 4 : 0));
	let command: Doc | undefined;
	const sequences: Doc = {};
	for (let at = 0; at < body.length; ) {
		const kind = body[at];
		const section = sized(body, at + 1, kind === 0 ? EMPTY_DOCUMENT_BYTES : 4);
		if (kind === 0 && !command) command = readCommand(section);
		else if (kind === 1) readSequence(section, sequences);
		else throw new MalformedMessage(kind === 0 ? "there are two bodies" : `a section is of kind ${kind}`);
		at += 1 + section.length;
	}
	if (!command) throw new MalformedMessage("there is no body");
	return { ...command, ...sequences };
}
function readCommand(section: Buffer): Doc {
	const name = section.toString("latin1", 5, section.indexOf(0, 5));
	// Documents to insert stay as the client sent them.
	return decode(section, name === "insert" ? "documents" : undefined);
}
function readSequence(section: Buffer, sequences: Doc): void {
	const nul = section.indexOf(0, 4);
	if (nul < 0) throw new MalformedMessage("the name of a sequence does not end");
	const name = section.toString("utf8", 4, nul);
	if (Object.hasOwn(sequences, name)) throw new MalformedMessage(`the sequence ${name} is there twice`);
	const list: unknown[] = [];
	for (let at = nul + 1; at < section.length; ) {
		const bytes = sized(section, at, EMPTY_DOCUMENT_BYTES);
		list.push(name === "documents" ? bytes : decode(bytes));
		at += bytes.length;
	}
	sequences[name] = list;
}

async function answer(engine: Engine, connection: Connection, command: Doc): Promise<Uint8Array | undefined> {
	try {
		const reply = await dispatch(engine, connection, command);
		return reply === "close" ? undefined : encodeReply(reply);
	} catch (error) {
		return encode(errorReply(error));
	}
}

function encodeReply(reply: Reply): Uint8Array {
	if ("cursorReply" in reply) return encodeCursor(reply["cursorReply"] as CursorReply);
	return encode(reply);
}

/** `{ cursor: { firstBatch: [...], id, ns }, ok: 1 }` around documents that are bytes already. */
function encodeCursor({ field, items, namespace, id }: CursorReply): Buffer {
	const names = items.map((_, i) => Buffer.from(`\x03${i}\0`, "latin1"));
	const arrayLength = items.reduce((n, item, i) => n + item.length + (names[i]?.length ?? 0), 5);
	const fieldName = Buffer.from(`\x04${field}\0`, "latin1");
	const tail = encode({ id, ns: namespace }).subarray(4);
	const cursorLength = 4 + fieldName.length + arrayLength + tail.length;
	const cursorName = Buffer.from("\x03cursor\0", "latin1");
	const okTail = encode({ ok: 1 }).subarray(4);
	const out = Buffer.allocUnsafe(4 + cursorName.length + cursorLength + okTail.length);
	let at = out.writeInt32LE(out.length, 0);
	const put = (part: Uint8Array) => {
		out.set(part, at);
		at += part.length;
	};
	put(cursorName);
	at = out.writeInt32LE(cursorLength, at);
	put(fieldName);
	at = out.writeInt32LE(arrayLength, at);
	for (const [i, item] of items.entries()) {
		put(names[i] ?? new Uint8Array());
		put(item);
	}
	out[at++] = 0;
	put(tail);
	put(okTail);
	return out;
}
