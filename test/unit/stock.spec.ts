import fc from "fast-check";
import { replay } from "../../services/inventory/domain/ledger.ts";
import {
	isBalanced,
	type LineAtLocation,
	levelOf,
	lineState,
	mergeLines,
	stockView,
} from "../../services/inventory/domain/stock.ts";
import type { LedgerKind } from "../../services/inventory/inventory.contract.ts";

const hold = (quantity: number) => ({ ref: "ord_1", quantity, expiresAt: new Date(0), call: "led_1" });

describe("Stock", () => {
	it("is called low from five pieces down, and out at none", () => {
		expect([-1, 0, 1, 5, 6].map(levelOf)).toEqual([
			"out_of_stock",
			"out_of_stock",
			"low_stock",
			"low_stock",
			"in_stock",
		]);
	});

	it("is held once per SKU, however often a SKU stands in an order", () => {
		const lines = [
			{ sku: "A", quantity: 1 },
			{ sku: "B", quantity: 2 },
			{ sku: "A", quantity: 3 },
		];
		expect(mergeLines(lines)).toEqual([
			{ sku: "A", quantity: 4 },
			{ sku: "B", quantity: 2 },
		]);
	});

	it.each<[string, LineAtLocation[]]>([
		["held", [{ available: 0, ends: [], hold: hold(2) }]],
		["held", [{ available: 9, ends: ["committed"] }]],
		["mismatch", [{ available: 9, ends: [], hold: hold(1) }]],
		["finished", [{ available: 9, ends: ["released"] }]],
		["finished", [{ available: 9, ends: ["expired"] }]],
		["finished", [{ available: 9, ends: ["committed", "returned"] }]],
		["insufficient", []],
		[
			"insufficient",
			[
				{ available: 1, ends: [] },
				{ available: 1, ends: [] },
			],
		],
		[
			"possible",
			[
				{ available: 1, ends: [] },
				{ available: 2, ends: [] },
			],
		],
	])("that could not be held twice over is %s", (state, locations) => {
		expect(lineState(2, locations)).toBe(state);
	});

	it("adds up over its locations, and what is on hand is what is available and what is held", () => {
		const at = { available: 3, reserved: 2, sold: 4, received: 8, returned: 0, adjusted: 1, version: 9 };
		const view = stockView("A", [
			{ ...at, location: "main" },
			{ ...at, location: "north" },
		]);
		expect(view.locations[0]).toMatchObject({ location: "main", onHand: 5, version: 9 });
		expect(view.totals).toEqual({
			onHand: 10,
			available: 6,
			reserved: 4,
			sold: 8,
			received: 16,
			returned: 0,
			adjusted: 2,
		});
	});

	it("balances after any history", () => {
		const signs: Record<LedgerKind, 1 | -1> = { receive: 1, adjust: 1, reserve: -1, commit: 1, release: 1, return: 1 };
		const entry = fc.record({
			kind: fc.constantFrom(...(Object.keys(signs) as LedgerKind[])),
			quantity: fc.integer({ min: 1, max: 1_000 }),
		});
		fc.assert(
			fc.property(fc.array(entry), history => {
				const entries = history.map(({ kind, quantity }) => ({ kind, quantity: quantity * signs[kind] }));
				expect(isBalanced(replay(entries))).toBe(true);
			}),
		);
	});
});
