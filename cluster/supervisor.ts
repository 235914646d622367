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

/** Starts a process again that ended unasked, after pauses that grow while it keeps crashing. */
export class Supervisor {
	readonly #options: SupervisorOptions;
	readonly #start: () => Promise<void>;
	#crashes = 0;
	#timer: NodeJS.Timeout | undefined;

	constructor(options: SupervisorOptions, start: () => Promise<void>) {
		this.#options = options;
		this.#start = start;
	}

	/** To be told of every crash, also of one during a start that this made. @param livedMs how long it had run */
	crashed(name: string, how: string, livedMs: number): void {
		const { restart, onEvent } = this.#options;
		onEvent?.(`${name} ended (${how})`);
		if (!restart) return;
		if (livedMs > MAX_MS) this.#crashes = 0;
		this.#timer = setTimeout(
			() => {
				this.#start().then(
					() => onEvent?.(`${name} runs again`),
					error => onEvent?.(error instanceof Error ? error.message : String(error)),
				);
			},
			pauseMs(this.#crashes++),
		).unref();
	}

	/** Forgets a start that was to come. */
	cancel(): void {
		clearTimeout(this.#timer);
	}
}

/** How a child ended, in words. */
export const endOf = (code: number | null, signal: NodeJS.Signals | null): string => signal ?? `code ${code}`;
