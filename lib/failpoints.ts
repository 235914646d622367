/**
 * Named places where a test can kill, pause or fail a process. The steps of each saga stand here once: the sagas are
 * typed by this table, the runner hits `<saga>.<step>:before` and `:after` around each, and the crash tests enumerate
 * it, so no step can be without one. Refused in production by the configuration.
 */
export const SAGA_STEPS = {
	"orders.place": ["create", "reserve", "authorize", "confirm", "sell", "capture", "settle", "finish"],
	"orders.decline": ["mark", "void", "giveBack", "fail", "free"],
	"orders.cancel": ["mark", "restock", "refund", "settle"],
	"orders.unwind": ["mark", "money", "settle"],
	"orders.refund": ["mark", "pay", "settle"],
} as const;

export type SagaName = keyof typeof SAGA_STEPS;
export type SagaStep<S extends SagaName> = (typeof SAGA_STEPS)[S][number];
type StepFailpoint = { [S in SagaName]: `${S}.${SagaStep<S>}:${"before" | "after"}` }[SagaName];
export type FailpointName = StepFailpoint | "api.answer:before";

export const FAILPOINTS: readonly FailpointName[] = [
	...Object.entries(SAGA_STEPS).flatMap(([saga, steps]) =>
		steps.flatMap(step => [`${saga}.${step}:before`, `${saga}.${step}:after`] as FailpointName[]),
	),
	"api.answer:before",
];

/** `freeze` stops the whole process, timers and renewals too, until someone sends SIGCONT. */
export type FailpointMode = "crash" | "error" | "pause" | "freeze";

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
			if (point.mode === "freeze") return freeze();
			if (point.mode === "error") throw new Error(`Failpoint ${name}`);
			await new Promise(resolve => setTimeout(resolve, point.ms));
		},
	};
}

/** The signal arrives after this call returned: what comes behind the failpoint must wait for it. */
async function freeze(): Promise<void> {
	process.kill(process.pid, "SIGSTOP");
	await new Promise(resolve => setTimeout(resolve, 50));
}

const MODES: readonly string[] = ["crash", "error", "pause", "freeze"] satisfies FailpointMode[];
const isMode = (text: string): text is FailpointMode => MODES.includes(text);

/** Reads `name:before:crash,other:after:pause:45000`; throws with the reason when it is malformed or unknown. */
export function parseFailpoints(text: string): Failpoint[] {
	return text
		.split(",")
		.filter(Boolean)
		.map(item => {
			const [saga = "", moment = "", mode = "crash", ms = "0"] = item.trim().split(":");
			const name = `${saga}:${moment}`;
			if (!(FAILPOINTS as readonly string[]).includes(name)) throw new Error(`no failpoint is called ${name}`);
			if (!isMode(mode)) throw new Error(`${mode} is not one of ${MODES.join(", ")}`);
			return { name, mode, ms: Number(ms) };
		});
}
