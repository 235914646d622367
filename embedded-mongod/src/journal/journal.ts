// The log of all changes, and the checkpoints that keep it short.
import * as fs from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { type Disk, realDisk, syncDirectoryOf, writeAll } from "./disk.ts";
import { type Entry, encodeEntry } from "./entries.ts";
import { encodeFrame, encodeHeader, HEADER_BYTES } from "./frames.ts";
import { fileName, type Recovered, recover } from "./recovery.ts";
import { SyncedNote } from "./synced.ts";

export interface JournalOptions {
	dir: string;
	/** A checkpoint is written when the log has grown to this, or to twice the last checkpoint if that is more. */
	checkpointBytes: number;
	/** A test aid: how long to wait between two pieces of a checkpoint. */
	checkpointDelayMs: number;
	/** Reads what can be read of damaged files. */
	salvage?: boolean;
	disk?: Disk;
	/** The state as it is at the moment of the call, as entries; read while the state goes on changing. */
	snapshot: () => Iterable<Entry>;
	/** Nothing can be written any more: whoever runs the engine has to end it. */
	onFatal: (error: Error) => void;
}

interface Waiter {
	done: () => void;
	fail: (error: Error) => void;
}
/** Stands in the queue where the log goes over to its next file. */
class Rotation {
	readonly number: number;
	readonly finished = Promise.withResolvers<void>();
	constructor(number: number) {
		this.number = number;
		// Who waits for it hears of a failure; while nobody does yet, it must not count as unhandled.
		this.finished.promise.catch(() => undefined);
	}
}

/** What is not asked to be durable is so after this time, as with MongoDB. */
const FLUSH_AFTER_MS = 100;
/** A log of this size is read in a moment: no checkpoint is written for it at a stop. */
const REPLAYED_AT_ONCE = 1024 * 1024;
const CHECKPOINT_PIECE_BYTES = 256 * 1024;

export class Journal {
	readonly #options: JournalOptions;
	readonly #disk: Disk;
	#fd = -1;
	#number = 1;
	/** Bytes of the log that are on the disk. */
	#length = HEADER_BYTES;
	#synced: SyncedNote | undefined;
	#queue: (Uint8Array | Rotation)[] = [];
	#waiters: Waiter[] = [];
	#flushing: Promise<void> | undefined;
	#timer: NodeJS.Timeout | undefined;
	#checkpoint: Promise<void> | undefined;
	#failure: Error | undefined;
	#sinceCheckpoint = 0;
	#checkpointBytes = 0;
	/** How many checkpoints this process has written. */
	checkpoints = 0;

	constructor(options: JournalOptions) {
		this.#options = options;
		this.#disk = options.disk ?? realDisk;
	}

