import { Session } from "node:inspector/promises";

/** Counts how often any block of the shop's own code runs: work as steps, which no busy machine changes. */
export interface StepCounter {
	/** Since it was asked last. */
	steps(): Promise<number>;
	stop(): void;
}

/**
 * To be called before that code is loaded, which therefore is imported afterwards: in what was compiled by then V8 counts
 * calls, and no turns of loops.
 * @param of which files count, by their URL
 */
export async function countSteps(of: RegExp): Promise<StepCounter> {
	const session = new Session();
	session.connect();
	await session.post("Profiler.enable");
	await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
	return {
		async steps() {
			const { result } = await session.post("Profiler.takePreciseCoverage");
			return result
				.filter(({ url }) => of.test(url) && !url.includes("node_modules"))
				.flatMap(({ functions }) => functions.flatMap(({ ranges }) => ranges.map(({ count }) => count)))
				.reduce((sum, count) => sum + count, 0);
		},
		stop: () => session.disconnect(),
	};
}
