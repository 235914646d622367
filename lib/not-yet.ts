import { type ErrorType, errorType, isErrorType, statusOf } from "./errors.ts";

export const NOT_YET = "NOT_YET";

/**
 * Thrown by the handler of an event whose time has not come: another party has to do something first (a checkout that
 * still runs, a payment that is not written yet). It is no failure: the event waits in the consumer's own database,
 * comes again after growing pauses without using up an attempt, and holds up nothing behind it. The wait has an end,
 * `notYetForMs` of the consumer (days), after which the event is a dead letter.
 *
 *     if (order.status === "pending") throw new NotYet("the checkout still runs");
 *
 * Only for handlers of events: what an action answers to its caller is a `DomainError`.
 */
export class NotYet extends Error {
	readonly type = NOT_YET;

	constructor(reason: string) {
		super(reason);
		this.name = "NotYet";
	}
}

/** By type, not by class: it may have come over the network. */
export const isNotYet = (error: unknown): boolean => errorType(error) === NOT_YET;

/** Refusals that another try may well turn into a success. */
const MAY_PASS: ReadonlySet<ErrorType> = new Set(["IDEMPOTENCY_IN_PROGRESS", "VERSION_MISMATCH", "RATE_LIMITED"]);

/** Answers that stay the same however often one asks (NOT_FOUND, CONFLICT, VALIDATION_ERROR …): trying again is no use. */
export function isDefinite(error: unknown): boolean {
	const type = errorType(error);
	return isErrorType(type) && statusOf(type) < 500 && !MAY_PASS.has(type);
}
