import type { Model } from "mongoose";
import { isDuplicateKey } from "../../lib/errors.ts";
import { ledgerId } from "./domain/ledger.ts";
import type { LedgerEntry } from "./inventory.contract.ts";
import type { LedgerDocument, StockDocument } from "./inventory.model.ts";

const MAX_TIME_MS = 5_000;
/** Far more than a few changes of each of its lines. */
const MAX_OF_REFERENCE = 10_000;

/** Where a page of the ledger goes on: after this entry, towards the past. */
export interface LedgerPosition {
	at: Date;
	id: string;
}

/** The append-only history. Nothing here changes or removes an entry. */
export class LedgerRepository {
	readonly #ledger: Model<LedgerDocument>;

	constructor(ledger: Model<LedgerDocument>) {
		this.#ledger = ledger;
	}

	/** Writes what stock documents owe; what was written before stays as it is. */
	async append(owing: readonly Pick<StockDocument, "_id" | "sku" | "location" | "journal">[]): Promise<void> {
		const entries = owing.flatMap(({ _id, sku, location, journal }) =>
			journal.map(({ id, ...entry }): LedgerDocument => ({ _id: ledgerId(id, _id), sku, location, ...entry })),
		);
		if (entries.length === 0) return;
		try {
			await this.#ledger.collection.insertMany(entries as never[], { ordered: false });
		} catch (error) {
			if (!isDuplicateKey(error)) throw error;
		}
	}

	/** Newest first. */
	async page(sku: string, limit: number, after?: LedgerPosition): Promise<LedgerEntry[]> {
		const found = await this.#ledger
			.find(
				after
					? { sku, at: { $lte: after.at }, $or: [{ at: { $lt: after.at } }, { at: after.at, _id: { $lt: after.id } }] }
					: { sku },
			)
			.sort({ sku: -1, at: -1, _id: -1 })
			.limit(limit)
			.maxTimeMS(MAX_TIME_MS)
			.lean<LedgerDocument[]>();
		return found.map(({ _id, at, ...entry }) => ({ id: _id, ...entry, at: at.toISOString() }));
	}

	/** What is written of a reference and these SKUs. */
	ofReference(reference: string, skus: readonly string[]): Promise<LedgerDocument[]> {
		return this.#ledger
			.find({ reference, sku: { $in: skus } })
			.limit(MAX_OF_REFERENCE)
			.maxTimeMS(MAX_TIME_MS)
			.lean<LedgerDocument[]>();
	}

	/** Those of these entries that are written. */
	async find(ids: readonly string[]): Promise<Map<string, LedgerDocument>> {
		const found = await this.#ledger
			.find({ _id: { $in: ids } })
			.maxTimeMS(MAX_TIME_MS)
			.lean<LedgerDocument[]>();
		return new Map(found.map(entry => [entry._id, entry]));
	}
}
