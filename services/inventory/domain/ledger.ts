import type { LedgerEntry, LedgerKind } from "../inventory.contract.ts";
import type { Counters } from "./stock.ts";

/** A ledger entry as it waits in its stock document: written by the very update that changed the counters. */
export interface JournalEntry {
	id: string;
	kind: LedgerKind;
	quantity: number;
	reference: string;
	reason: string | null;
	actor: string | null;
	at: Date;
}

/**
 * The id of a change, kept in the update that makes it, so that writing it to the ledger twice leaves one entry.
 * @param change tells the same kinds of change of one reference apart
 */
export const entryId = (reference: string, kind: LedgerKind, change?: string): string =>
	change === undefined ? `${reference}:${kind}` : `${reference}:${kind}:${change}`;

/** The id of that change in the ledger, where entries of all stock documents meet. */
export const ledgerId = (entry: string, stockId: string): string => `${entry}:${stockId}`;

/** The counters that a ledger, read from its beginning, leads to. The stock document must agree with it. */
export function replay(entries: readonly Pick<LedgerEntry, "kind" | "quantity">[]): Counters {
	const counters: Counters = { available: 0, reserved: 0, sold: 0, received: 0, returned: 0, adjusted: 0 };
	for (const { kind, quantity } of entries) {
		switch (kind) {
			case "receive":
				counters.received += quantity;
				counters.available += quantity;
				break;
			case "adjust":
				counters.adjusted += quantity;
				counters.available += quantity;
				break;
			case "reserve":
			case "release":
				counters.available += quantity;
				counters.reserved -= quantity;
				break;
			case "commit":
				counters.reserved -= quantity;
				counters.sold += quantity;
				break;
			case "return":
				counters.returned += quantity;
				counters.available += quantity;
				break;
			default:
				kind satisfies never;
		}
	}
	return counters;
}
