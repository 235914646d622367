import fc from "fast-check";
import { errorType } from "../../lib/errors.ts";
import { refundableOf, shareOf } from "../../services/orders/domain/refunds.ts";
import type { OrderDocument } from "../../services/orders/orders.model.ts";
import { eur } from "../support/shop.ts";

type Refunded = Parameters<typeof shareOf>[0];

/** An order as far as refunds look at it; line totals need not be a multiple of their pieces. */
function orderOf(lines: readonly { quantity: number; total: number }[], shipping: number): Refunded {
	const total = lines.reduce((sum, line) => sum + line.total, shipping);
	return {
		lines: lines.map((line, i) => ({
			id: `lin_${i}`,
			sku: `S${i}`,
			quantity: line.quantity,
			lineTotal: eur(line.total),
		})) as OrderDocument["lines"],
		totals: { shipping: eur(shipping) } as OrderDocument["totals"],
		payment: { amount: eur(total), captured: total } as OrderDocument["payment"],
		refunds: [],
		refundTotal: 0,
	};
}

const line = fc.record({ quantity: fc.integer({ min: 1, max: 7 }), total: fc.integer({ min: 0, max: 1_000 }) });
const ask = fc.oneof(
	fc.record({
		lines: fc.array(fc.record({ line: fc.nat(3), quantity: fc.integer({ min: 1, max: 4 }) }), {
			minLength: 1,
			maxLength: 4,
		}),
	}),
	fc.record({ amount: fc.integer({ min: 1, max: 800 }) }),
	fc.record({ shipping: fc.integer({ min: 1, max: 300 }) }),
	fc.constant({}),
);

function requestOf(asked: { lines?: { line: number; quantity: number }[]; amount?: number; shipping?: number }) {
	return {
		...(asked.lines ? { lines: asked.lines.map(({ line: i, quantity }) => ({ sku: `S${i}`, quantity })) } : {}),
		...(asked.amount ? { amount: eur(asked.amount) } : {}),
		...(asked.shipping ? { shipping: eur(asked.shipping) } : {}),
	};
}

describe("Whatever refunds are asked for", () => {
	it("no line, no shipping and no order pays back more than it cost, and what failed may be asked for again", () => {
		const story = fc.array(fc.record({ ask, fails: fc.boolean() }), { maxLength: 20 });
		fc.assert(
			fc.property(fc.array(line, { minLength: 1, maxLength: 4 }), fc.nat(300), story, (lines, shipping, asks) => {
				let order = orderOf(lines, shipping);
				for (const { ask: asked, fails } of asks) {
					let share: ReturnType<typeof shareOf>;
					try {
						share = shareOf(order, requestOf(asked));
					} catch (error) {
						expect(["CONFLICT", "VALIDATION_ERROR"]).toContain(errorType(error));
						continue;
					}
					expect(share.amount.amount).toBeGreaterThan(0);
					const status = fails ? ("failed" as const) : ("done" as const);
					const refund = { id: "ref", ...share, reason: "", status, createdAt: "" };
					order = {
						...order,
						refunds: [...order.refunds, refund],
						refundTotal: order.refundTotal + (fails ? 0 : share.amount.amount),
					};
				}
				expect(order.refundTotal).toBeLessThanOrEqual(order.payment.captured);
				const done = order.refunds.filter(({ status }) => status === "done");
				for (const { id, quantity, lineTotal } of order.lines) {
					const shares = done.flatMap(refund => (refund.lines ?? []).filter(({ lineId }) => lineId === id));
					const pieces = shares.reduce((sum, share) => sum + share.quantity, 0);
					const amount = shares.reduce((sum, share) => sum + share.amount.amount, 0);
					expect(pieces).toBeLessThanOrEqual(quantity);
					expect(amount).toBeLessThanOrEqual(lineTotal.amount);
					if (pieces === quantity) expect(amount).toBe(lineTotal.amount);
				}
				const shipped = done.reduce((sum, refund) => sum + (refund.shipping?.amount ?? 0), 0);
				expect(shipped).toBeLessThanOrEqual(shipping);
			}),
		);
	});

	it("pieces one after another cost together what the line cost", () => {
		let order = orderOf([{ quantity: 3, total: 100 }], 0);
		const amounts: number[] = [];
		for (let i = 0; i < 3; i++) {
			const share = shareOf(order, { lines: [{ sku: "S0", quantity: 1 }] });
			amounts.push(share.amount.amount);
			const refund = { id: `ref_${i}`, ...share, reason: "", status: "pending" as const, createdAt: "" };
			order = { ...order, refunds: [...order.refunds, refund], refundTotal: order.refundTotal + share.amount.amount };
		}
		expect(amounts).toEqual([33, 33, 34]);
		expect(refundableOf(order)).toMatchObject({ order: 0, lines: [{ quantity: 0, amount: eur(0) }] });
	});
});
