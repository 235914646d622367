/** How a breaker stands: `trying` lets one call through to see. */
export type BreakerState = "closed" | "open" | "trying";

export interface BreakerSettings {
	/** So many calls in a row without any answer open it. */
	threshold: number;
	/** After so long one call may try. */
	restMs: number;
}

/**
 * Counts one thing only: calls that got no answer. Any answer closes it, an error too: who answers is there, and what it
 * answers is often the client's doing. So no client can open it for the others by being wrong.
 */
export class Breaker {
	readonly #settings: BreakerSettings;
	readonly #now: () => number;
	#silent = 0;
	#openedAt: number | undefined;
	#triedAt: number | undefined;

	constructor(settings: BreakerSettings, now: () => number = () => performance.now()) {
		this.#settings = settings;
		this.#now = now;
	}

	get state(): BreakerState {
		if (this.#openedAt === undefined) return "closed";
		return this.#now() - this.#openedAt < this.#settings.restMs ? "open" : "trying";
	}

	/** Whether a call may go. Of those that come while it is `trying` one may, and the next after another rest. */
	mayPass(): boolean {
		const { state } = this;
		if (state === "closed") return true;
		const isFirst = this.#triedAt === undefined || this.#now() - this.#triedAt >= this.#settings.restMs;
		if (state === "open" || !isFirst) return false;
		this.#triedAt = this.#now();
		return true;
	}

	answered(): void {
		this.#silent = 0;
		this.#openedAt = undefined;
		this.#triedAt = undefined;
	}

	unanswered(): void {
		this.#silent++;
		if (this.#openedAt === undefined && this.#silent < this.#settings.threshold) return;
		this.#openedAt = this.#now();
		this.#triedAt = undefined;
	}
}
