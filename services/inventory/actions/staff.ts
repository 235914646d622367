import { decodeCursor, encodeCursor } from "../../../lib/cursor.ts";
import { notFound } from "../../../lib/errors.ts";
import { listRules, skuRule, textRule } from "../../../lib/rules.ts";
import type { AppContext } from "../../../lib/typed.ts";
import { commandId } from "../../../mixins/commands.mixin.ts";
import { stockView } from "../domain/stock.ts";
import type { StockView } from "../inventory.contract.ts";
import type { InventoryActionGroup, InventoryService } from "../inventory.types.ts";
import type { LedgerPosition } from "../ledger.repository.ts";

const MAX_QUANTITY = 1_000_000;

const sku = skuRule();
const location = { type: "string", pattern: /^[a-z0-9][a-z0-9-]{0,31}$/, optional: true };
const reason = textRule(200);

/** Stock as staff see and correct it. */
export const staffActions: InventoryActionGroup<"get" | "ledger" | "receive" | "adjust"> = {
	get: {
		visibility: "published",
		rest: "GET /admin/inventory/:sku",
		permissions: ["inventory:read"],
		isIdempotent: true,
		params: { sku },
		openapi: { summary: "Stock of a SKU at all its locations", response: "StockView", tags: ["Inventory"] },
		handler(ctx) {
			return viewOf(this, ctx.params.sku);
		},
	},
	ledger: {
		visibility: "published",
		rest: "GET /admin/inventory/:sku/ledger",
		permissions: ["inventory:read"],
		isIdempotent: true,
		params: { sku, limit: { ...listRules.limit, convert: true }, cursor: listRules.cursor },
		openapi: { summary: "Every change of a SKU's stock, newest first", response: "LedgerPage", tags: ["Inventory"] },
		async handler(ctx) {
			const { sku: of, limit = 20, cursor } = ctx.params;
			const found = await this.ledger.page(of, limit + 1, cursor === undefined ? undefined : positionOf(cursor));
			const items = found.slice(0, limit);
			const last = items.at(-1);
			return { items, nextCursor: last && found.length > limit ? encodeCursor([Date.parse(last.at), last.id]) : null };
		},
	},
	receive: {
		visibility: "published",
		rest: { route: "POST /admin/inventory/:sku/receipts", status: 200 },
		permissions: ["inventory:write"],
		idempotency: "commands",
		params: { sku, location, quantity: { type: "number", integer: true, min: 1, max: MAX_QUANTITY }, reason },
		openapi: { summary: "Goods came in", response: "StockView", tags: ["Inventory"] },
		async handler(ctx) {
			const { sku: of, location: at, quantity, reason: why } = ctx.params;
			await this.holds.receive([{ sku: of, quantity, ...(at ? { location: at } : {}), ...causeOf(ctx, why) }]);
			return viewOf(this, of);
		},
	},
	adjust: {
		visibility: "published",
		rest: { route: "POST /admin/inventory/:sku/adjustments", status: 200 },
		permissions: ["inventory:write"],
		idempotency: "commands",
		params: {
			sku,
			location,
			delta: { type: "number", integer: true, min: -MAX_QUANTITY, max: MAX_QUANTITY, notEqual: 0 },
			reason,
		},
		openapi: {
			summary: "A correction, up or down",
			description: "409 when it would take what is available below zero.",
			response: "StockView",
			tags: ["Inventory"],
		},
		async handler(ctx) {
			const { sku: of, location: at, delta, reason: why } = ctx.params;
			await this.holds.adjust(of, at, delta, causeOf(ctx, why));
			return viewOf(this, of);
		},
	},
};

function positionOf(cursor: string): LedgerPosition {
	const [at, id] = decodeCursor(cursor, ["time", "string"]);
	return { at, id };
}

const causeOf = (ctx: AppContext, reason: string) => ({
	reference: commandId(ctx, "led"),
	reason,
	actor: ctx.meta.user?.id ?? null,
});

async function viewOf(service: InventoryService, of: string): Promise<StockView> {
	const locations = await service.stock.locations(of);
	if (locations.length === 0) throw notFound(`Stock of ${of}`);
	return stockView(of, locations);
}
