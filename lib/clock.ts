/**
 * An idea of now. A node's own is only the start of it: what nodes must agree on is read from a clock that is corrected
 * to the database's (`DatabaseClock`), and what one update decides alone is measured by `$$NOW` in it.
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
