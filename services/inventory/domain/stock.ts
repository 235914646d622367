import { DomainError, type FieldError } from "../../../lib/errors.ts";
import type { StockCounters, StockLevel, StockLine, StockView } from "../inventory.contract.ts";

/** Where stock lies when nobody says otherwise. */
export const DEFAULT_LOCATION = "main";

/** What is called `low_stock`: so many pieces or fewer, over all locations. */
export const LOW_STOCK = 5;

/** How long the end of a hold is remembered in its stock document, so that a late duplicate finds it. */
export const TOMBSTONE_TTL_MS = 15 * 60_000;

/** The newest ends a stock document keeps; what is older is found in the ledger. */
export const MAX_TOMBSTONES = 500;

/** Quantities of one SKU at one location, as they are stored: `onHand` follows from them. */
export type Counters = Omit<StockCounters, "onHand">;

/** The goods held for a reference (an order's id) until they are sold, given back, or the time is up. */
export interface Hold {
	ref: string;
	quantity: number;
	expiresAt: Date;
	/** The call that took it: a call that fails half-way gives back only its own. */
	call: string;
}

export type EndStep = "committed" | "released" | "expired" | "returned" | "received" | "adjusted";

/** What is left of a finished step of a reference: the fence against its late duplicates. */
export interface Tombstone {
	ref: string;
	step: EndStep;
	at: Date;
}

export function levelOf(available: number): StockLevel {
	if (available <= 0) return "out_of_stock";
	return available <= LOW_STOCK ? "low_stock" : "in_stock";
}

export const stockId = (sku: string, location: string): string => `${sku}@${location}`;

/** One line per SKU: a reference holds a SKU once. */
export function mergeLines(lines: readonly StockLine[]): StockLine[] {
	const quantities = new Map<string, number>();
	for (const { sku, quantity } of lines) quantities.set(sku, (quantities.get(sku) ?? 0) + quantity);
	return [...quantities].map(([sku, quantity]) => ({ sku, quantity }));
}

/** What one location says about one line of a reference. */
export interface LineAtLocation {
	available: number;
	hold?: Hold;
	ends: readonly EndStep[];
}

/**
 * - `held`: this reference has the goods already (or has bought them): a repeat changes nothing
 * - `finished`: it gave them back, or its time ran out: it must not hold them again
 * - `mismatch`: it holds another quantity
 * - `possible`: a location has enough by now
 */
export type LineState = "held" | "finished" | "possible" | "insufficient" | "mismatch";

/** Why a line could not be held, from what all its locations say. */
export function lineState(quantity: number, locations: readonly LineAtLocation[]): LineState {
	const hold = locations.find(location => location.hold)?.hold;
	if (hold) return hold.quantity === quantity ? "held" : "mismatch";
	const ends = locations.flatMap(location => location.ends);
	if (ends.some(step => step !== "committed")) return "finished";
	if (ends.includes("committed")) return "held";
	return locations.some(location => location.available >= quantity) ? "possible" : "insufficient";
}

/** Exact numbers are staff's: the customer is told which SKU, not how many are left. */
export function insufficient(skus: readonly string[]): DomainError {
	const errors: FieldError[] = skus.map(sku => ({
		field: sku,
		code: "STOCK_INSUFFICIENT",
		message: "Not enough in stock",
	}));
	return new DomainError("STOCK_INSUFFICIENT", `Not enough in stock: ${skus.join(", ")}`, { errors });
}

/** I1: nothing appears or vanishes. */
export const isBalanced = (c: Counters): boolean =>
	c.available + c.reserved + c.sold - c.returned === c.received + c.adjusted;

/** What lies on the shelf is what can be bought and what is held; what was sold has left. */
const withOnHand = ({ available, reserved, sold, received, returned, adjusted }: Counters): StockCounters => ({
	onHand: available + reserved,
	available,
	reserved,
	sold,
	received,
	returned,
	adjusted,
});

export function stockView(
	sku: string,
	locations: readonly (Counters & { location: string; version: number })[],
): StockView {
	const total = (name: keyof Counters) => locations.reduce((sum, location) => sum + location[name], 0);
	return {
		sku,
		locations: locations.map(location => ({
			location: location.location,
			...withOnHand(location),
			version: location.version,
		})),
		totals: withOnHand({
			available: total("available"),
			reserved: total("reserved"),
			sold: total("sold"),
			received: total("received"),
			returned: total("returned"),
			adjusted: total("adjusted"),
		}),
	};
}
