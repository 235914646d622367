import { DomainError } from "../../lib/errors.ts";

/** Work that is dear: so much at once, so much waiting, the rest is refused at once. */
export interface BoundedPool {
	/** @throws SERVICE_UNAVAILABLE when the queue is full */
	run<T>(work: () => Promise<T>): Promise<T>;
}

export function createBoundedPool({ atOnce, waiting }: { atOnce: number; waiting: number }): BoundedPool {
	const queue: (() => void)[] = [];
	let running = 0;
	const enter = async (): Promise<void> => {
		if (running < atOnce) {
			running++;
			return;
		}
		if (queue.length >= waiting) {
			throw new DomainError("SERVICE_UNAVAILABLE", "Too many people sign in at this moment; try again", {
				retryAfterSeconds: 1,
			});
		}
		await new Promise<void>(resolve => queue.push(resolve));
	};
	// The place of the one who leaves passes to the next in line, so `running` never exceeds `atOnce`.
	const leave = (): void => {
		const next = queue.shift();
		if (next) next();
		else running--;
	};
	return {
		async run(work) {
			await enter();
			try {
				return await work();
			} finally {
				leave();
			}
		},
	};
}
