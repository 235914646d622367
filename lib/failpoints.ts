/**
 * Named places where a test can kill, pause or fail a process. One table, which the crash tests enumerate: a step of a
 * saga that has no failpoint here fails them. Refused in production by the configuration.
 */
export const FAILPOINTS = [] as const satisfies readonly string[];

export type FailpointName = (typeof FAILPOINTS)[number];
export type FailpointMode = "crash" | "error" | "pause";

export interface Failpoint {
	name: string;
	mode: FailpointMode;
	/** For how long `pause` holds, in ms. */
	ms: number;
}

export interface Failpoints {
	/** Does nothing unless a test armed this name. */
	hit(name: FailpointName): Promise<void>;
}

/** Each armed point acts once. */
export function createFailpoints(armed: readonly Failpoint[]): Failpoints {
	const left = new Map(armed.map(point => [point.name, point]));
	return {
		async hit(name) {
			if (left.size === 0) return;
			const point = left.get(name);
			if (!point) return;
			left.delete(name);
			if (point.mode === "crash") process.kill(process.pid, "SIGKILL");
			if (point.mode === "error") throw new Error(`Failpoint ${name}`);
			await new Promise(resolve => setTimeout(resolve, point.ms));
		},
	};
}

/** Reads `name:crash,other:pause:45000`; throws with the reason when it is malformed or names no failpoint. */
export function parseFailpoints(text: string): Failpoint[] {
	return text
		.split(",")
		.filter(Boolean)
		.map(item => {
			const [name = "", mode = "crash", ms = "0"] = item.trim().split(":");
			if (!(FAILPOINTS as readonly string[]).includes(name)) throw new Error(`no failpoint is called ${name}`);
			if (mode !== "crash" && mode !== "error" && mode !== "pause")
				throw new Error(`${mode} is not crash, error or pause`);
			return { name, mode, ms: Number(ms) };
		});
}
