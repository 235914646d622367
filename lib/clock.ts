/**
 * The node's idea of now. Nothing that must be agreed between nodes may depend on it: leases are measured with the
 * database's clock (`$$NOW`).
 */
export interface Clock {
	now(): Date;
	nowMs(): number;
}

/** @param shiftMs only tests set it: how far this node's clock is off */
export function createClock(shiftMs = 0): Clock {
	const nowMs = () => Date.now() + shiftMs;
	return { nowMs, now: () => new Date(nowMs()) };
}
