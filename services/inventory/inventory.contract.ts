import type { Action, ListParams, Page } from "../../lib/contracts.ts";

export type StockLevel = "in_stock" | "low_stock" | "out_of_stock";

/** Quantities in pieces. `available + reserved + sold − returned = received + adjusted`, always. */
export interface StockCounters {
	onHand: number;
	available: number;
	reserved: number;
	sold: number;
	received: number;
	returned: number;
	adjusted: number;
}
export interface StockLocation extends StockCounters {
	location: string;
	version: number;
}
export interface StockView {
	sku: string;
	locations: StockLocation[];
	totals: StockCounters;
}

export type LedgerKind = "receive" | "adjust" | "reserve" | "commit" | "release" | "return";

export interface LedgerEntry {
	id: string;
	sku: string;
	location: string;
	kind: LedgerKind;
	/** Signed, as it changed what is available (for `commit`: what was sold). */
	quantity: number;
	/** The order, receipt or adjustment behind it. */
	reference: string;
	reason: string | null;
	actor: string | null;
	at: string;
}

export interface StockLine {
	sku: string;
	quantity: number;
}

export interface InventoryActions {
	"inventory.get": Action<{ sku: string }, StockView>;
	"inventory.ledger": Action<{ sku: string } & Pick<ListParams, "limit" | "cursor">, Page<LedgerEntry>>;
	"inventory.receive": Action<{ sku: string; location?: string; quantity: number; reason: string }, StockView>;
	/** CONFLICT when it would take what is available below zero. */
	"inventory.adjust": Action<{ sku: string; location?: string; delta: number; reason: string }, StockView>;
	/**
	 * Internal. Holds all lines for `reference` (an order's id) or none of them; a repeat changes nothing, a finished
	 * reference (released, expired) is refused with CONFLICT. STOCK_INSUFFICIENT with one error per SKU.
	 */
	"inventory.reserve": Action<{ reference: string; lines: StockLine[] }, { expiresAt: string }>;
	/** Internal, idempotent: what was held for `reference` is sold. CONFLICT when the hold is gone. */
	"inventory.commit": Action<{ reference: string; lines: StockLine[] }, void>;
	/** Internal, idempotent: gives back what is held for `reference`, and refuses a later reserve of it. */
	"inventory.release": Action<{ reference: string; lines: StockLine[] }, void>;
	/** Internal, idempotent: sold goods come back (an order was cancelled); `reference` is the order's id. */
	"inventory.restock": Action<{ reference: string; lines: StockLine[] }, void>;
	/**
	 * Internal, idempotent per item reference: the stock of an import. `received` counts repeats too; `levels` are those
	 * of the SKUs after it, so that what sells them need not wait for the event.
	 */
	"inventory.receiveMany": Action<
		{ items: (StockLine & { reference: string })[]; reason: string },
		{ received: number; levels: LevelChange[] }
	>;
}

export interface InventoryEvents {
	/**
	 * Only when the level of a SKU (over all its locations) crossed a threshold; an import crosses many at once. Per
	 * SKU: an older sequence than one that was seen is to be ignored.
	 */
	"inventory.level_changed": { changes: LevelChange[] };
}

export interface LevelChange {
	sku: string;
	level: StockLevel;
	sequence: number;
}

declare module "../../lib/contracts.ts" {
	interface ActionContracts extends InventoryActions {}
	interface EventContracts extends InventoryEvents {}
}
