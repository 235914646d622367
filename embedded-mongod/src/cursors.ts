import { Long } from "bson";
import { MongoError } from "./errors.ts";

/** Results not yet fetched: a list of what matched when the query ran. */
export interface Batches {
	namespace: string;
	/** The next `n` results, in bytes. */
	take(n: number): Uint8Array[];
	readonly isDone: boolean;
}
interface OpenCursor {
	batches: Batches;
	used: number;
}
/** As MongoDB: a cursor nobody asks for is closed after ten minutes. */
const IDLE_MS = 600_000;

export class CursorTable {
	readonly #open = new Map<string, OpenCursor>();
	#next = 1;

	add(batches: Batches): Long {
		const id = Long.fromNumber(this.#next++ * 1000 + Math.floor(Math.random() * 1000));
		this.#open.set(id.toString(), { batches, used: Date.now() });
		return id;
	}
	/** @throws 43 CursorNotFound */
	get(id: unknown): Batches {
		const cursor = this.#open.get(String(id));
		if (!cursor) throw new MongoError(43, "CursorNotFound", `cursor id ${id} not found`);
		cursor.used = Date.now();
		return cursor.batches;
	}
	close(id: unknown): boolean {
		return this.#open.delete(String(id));
	}
	closeIdle(): void {
		const before = Date.now() - IDLE_MS;
		for (const [id, cursor] of this.#open) if (cursor.used < before) this.#open.delete(id);
	}
	get size(): number {
		return this.#open.size;
	}
}
