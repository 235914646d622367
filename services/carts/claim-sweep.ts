import { errorLine } from "../../lib/attempts.ts";
import type { Clock } from "../../lib/clock.ts";
import { errorType } from "../../lib/errors.ts";
import type { ClaimRepository, Held } from "./claims.repository.ts";

const BATCH = 50;
const AT_ONCE = 10;
/** Orders cannot be asked right now: that says nothing of this cart. */
const AWAY: ReadonlySet<string | undefined> = new Set([
	"SERVICE_NOT_FOUND",
	"SERVICE_NOT_AVAILABLE",
	"SERVICE_UNAVAILABLE",
	"REQUEST_TIMEOUT",
	"REQUEST_SKIPPED",
	"BUS_DOWN",
]);

export type Fate = "placed" | "running" | "abandoned";

export interface SweepDeps {
	claims: ClaimRepository;
	clock: Clock;
	/** What the register says of an attempt; one that it does not know is ended by the question. */
	fateOf(claim: { orderId: string; cartId: string }): Promise<Fate>;
	onError(cartId: string, error: unknown): void;
}

/**
 * A process that died between taking a cart and writing its order leaves the cart held: ask what became of it, then
 * free or finish the cart. Each cart is looked at after pauses of its own, so that none holds up the others.
 * @returns whether there may be more that are due
 */
export async function sweepClaims(deps: SweepDeps): Promise<boolean> {
	const due = await deps.claims.due(deps.clock.now(), BATCH);
	for (let i = 0; i < due.length; i += AT_ONCE)
		await Promise.all(due.slice(i, i + AT_ONCE).map(held => look(deps, held)));
	return due.length === BATCH;
}

async function look({ claims, fateOf, onError }: SweepDeps, held: Held): Promise<void> {
	if (!(await claims.takeLook(held))) return;
	const { orderId } = held.checkout;
	try {
		const fate = await fateOf({ orderId, cartId: held._id });
		if (fate === "abandoned") await claims.free(held._id, orderId, undefined, []);
		if (fate === "placed") await claims.finish(held._id, orderId);
	} catch (error) {
		onError(held._id, error);
		if (!AWAY.has(errorType(error))) await claims.lookFailed(held, errorLine(error));
	}
}
