import { widestNetwork } from "./network.ts";

/** So many lines a minute of one network tell what goes on; more of the same tell no more. */
const LINES_PER_MINUTE = 60;
const MINUTE_MS = 60_000;
/** More networks than that in one minute share the lines of one. */
const MAX_NETWORKS = 1_000;
const OTHERS = "others";

export interface LineBudget {
	/** Whether one more line about this kind of thing, of this client, is to be written; a line that is not is counted. */
	isLeft(kind: string, address: string | undefined): boolean;
}

/**
 * Bounds lines that a client may cause as often as it likes, since no limit counts what causes them, or the limit's
 * own refusal does: its network has so many of each kind a minute. What was left out is told in one line a minute.
 */
export function createLineBudget(
	tell: (leftOut: Readonly<Record<string, number>>) => void,
	minuteMs = MINUTE_MS,
): LineBudget {
	const lines = new Map<string, number>();
	let leftOut: Record<string, number> = {};
	let isRunning = false;
	const end = () => {
		isRunning = false;
		lines.clear();
		const told = leftOut;
		leftOut = {};
		if (Object.keys(told).length > 0) tell(told);
	};
	return {
		isLeft(kind, address = "") {
			// Nothing is to do at the end of a minute in which nothing was asked for.
			if (!isRunning) setTimeout(end, minuteMs).unref();
			isRunning = true;
			const own = `${kind} ${widestNetwork(address)}`;
			const key = lines.has(own) || lines.size < MAX_NETWORKS ? own : `${kind} ${OTHERS}`;
			const count = (lines.get(key) ?? 0) + 1;
			lines.set(key, count);
			if (count <= LINES_PER_MINUTE) return true;
			leftOut[kind] = (leftOut[kind] ?? 0) + 1;
			return false;
		},
	};
}
