import type { Connection } from "mongoose";
import type { Clock } from "./clock.ts";

const REFRESH_MS = 10_000;
/** Until the first answer of the database. */
const RETRY_MS = 1_000;
/** A slower answer says too little: the process, or the database, may have been paused in between. */
const MAX_ROUND_TRIP_MS = 1_000;
const TIMEOUT_MS = 5_000;

/**
 * The database's idea of now, the only one that all nodes share: what this node's clock is off is measured every ten
 * seconds, so that a node whose clock is ten minutes wrong still agrees with the others on what is due, stale or over.
 * What is decided by one update alone uses `$$NOW` in it.
 */
export class DatabaseClock implements Clock {
	readonly #connection: Connection;
	readonly #node: Clock;
	#offsetMs = 0;
	#isMeasured = false;
	#timer: NodeJS.Timeout | undefined;
	#isStopped = false;

	/** @param node the clock that is corrected */
	constructor(connection: Connection, node: Clock) {
		this.#connection = connection;
		this.#node = node;
	}

	/** Resolves after the first try; while the database does not answer, the node's own clock has to do. */
	async start(): Promise<void> {
		await this.#turn();
	}

	stop(): void {
		this.#isStopped = true;
		clearTimeout(this.#timer);
	}

	// Bound, since a clock's `now` is handed on as a function.
	readonly nowMs = (): number => this.#node.nowMs() + this.#offsetMs;
	readonly now = (): Date => new Date(this.nowMs());

	async #turn(): Promise<void> {
		// A database that is away is told by readiness; here the last offset stays true.
		await this.#measure().catch(() => undefined);
		if (this.#isStopped) return;
		this.#timer = setTimeout(() => void this.#turn(), this.#isMeasured ? REFRESH_MS : RETRY_MS);
		this.#timer.unref();
	}

	async #measure(): Promise<void> {
		await this.#connection.asPromise();
		const before = this.#node.nowMs();
		const answer = await this.#connection.db?.command({ hello: 1 }, { timeoutMS: TIMEOUT_MS });
		const after = this.#node.nowMs();
		const localTime = answer?.["localTime"];
		if (!(localTime instanceof Date) && Number.isNaN(Number(localTime))) return;
		if (after - before > MAX_ROUND_TRIP_MS || after < before) return;
		this.#offsetMs = Math.round(Number(localTime) - (before + after) / 2);
		this.#isMeasured = true;
	}
}
