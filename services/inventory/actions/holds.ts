import { skuRule } from "../../../lib/rules.ts";
import { levelOf } from "../domain/stock.ts";
import type { InventoryActionGroup } from "../inventory.types.ts";

const MAX_LINES = 200;
const MAX_QUANTITY = 1_000_000;

const reference = { type: "string", min: 1, max: 128 };
const line = {
	sku: skuRule(),
	quantity: { type: "number", integer: true, min: 1, max: MAX_QUANTITY },
};
const lines = { type: "array", min: 1, max: MAX_LINES, items: { type: "object", props: line } };

/** What other services do with stock. Every command may safely come twice. */
export const holdActions: InventoryActionGroup<"reserve" | "commit" | "giveBack" | "receiveMany"> = {
	reserve: {
		visibility: "public",
		isIdempotent: true,
		params: { reference, lines },
		async handler(ctx) {
			const expiresAt = await this.holds.reserve(ctx.params.reference, ctx.params.lines);
			return { expiresAt: expiresAt.toISOString() };
		},
	},
	commit: {
		visibility: "public",
		isIdempotent: true,
		params: { reference, lines },
		handler(ctx) {
			return this.holds.commit(ctx.params.reference, ctx.params.lines);
		},
	},
	giveBack: {
		visibility: "public",
		isIdempotent: true,
		params: { reference, lines },
		async handler(ctx) {
			return { lines: await this.holds.giveBack(ctx.params.reference, ctx.params.lines) };
		},
	},
	receiveMany: {
		visibility: "public",
		isIdempotent: true,
		params: {
			items: { type: "array", min: 1, max: 1_000, items: { type: "object", props: { ...line, reference } } },
			reason: { type: "string", min: 1, max: 200 },
		},
		async handler(ctx) {
			const { items, reason } = ctx.params;
			await this.holds.receive(items.map(item => ({ ...item, reason, actor: null })));
			const sums = await this.stock.sums(items.map(({ sku }) => sku));
			const levels = [...sums].map(([sku, { available, version }]) => ({
				sku,
				level: levelOf(available),
				sequence: version,
			}));
			return { received: items.length, levels };
		},
	},
};
