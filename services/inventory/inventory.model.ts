import { Schema } from "mongoose";
import { defineModel } from "../../mixins/db.mixin.ts";
import { outboxFields, outboxIndex } from "../../mixins/outbox.mixin.ts";
import type { JournalEntry } from "./domain/ledger.ts";
import type { Counters, Hold, Tombstone } from "./domain/stock.ts";
import type { StockLevel } from "./inventory.contract.ts";

/** One SKU at one location: the unit in which stock changes. `_id` is `<sku>@<location>`. */
export interface StockDocument extends Counters {
	_id: string;
	sku: string;
	location: string;
	reservations: Hold[];
	ended: Tombstone[];
	/** Ledger entries on their way. */
	journal: JournalEntry[];
	/** Since when the journal waits; absent when it is empty. */
	dirtyAt?: Date;
	/** No hold ends before it; it may be earlier than the first one that does. */
	nextExpiryAt?: Date;
	version: number;
}

const counter = { type: Number, required: true, default: 0 };
const hold = { ref: String, quantity: Number, expiresAt: Date, call: String, _id: false };
const tombstone = { ref: String, step: String, at: Date, _id: false };
const change = { kind: String, quantity: Number, reference: String, reason: String, actor: String, at: Date };

const stockSchema = new Schema<StockDocument>(
	{
		_id: String,
		sku: { type: String, required: true },
		location: { type: String, required: true },
		available: counter,
		reserved: counter,
		sold: counter,
		received: counter,
		returned: counter,
		adjusted: counter,
		reservations: [hold],
		ended: [tombstone],
		journal: [{ id: String, ...change, _id: false }],
		dirtyAt: Date,
		nextExpiryAt: Date,
		version: counter,
	},
	{ versionKey: false },
);
stockSchema.index({ sku: 1, location: 1 }, { unique: true });
// A reference holds a SKU at one location only, however many of its calls race for different ones.
stockSchema.index(
	{ sku: 1, "reservations.ref": 1 },
	{ unique: true, partialFilterExpression: { "reservations.ref": { $exists: true } } },
);
stockSchema.index({ dirtyAt: 1 }, { sparse: true });
stockSchema.index({ nextExpiryAt: 1 }, { sparse: true });

export const stockModel = defineModel("stock", stockSchema);

/** The history, append-only. `_id` is the change's own id and its stock document's. */
export interface LedgerDocument extends Omit<JournalEntry, "id"> {
	_id: string;
	sku: string;
	location: string;
}

const ledgerSchema = new Schema<LedgerDocument>(
	{ _id: String, sku: String, location: String, ...change },
	{ versionKey: false },
);
ledgerSchema.index({ sku: 1, at: -1, _id: -1 });
// What became of a reference, when its stock documents have forgotten it.
ledgerSchema.index({ reference: 1, sku: 1 });

export const ledgerModel = defineModel("ledger", ledgerSchema);

/** The level of a SKU over all its locations. `_id` is the SKU. */
export interface LevelDocument {
	_id: string;
	level: StockLevel;
	/** The versions of its stock documents, added up: what this level was worked out from. */
	seen: number;
	/** `seen` of the last change of the level. */
	changed: number;
	/** `changed` as far as it was announced. */
	announced: number;
}

const levelSchema = new Schema<LevelDocument>(
	{ _id: String, level: String, seen: Number, changed: Number, announced: Number },
	{ versionKey: false },
);

export const levelModel = defineModel("levels", levelSchema);

/** Crossings to be told to other services, many in one event: an import crosses thousands of levels at once. */
export interface AnnouncementDocument {
	_id: string;
	at: Date;
}

const KEEP_ANNOUNCEMENTS_SECONDS = 7 * 86_400;

const announcementSchema = new Schema<AnnouncementDocument>(
	{ _id: String, at: Date, ...outboxFields },
	{ versionKey: false },
);
announcementSchema.index({ at: 1 }, { expireAfterSeconds: KEEP_ANNOUNCEMENTS_SECONDS });
outboxIndex(announcementSchema);

export const announcementModel = defineModel("announcements", announcementSchema);
