import { type Failpoints, SAGA_STEPS, type SagaName, type SagaStep } from "../../../lib/failpoints.ts";

/** A saga's steps by name, in the order of the table of failpoints. A step takes the state and gives the next one. */
export type Saga<S extends SagaName, State> = { [K in SagaStep<S>]: (state: State) => Promise<State> };

/**
 * Runs a saga from one of its steps to its end, with a failpoint before and after each. Every step may run again after
 * a crash: what it does is idempotent, or conditional on the state it starts from.
 */
export async function runSaga<S extends SagaName, State>(
	name: S,
	saga: Saga<S, State>,
	state: State,
	failpoints: Failpoints,
	{ from, to }: { from?: SagaStep<S>; to?: SagaStep<S> } = {},
): Promise<State> {
	const steps = SAGA_STEPS[name] as readonly SagaStep<S>[];
	const first = from === undefined ? 0 : steps.indexOf(from);
	const last = to === undefined ? steps.length - 1 : steps.indexOf(to);
	let current = state;
	for (const step of steps.slice(first, last + 1)) {
		await failpoints.hit(`${name}.${step}:before` as Parameters<Failpoints["hit"]>[0]);
		current = await saga[step](current);
		await failpoints.hit(`${name}.${step}:after` as Parameters<Failpoints["hit"]>[0]);
	}
	return current;
}

/** The type of an error that means: another process works on this order now. */
export const STALE = "STALE_LEASE";

export class StaleLease extends Error {
	readonly type = STALE;

	constructor(orderId: string) {
		super(`${orderId} is worked on elsewhere`);
		this.name = "StaleLease";
	}
}

/** What every event of a saga carries beside its data. */
export const about = ({ requestId }: { requestId?: string }, sequence: number, now: Date) => ({
	sequence,
	now,
	...(requestId ? { requestId } : {}),
});
