import { entryId, type JournalEntry } from "./domain/ledger.ts";
import { type EndStep, MAX_TOMBSTONES, type Tombstone } from "./domain/stock.ts";
import type { LedgerKind } from "./inventory.contract.ts";

/** The pieces that updates of stock documents are made of. */

/** Why a change is made, as the ledger will tell it. */
export interface Cause {
	reference: string;
	reason: string | null;
	actor: string | null;
}

export const holds = (sku: string, ref: string, quantity: number) => ({
	sku,
	reservations: { $elemMatch: { ref, quantity } },
});

export const tombstones = (...ended: Tombstone[]) => ({ $each: ended, $slice: -MAX_TOMBSTONES });

/** The end of a step: its tombstone and its ledger entry. */
export function ending(step: EndStep, owed: JournalEntry) {
	return {
		$push: { ended: tombstones({ ref: owed.reference, step, at: owed.at }), journal: owed },
		$min: { dirtyAt: owed.at },
	};
}

/** @param hold set where a reference can do the same twice: hold, give back what was not enough, hold again */
export const entry = (kind: LedgerKind, quantity: number, cause: Cause, at: Date, hold?: string): JournalEntry => ({
	id: entryId(cause.reference, kind, hold),
	kind,
	quantity,
	...cause,
	at,
});
