import { withoutKeys } from "./redact.ts";

/** How work that may fail is tried again: with growing pauses, and not for ever. */

/** After so many tries in vain work is parked: it waits for an operator instead of trying for ever. */
export const MAX_ATTEMPTS = 12;

const BASE_MS = 1_000;
const MAX_MS = 10 * 60_000;

/** The pause after the n-th try in vain, in ms: doubling from one second to ten minutes; twelve tries take an hour. */
export const backoffMs = (attempts: number, baseMs = BASE_MS, maxMs = MAX_MS): number =>
	Math.min(baseMs * 2 ** Math.max(0, attempts - 1), maxMs);

/** Work that was given up after `MAX_ATTEMPTS`, as operators see it. */
export interface ParkedItem {
	/** Of the document whose work it is; what `resume` takes. */
	id: string;
	attempts: number;
	/** What the last try ended with. */
	error: string;
	parkedAt: Date;
	/** In a word or two: the saga's position, the event's name. */
	about: string;
}

/** One line for operators of anything thrown: its type and message, never its data, and no key or address. */
export function errorLine(error: unknown): string {
	if (typeof error !== "object" || error === null) return withoutKeys(String(error)).slice(0, 300);
	const type = "type" in error && typeof error.type === "string" ? `${error.type}: ` : "";
	const message = "message" in error ? String(error.message) : "unknown";
	return withoutKeys(`${type}${message}`).slice(0, 300);
}
