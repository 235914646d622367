import { newId } from "../../lib/ids.ts";
import { entryId, type JournalEntry } from "./domain/ledger.ts";
import { type EndStep, type Hold, MAX_TOMBSTONES, type Tombstone } from "./domain/stock.ts";
import type { LedgerKind } from "./inventory.contract.ts";
import type { Look } from "./stock.repository.ts";

/** The pieces that updates of stock documents are made of. */

/** Why a change is made, as the ledger will tell it. */
export interface Cause {
	reference: string;
	reason: string | null;
	actor: string | null;
}

/** One conditional update of one document. */
export interface StockUpdate {
	filter: object;
	update: object;
}

export const held = (ref: string, quantity: number) => ({ reservations: { $elemMatch: { ref, quantity } } });

export const tombstones = (...ended: Tombstone[]) => ({ $each: ended, $slice: -MAX_TOMBSTONES });

/** The end of a step: its tombstone and its ledger entries. */
export function ending(step: EndStep, at: Date, ...owed: [JournalEntry, ...JournalEntry[]]) {
	return {
		$push: { ended: tombstones({ ref: owed[0].reference, step, at }), journal: { $each: owed } },
		$min: { dirtyAt: at },
	};
}

/** @param change set where a reference can do the same twice: hold, give back what was not enough, hold again */
export const entry = (kind: LedgerKind, quantity: number, cause: Cause, at: Date, change?: string): JournalEntry => ({
	id: entryId(cause.reference, kind, change),
	kind,
	quantity,
	...cause,
	at,
});

/** Between a look and what is done about it, on any node that may be paused in between. */
export const LOOK_TTL_MS = 60_000;

/**
 * Only while whatever happened to the reference since the look would still be remembered here: fewer changes than
 * tombstones, and less time, by the database's clock, than one lives.
 */
const sinceLook = ({ _id, version }: Pick<Look, "_id" | "version">, at: Date) => ({
	_id,
	version: { $lt: version + MAX_TOMBSTONES },
	$expr: { $lte: ["$$NOW", new Date(at.getTime() + LOOK_TTL_MS)] },
});

const without = (ref: string, ...steps: EndStep[]) => ({
	ended: { $not: { $elemMatch: { ref, step: { $in: steps } } } },
});

/** Held → available, whatever quantity it is. */
export function releasing(look: Look, { quantity, call }: Hold, cause: Cause, now: Date): StockUpdate {
	return {
		filter: { _id: look._id, reservations: { $elemMatch: { ref: cause.reference, quantity, call } } },
		update: {
			$inc: { available: quantity, reserved: -quantity, version: 1 },
			$pull: { reservations: { ref: cause.reference } },
			...ending("released", now, entry("release", quantity, cause, now, call)),
		},
	};
}

/** Sold → back on the shelf of the location that sold it. */
export function returning(look: Look, quantity: number, cause: Cause, now: Date): StockUpdate {
	return {
		filter: { ...sinceLook(look, now), ...without(cause.reference, "returned") },
		update: {
			$inc: { available: quantity, returned: quantity, version: 1 },
			...ending("returned", now, entry("return", quantity, cause, now, newId("led"))),
		},
	};
}

/** So that a `reserve` or `commit` that is still on its way finds the reference finished. */
export function fencing(look: Look, ref: string, now: Date): StockUpdate {
	return {
		filter: {
			...sinceLook(look, now),
			"reservations.ref": { $ne: ref },
			...without(ref, "released", "returned", "committed"),
		},
		update: { $push: { ended: tombstones({ ref, step: "released", at: now }) }, $inc: { version: 1 } },
	};
}

/** Available → sold, for a hold whose time was up before its sale came and whose goods are still there. */
export function retaking(look: Look, quantity: number, cause: Cause, now: Date): StockUpdate {
	const ref = cause.reference;
	return {
		filter: {
			...sinceLook(look, now),
			available: { $gte: quantity },
			"reservations.ref": { $ne: ref },
			$and: [{ ended: { $elemMatch: { ref, step: "expired" } } }, without(ref, "released", "returned", "committed")],
		},
		update: {
			$inc: { available: -quantity, sold: quantity, version: 1 },
			...ending(
				"committed",
				now,
				entry("reserve", -quantity, cause, now, newId("led")),
				entry("commit", quantity, cause, now, newId("led")),
			),
		},
	};
}
