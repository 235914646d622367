import type { StockLine } from "../inventory.contract.ts";
import type { Look } from "../stock.repository.ts";
import type { JournalEntry } from "./ledger.ts";

/** All that one location knows of a reference and a SKU, its ledger included: what it holds, sold and took back. */
export interface Book {
	look: Look;
	sold: number;
	returned: number;
	/** Of holds that ended unsold, by themselves or not. */
	released: number;
}

type Entry = Pick<JournalEntry, "kind" | "quantity" | "reason">;

/** Why a call of `reserve` takes back what it took: then nothing was ever held. */
export const UNDONE = "not all lines could be held";

/**
 * The ledger and the journal decide, since they never forget; tombstones only fence.
 * @param entries of the reference at this location, each once
 */
export function bookOf(look: Look, entries: readonly Entry[]): Book {
	const total = (kind: Entry["kind"]) =>
		entries
			.filter(entry => entry.kind === kind && entry.reason !== UNDONE)
			.reduce((sum, { quantity }) => sum + quantity, 0);
	return { look, sold: total("commit"), returned: total("return"), released: total("release") };
}

/** This line is sold, in this quantity, and did not come back. */
export const isSold = ({ sku, quantity }: StockLine, books: readonly Book[]): boolean =>
	books.some(({ look, sold, returned }) => look.sku === sku && !look.hold && sold === quantity && returned === 0);

/** The time of its hold was up, and nothing has happened to it since. */
export const isLapsed = ({ look, sold }: Book): boolean =>
	!look.hold && sold === 0 && look.ends.length > 0 && look.ends.every(step => step === "expired");

/** No later `reserve` or `commit` of the reference can change this location any more. */
export const isFenced = ({ look }: Book): boolean =>
	!look.hold && look.ends.some(step => step === "released" || step === "returned");
