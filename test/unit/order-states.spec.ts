import fc from "fast-check";
import {
	assertMove,
	canMove,
	historyEntry,
	INITIAL_STATUS,
	ORDER_TRANSITIONS,
} from "../../services/orders/domain/order-states.ts";
import type { OrderStatus } from "../../services/orders/orders.contract.ts";
import { PAYMENT_TRANSITIONS, sourcesOf } from "../../services/payments/domain/payment-states.ts";
import type { PaymentStatus } from "../../services/payments/payments.contract.ts";

const statuses = Object.keys(ORDER_TRANSITIONS) as OrderStatus[];
const at = new Date("2026-01-02T03:04:05Z");

function reachable<S extends string>(table: Readonly<Record<S, readonly S[]>>, start: S): Set<S> {
	const found = new Set([start]);
	for (const status of found) for (const next of table[status]) found.add(next);
	return found;
}

describe("The states of an order", () => {
	it("are all reached from the first one, and end in states that nothing leaves", () => {
		expect([...reachable(ORDER_TRANSITIONS, INITIAL_STATUS)].sort()).toEqual([...statuses].sort());
		expect(statuses.filter(status => ORDER_TRANSITIONS[status].length === 0).sort()).toEqual([
			"cancelled",
			"delivered",
			"failed",
		]);
	});

	it("move as the table says and no other way; a refusal names the moves there are", () => {
		fc.assert(
			fc.property(fc.constantFrom(...statuses), fc.constantFrom(...statuses), (from, to) => {
				if (ORDER_TRANSITIONS[from].includes(to)) {
					expect(canMove(from, to)).toBe(true);
					assertMove(from, to);
					return;
				}
				let refused: unknown;
				try {
					assertMove(from, to);
				} catch (error) {
					refused = error;
				}
				expect(refused).toMatchObject({
					type: "INVALID_TRANSITION",
					data: { details: { from, to, allowed: ORDER_TRANSITIONS[from] } },
				});
			}),
		);
	});

	it("leave a history that explains the last one, however an order wanders", () => {
		fc.assert(
			fc.property(fc.array(fc.nat(), { maxLength: 12 }), choices => {
				let status: OrderStatus = INITIAL_STATUS;
				const history = [historyEntry(null, status, at, "guest", "checkout")];
				for (const choice of choices) {
					const next = ORDER_TRANSITIONS[status][choice % Math.max(1, ORDER_TRANSITIONS[status].length)];
					if (!next) break;
					history.push(historyEntry(status, next, at, "someone", "test"));
					status = next;
				}
				expect(history.at(-1)?.to).toBe(status);
				for (const [i, move] of history.entries()) if (i > 0) expect(move.from).toBe(history[i - 1]?.to);
			}),
		);
	});

	it("never lead from money that was given back to money that is kept", () => {
		for (const end of ["cancelled", "failed"] as const) expect([...reachable(ORDER_TRANSITIONS, end)]).toEqual([end]);
	});
});

describe("The states of a payment", () => {
	const all = Object.keys(PAYMENT_TRANSITIONS) as PaymentStatus[];

	it("are all reached; refunded money is never captured again, and what was given up only where the provider took it after all", () => {
		expect([...reachable(PAYMENT_TRANSITIONS, "pending")].sort()).toEqual([...all].sort());
		expect(reachable(PAYMENT_TRANSITIONS, "refunded").has("captured")).toBe(false);
		for (const givenUp of ["voided", "failed"] as const) expect(PAYMENT_TRANSITIONS[givenUp]).toEqual(["captured"]);
	});

	it("name as sources exactly the states that lead there", () => {
		for (const to of all) {
			for (const from of all) expect(sourcesOf(to).includes(from)).toBe(PAYMENT_TRANSITIONS[from].includes(to));
		}
	});
});
