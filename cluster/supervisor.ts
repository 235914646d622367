const BASE_MS = 500;
/** The longest pause; a process that lasted longer than this starts its count of crashes anew. */
const MAX_MS = 30_000;

export interface SupervisorOptions {
	/** Whether a process that crashes is started again. */
	restart: boolean;
	onEvent?(message: string): void;
}

/** Half a second at first, twice as long with every crash, half a minute at most. */
export const pauseMs = (crashes: number): number => Math.min(BASE_MS * 2 ** crashes, MAX_MS);

/**
 * Starts a process again that ended unasked, or whose start failed, after pauses that grow while it keeps failing. It never
 * gives up, and one start is on its way at most.
 */
export class Supervisor {
	readonly #options: SupervisorOptions;
	readonly #start: () => Promise<void>;
	#failures = 0;
	#timer: NodeJS.Timeout | undefined;
	#starting: Promise<void> | undefined;
	/** One more with every `cancel`: what was begun before it plans nothing any more. */
	#era = 0;

	/** @param start rejects when the process does not run then */
	constructor(options: SupervisorOptions, start: () => Promise<void>) {
		this.#options = options;
		this.#start = start;
	}

	/** To be told of every crash, also of one during a start that this made. @param livedMs how long it had run */
	crashed(name: string, how: string, livedMs: number): void {
		this.#options.onEvent?.(`${name} ended (${how})`);
		if (livedMs > MAX_MS && !this.#starting) this.#failures = 0;
		this.#plan(name);
	}

	/** Forgets a start that was to come. */
	cancel(): void {
		this.#era++;
		clearTimeout(this.#timer);
		this.#timer = undefined;
	}

	/** A start that fails because its process ended is told of twice, and is one failure. */
	#plan(name: string): void {
		if (!this.#options.restart || this.#timer) return;
		const era = this.#era;
		const attempt = async () => {
			await this.#starting;
			if (era !== this.#era) return;
			this.#timer = undefined;
			this.#starting = this.#attempt(name, era);
		};
		this.#timer = setTimeout(() => void attempt(), pauseMs(this.#failures++)).unref();
	}

	async #attempt(name: string, era: number): Promise<void> {
		const { onEvent } = this.#options;
		try {
			await this.#start();
			onEvent?.(`${name} runs again`);
		} catch (error) {
			onEvent?.(error instanceof Error ? error.message : String(error));
			if (era === this.#era) this.#plan(name);
		} finally {
			this.#starting = undefined;
		}
	}
}

/** How a child ended, in words. */
export const endOf = (code: number | null, signal: NodeJS.Signals | null): string => signal ?? `code ${code}`;
