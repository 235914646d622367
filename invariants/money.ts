import type { ChargeState, OrderState, ShopState } from "./shop-state.ts";
import type { Violation } from "./violation.ts";

/** Statuses in which the shop has the customer's money, unless it was refunded. */
const PAID = new Set(["paid", "partially_shipped", "shipped", "delivered"]);
const NEXT: Readonly<Record<string, readonly string[]>> = {
	pending: ["paid", "awaiting_payment", "failed"],
	awaiting_payment: ["paid", "cancelled"],
	paid: ["partially_shipped", "shipped", "cancelled"],
	partially_shipped: ["shipped"],
	shipped: ["delivered"],
};

const captured = (charge: ChargeState): number =>
	charge.entries.filter(({ kind }) => kind === "capture").reduce((sum, { amount }) => sum + amount.amount, 0);

/** I2: every order's history explains its status; money that was kept belongs to exactly one order that is paid. */
export function checkOrders({ orders, charges }: ShopState): Violation[] {
	const byOrder = Map.groupBy(charges, ({ orderId }) => orderId);
	const known = new Map(orders.map(order => [order._id, order]));
	const found: Violation[] = [];
	const tell = (subject: string, message: string) => found.push({ invariant: "I2", subject, message });
	for (const order of orders) {
		if (!isExplained(order)) tell(order._id, `is ${order.status}, which its history does not explain`);
		const kept = (byOrder.get(order._id) ?? []).filter(charge => captured(charge) > 0);
		if (PAID.has(order.status) && order.totals.total.amount > 0 && kept.length !== 1) {
			tell(order._id, `is ${order.status} and has ${kept.length} captured charges`);
		}
	}
	for (const charge of charges) {
		const left = captured(charge) - charge.refunded;
		const order = known.get(charge.orderId);
		if (left > 0 && !(order && PAID.has(order.status))) {
			tell(
				charge.orderId,
				`${left} of ${charge._id} was captured and kept; its order is ${order?.status ?? "nowhere"}`,
			);
		}
	}
	return found;
}

function isExplained({ status, history }: OrderState): boolean {
	if (history.length === 0 || history[0]?.from !== null || history.at(-1)?.to !== status) return false;
	return history.every(
		(move, i) => i === 0 || (move.from === history[i - 1]?.to && (NEXT[move.from ?? ""] ?? []).includes(move.to)),
	);
}

/** I3: at most one charge per order and per key, never more than the order's total. */
export function checkCharges({ orders, charges }: ShopState): Violation[] {
	const totals = new Map(orders.map(order => [order._id, order.totals.total.amount]));
	const found: Violation[] = [];
	const tell = (subject: string, message: string) => found.push({ invariant: "I3", subject, message });
	const keys = new Set<string>();
	for (const { key } of charges.flatMap(({ entries }) => entries)) {
		if (keys.has(key)) tell(key, "moved money more than once");
		keys.add(key);
	}
	for (const [orderId, own] of Map.groupBy(charges, ({ orderId: id }) => id)) {
		const taken = own.reduce((sum, charge) => sum + captured(charge), 0);
		if (taken > (totals.get(orderId) ?? 0))
			tell(orderId, `${taken} was captured for an order of ${totals.get(orderId) ?? 0}`);
	}
	return found;
}

/** I4: an order's sums add up, in one currency; what is paid is the total; refunds stay below it, at the provider too. */
export function checkSums({ orders, payments, charges }: ShopState): Violation[] {
	const found: Violation[] = [];
	const tell = (subject: string, message: string) => found.push({ invariant: "I4", subject, message });
	for (const { _id, lines, totals, payment, refunds, refundTotal, status } of orders) {
		const { subtotal, discount, shipping, tax, total } = totals;
		const sum = lines.reduce((all, line) => all + line.unitPrice.amount * line.quantity, 0);
		if (lines.some(line => line.lineTotal.amount !== line.unitPrice.amount * line.quantity))
			tell(_id, "a line is not price × quantity");
		if (sum !== subtotal.amount) tell(_id, `its lines add up to ${sum}, its subtotal is ${subtotal.amount}`);
		if (sum - discount.amount + shipping.amount + tax.amount !== total.amount)
			tell(_id, "subtotal − discount + shipping + tax is not its total");
		const currencies = new Set([
			...lines.map(line => line.unitPrice.currency),
			subtotal.currency,
			total.currency,
			payment.amount.currency,
		]);
		if (currencies.size > 1) tell(_id, `mixes ${[...currencies].join(" and ")}`);
		if (PAID.has(status) && payment.captured !== total.amount)
			tell(_id, `${payment.captured} was captured of a total of ${total.amount}`);
		const refunded = refunds
			.filter(refund => refund.status !== "failed")
			.reduce((all, refund) => all + refund.amount.amount, 0);
		if (refunded !== refundTotal) tell(_id, `its refunds add up to ${refunded}, the total says ${refundTotal}`);
		if (refunded > payment.captured) tell(_id, `${refunded} was refunded of ${payment.captured} captured`);
	}
	for (const payment of payments) {
		if (payment.refunded > payment.captured)
			tell(payment.orderId, `its payment refunded ${payment.refunded} of ${payment.captured}`);
	}
	for (const charge of charges) {
		if (charge.refunded > captured(charge))
			tell(charge.orderId, `the provider refunded ${charge.refunded} of ${captured(charge)}`);
	}
	return found;
}
