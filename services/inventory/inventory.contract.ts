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

/** What of a reference and a SKU lies on the shelf again, by this call or before: pieces of holds, and pieces sold. */
export interface LineGivenBack {
	sku: string;
	released: number;
	returned: number;
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
	/**
	 * Internal, idempotent: what was held for `reference` is sold; where the hold has ended and the goods are still there,
	 * they are taken again. CONFLICT (`HOLD_ENDED` per SKU) when a line cannot be sold; the other lines are.
	 */
	"inventory.commit": Action<{ reference: string; lines: StockLine[] }, void>;
	/**
	 * Internal, idempotent: each line of `reference` is put right whatever state it is in. What is held is released, what
	 * was sold comes back to where it was sold from (once, and the quantity that was sold, whatever `lines` say), and a
	 * reserve or commit that comes later is refused. SERVICE_UNAVAILABLE when lines are left to be tried again; no line
	 * waits for another.
	 */
	"inventory.giveBack": Action<{ reference: string; lines: StockLine[] }, { lines: LineGivenBack[] }>;
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
