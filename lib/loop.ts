/** Work that is done again and again, never twice at once: sweeps, relays, expiry. */
export interface Loop {
	start(): void;
	/** Runs within `delayMs` instead of at the next turn; many kicks make one run. */
	kick(delayMs?: number): void;
	/** Waits for the run that is under way. */
	stop(): Promise<void>;
}

/** @param onError what one failed run means: the next one tries again */
export function createLoop(everyMs: number, run: () => Promise<void>, onError: (error: unknown) => void): Loop {
	let running: Promise<void> | undefined;
	let timer: NodeJS.Timeout | undefined;
	let dueAt = Number.POSITIVE_INFINITY;
	let isKicked = false;
	let isStopped = true;

	const schedule = (delayMs: number) => {
		if (isStopped || Date.now() + delayMs >= dueAt) return;
		clearTimeout(timer);
		dueAt = Date.now() + delayMs;
		timer = setTimeout(turn, delayMs);
	};
	const turn = () => {
		dueAt = Number.POSITIVE_INFINITY;
		isKicked = false;
		running = run()
			.catch(onError)
			.finally(() => {
				running = undefined;
				schedule(isKicked ? 0 : everyMs);
			});
	};
	return {
		start() {
			isStopped = false;
			schedule(0);
		},
		kick(delayMs = 0) {
			if (running) isKicked = true;
			else schedule(delayMs);
		},
		async stop() {
			isStopped = true;
			clearTimeout(timer);
			await running;
		},
	};
}
