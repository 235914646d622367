import type { OrderDocument } from "../orders.model.ts";
import type { Deps } from "./ports.ts";
import { RECOVERED, tombstoneOf } from "./tombstone.ts";

export type Fate = "placed" | "running" | "abandoned";

/**
 * What became of the attempt that holds a cart. One that is not in the register is ended by the question, unless it may
 * still be on its way: then a process that wakes up late finds its id taken.
 */
export async function fateOf(
	deps: Deps,
	{ orderId, cartId }: { orderId: string; cartId: string },
	mayEnd = true,
): Promise<{ fate: Fate; known: OrderDocument | null }> {
	const found = await deps.orders.attempt(orderId);
	if (!found && !mayEnd) return { fate: "running", known: null };
	const known = found ?? (await end(deps, orderId, cartId));
	if (!known || known.status === "pending") return { fate: "running", known };
	// What has failed has undone all but the claim, which anybody may end: the register has the answer for its key.
	return { fate: known.status === "failed" ? "abandoned" : "placed", known };
}

async function end(deps: Deps, orderId: string, cartId: string): Promise<OrderDocument | null> {
	const tombstone = tombstoneOf({ orderId, cartId, failure: RECOVERED, actor: "carts" }, deps.clock.now());
	const written = await deps.orders.create(tombstone);
	return written.created ?? written.by;
}
