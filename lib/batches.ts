interface Waiting<T, R> {
	item: T;
	resolve(result: R): void;
	reject(error: unknown): void;
}

/**
 * Does together what is asked for at about the same time. One batch is at work at a time, and what comes meanwhile is the
 * next one: batches grow with the load, and nobody waits for company. What waits is bounded by whoever asks.
 */
export class Batches<T, R> {
	readonly #work: (items: readonly T[]) => Promise<readonly R[]>;
	readonly #most: number;
	readonly #waiting: Waiting<T, R>[] = [];
	#isAtWork = false;

	/** @param work gives a result for each item, in their order; when it throws, all of them have failed */
	constructor(most: number, work: (items: readonly T[]) => Promise<readonly R[]>) {
		this.#most = most;
		this.#work = work;
	}

	add(item: T): Promise<R> {
		return new Promise<R>((resolve, reject) => {
			this.#waiting.push({ item, resolve, reject });
			if (this.#isAtWork) return;
			this.#isAtWork = true;
			// What one read of the network brought is one batch.
			setImmediate(() => void this.#run());
		});
	}

	async #run(): Promise<void> {
		while (this.#waiting.length > 0) {
			const batch = this.#waiting.splice(0, this.#most);
			try {
				const results = await this.#work(batch.map(({ item }) => item));
				for (const [n, { resolve }] of batch.entries()) resolve(results[n] as R);
			} catch (error) {
				for (const { reject } of batch) reject(error);
			}
		}
		this.#isAtWork = false;
	}
}
