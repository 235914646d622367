import type { Connection } from "mongoose";

const REFRESH_MS = 10_000;

/**
 * The database's idea of now, the only one that all nodes share: what this node's clock is off is measured every ten
 * seconds. For times inside array elements, where an update cannot write `$$NOW` without rewriting the whole array.
 */
export class DatabaseClock {
	readonly #connection: Connection;
	readonly #onError: (error: unknown) => void;
	#offsetMs = 0;
	#timer: NodeJS.Timeout | undefined;

	constructor(connection: Connection, onError: (error: unknown) => void) {
		this.#connection = connection;
		this.#onError = onError;
	}

	async start(): Promise<void> {
		await this.#measure();
		this.#timer = setInterval(() => void this.#measure().catch(this.#onError), REFRESH_MS);
	}

	stop(): void {
		clearInterval(this.#timer);
	}

	now(): Date {
		return new Date(Date.now() + this.#offsetMs);
	}

	async #measure(): Promise<void> {
		const before = Date.now();
		const answer = await this.#connection.db?.command({ hello: 1 });
		const after = Date.now();
		if (answer) this.#offsetMs = Number(answer["localTime"]) - (before + after) / 2;
	}
}
