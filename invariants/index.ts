import { checkNotifications, checkNumbers, checkOutboxes, checkSagas } from "./endings.ts";
import { checkCharges, checkOrders, checkSums } from "./money.ts";
import { readShop, type ShopState } from "./shop-state.ts";
import { checkOversell, checkStock } from "./stock.ts";
import type { Violation } from "./violation.ts";

export type { Violation };

export interface Report {
	ok: boolean;
	/** How many of each were looked at. */
	checked: { skus: number; orders: number; payments: number; charges: number };
	violations: Violation[];
}

const CHECKS = [
	checkStock,
	checkOrders,
	checkCharges,
	checkSums,
	checkOversell,
	checkNumbers,
	checkSagas,
	checkOutboxes,
	checkNotifications,
] as const;

/** Checks a state that was read. */
export function checkState(state: ShopState): Report {
	const violations = CHECKS.flatMap(check => check(state));
	return {
		ok: violations.length === 0,
		checked: {
			skus: state.stock.length,
			orders: state.orders.length,
			payments: state.payments.length,
			charges: state.charges.length,
		},
		violations,
	};
}

/**
 * Checks that stock and money are right (I1–I5, I8) and that everything that was begun has ended (I10–I12). The
 * databases are read one after the other, so on a shop at work a violation may be about what is under way right now:
 * repeat, and look at what stays.
 */
export const checkInvariants = async (mongodbUri: string): Promise<Report> => checkState(await readShop(mongodbUri));