	/** Replays the folder into `apply` and opens the log for more. @throws DamageError */
	open(apply: (entry: Entry) => void): Recovered {
		const { dir, salvage } = this.#options;
		const found = recover(dir, apply, salvage);
		this.#number = found.log;
		this.#sinceCheckpoint = found.sinceCheckpoint;
		this.#checkpointBytes = found.checkpointBytes;
		const path = fileName(dir, "log", found.log);
		this.#length = Math.max(HEADER_BYTES, found.logBytes);
		// Known before the first log is there: a log without it is refused.
		const isNew = found.logBytes < HEADER_BYTES;
		const note = { log: found.log, length: isNew ? 0 : this.#length, isClosed: false };
		if (isNew) this.#synced = new SyncedNote(dir, note);
		if (isNew) this.#fd = createLog(dir, found.log);
		else {
			this.#fd = fs.openSync(path, "a");
			// What was read may never have been synced, and is believed from here on.
			fs.fsyncSync(this.#fd);
			this.#synced = new SyncedNote(dir, note);
		}
		return found;
	}

	get isCheckpointing(): boolean {
		return this.#checkpoint !== undefined;
	}
	get stats() {
		return {
			log: this.#number,
			logBytes: this.#sinceCheckpoint,
			checkpointBytes: this.#checkpointBytes,
			checkpoints: this.checkpoints,
			checkpointing: this.isCheckpointing,
		};
	}

	/** Puts a change that has been made in memory into the log. @throws once the disk has failed */
	write(entry: Entry): void {
		if (this.#failure) throw this.#failure;
		const frame = encodeFrame(encodeEntry(entry));
		this.#queue.push(frame);
		this.#sinceCheckpoint += frame.length;
		this.#timer ??= setTimeout(() => {
			this.#timer = undefined;
			this.#flush();
		}, FLUSH_AFTER_MS);
		// Its failure ends the engine by onFatal; nobody waits for this promise.
		if (this.#sinceCheckpoint > this.#threshold && !this.#checkpoint) this.checkpoint().catch(() => undefined);
	}
	get #threshold(): number {
		return Math.max(this.#options.checkpointBytes, 2 * this.#checkpointBytes);
	}

	/** Resolves when all that has been written is on the disk; undefined when it is already. @throws when it cannot be */
	durable(): Promise<void> | undefined {
		if (this.#failure) return Promise.reject(this.#failure);
		if (!this.#queue.length && !this.#flushing) return undefined;
		return new Promise((done, fail) => {
			this.#waiters.push({ done, fail });
			this.#flush();
		});
	}

	/** One write and one fdatasync for all that wait: the more wait, the cheaper each becomes. */
	#flush(): void {
		this.#flushing ??= this.#drain().then(
			() => {
				this.#flushing = undefined;
				// What came in between the last look at the queue and now would wait for nobody.
				if (this.#queue.length || this.#waiters.length) this.#flush();
			},
			(error: Error) => this.#fail(error),
		);
	}
	async #drain(): Promise<void> {
		while (this.#queue.length || this.#waiters.length) {
			const at = this.#queue.findIndex(item => item instanceof Rotation);
			const frames = this.#queue.splice(0, at < 0 ? this.#queue.length : at) as Uint8Array[];
			const rotation = at < 0 ? undefined : (this.#queue.shift() as Rotation);
			const waiters = this.#queue.length ? [] : this.#waiters.splice(0);
			if (rotation) frames.push(encodeFrame(encodeEntry({ o: "end", count: 0 })));
			try {
				const bytes = Buffer.concat(frames);
				if (frames.length) await writeAll(this.#disk, this.#fd, bytes);
				await this.#disk.sync(this.#fd);
				this.#length += bytes.length;
				this.#noteSynced();
				if (rotation) this.#rotate(rotation);
			} catch (error) {
				this.#waiters.push(...waiters);
				rotation?.finished.reject(error as Error);
				throw error;
			}
			for (const waiter of waiters) waiter.done();
		}
	}
	#rotate(rotation: Rotation): void {
		const fd = createLog(this.#options.dir, rotation.number);
		fs.closeSync(this.#fd);
		this.#fd = fd;
		this.#number = rotation.number;
		this.#length = HEADER_BYTES;
		this.#noteSynced();
		rotation.finished.resolve();
	}

	#noteSynced(isClosed = false): void {
		this.#synced?.note({ log: this.#number, length: this.#length, isClosed });
	}

	/** Nothing that was not yet acknowledged ever will be. */
	#fail(error: Error): void {
		if (this.#failure) return;
		const code = (error as NodeJS.ErrnoException).code;
		const hint = code === "ENOSPC" ? " The disk is full: make room and start again; nothing acknowledged is lost." : "";
		this.#failure = new Error(`embedded-mongod: the journal cannot be written: ${error.message}.${hint}`, {
			cause: error,
		});
		clearTimeout(this.#timer);
		for (const waiter of this.#waiters.splice(0)) waiter.fail(this.#failure);
		for (const item of this.#queue.splice(0)) if (item instanceof Rotation) item.finished.reject(this.#failure);
		this.#options.onFatal(this.#failure);
	}

	/** Writes the state as it is now to a file of its own, so that the logs up to now can go. Writes go on meanwhile. */
	checkpoint(): Promise<void> {
		this.#checkpoint ??= this.#writeCheckpoint()
			.catch((error: Error) => {
				this.#fail(error);
				throw error;
			})
			.finally(() => {
				this.#checkpoint = undefined;
			});
		return this.#checkpoint;
	}
	async #writeCheckpoint(): Promise<void> {
		// Not within the command that crossed the threshold: its changes belong together.
		await new Promise(setImmediate);
		const { dir, snapshot } = this.#options;
		const rotation = new Rotation(this.#number + 1);
		const entries = snapshot();
		this.#queue.push(rotation);
		this.#sinceCheckpoint = 0;
		this.#flush();
		const path = fileName(dir, "checkpoint", rotation.number);
		const bytes = await this.#stream(`${path}.tmp`, rotation.number, entries);
		await rotation.finished.promise;
		if (this.#failure) throw this.#failure;
		fs.renameSync(`${path}.tmp`, path);
		syncDirectoryOf(path);
		this.#checkpointBytes = bytes;
		this.checkpoints++;
		removeBefore(dir, rotation.number);
	}
	async #stream(path: string, number: number, entries: Iterable<Entry>): Promise<number> {
		const fd = fs.openSync(path, "w", 0o600);
		try {
			let count = 0;
			let bytes = 0;
			let piece: Uint8Array[] = [encodeHeader("checkpoint", number)];
			let size = HEADER_BYTES;
			const put = async () => {
				await writeAll(this.#disk, fd, Buffer.concat(piece));
				bytes += size;
				piece = [];
				size = 0;
				if (this.#options.checkpointDelayMs) await delay(this.#options.checkpointDelayMs);
			};
			const add = (entry: Entry) => {
				const frame = encodeFrame(encodeEntry(entry));
				piece.push(frame);
				size += frame.length;
			};
			for (const entry of entries) {
				add(entry);
				count++;
				if (size >= CHECKPOINT_PIECE_BYTES) await put();
			}
			add({ o: "end", count });
			await put();
			await this.#disk.sync(fd);
			return bytes;
		} finally {
			fs.closeSync(fd);
		}
	}

	/** Writes out what waits and closes the files; a long log becomes a checkpoint, which the next start reads faster. */
	async close(): Promise<void> {
		// A failed one has been told by onFatal.
		await this.#checkpoint?.catch(() => undefined);
		if (!this.#failure && this.#sinceCheckpoint > REPLAYED_AT_ONCE) await this.checkpoint().catch(() => undefined);
		clearTimeout(this.#timer);
		if (!this.#failure) await this.durable();
		await this.#flushing;
		if (this.#fd >= 0) fs.closeSync(this.#fd);
		this.#fd = -1;
		this.#synced?.close(this.#failure ? undefined : { log: this.#number, length: this.#length, isClosed: true });
		this.#synced = undefined;
	}
}

function createLog(dir: string, number: number): number {
	const path = fileName(dir, "log", number);
	fs.writeFileSync(path, encodeHeader("log", number), { mode: 0o600, flush: true });
	syncDirectoryOf(path);
	return fs.openSync(path, "a");
}

function removeBefore(dir: string, number: number): void {
	for (const name of fs.readdirSync(dir)) {
		const match = /^(?:log|checkpoint)-(\d{10})$/.exec(name);
		if (match && Number(match[1]) < number) fs.rmSync(`${dir}/${name}`, { force: true });
	}
}
