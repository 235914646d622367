import { labelOf } from "../../lib/addresses.ts";
import type { Order, OrderRefund } from "./orders.contract.ts";
import type { OrderDocument, RefundDocument } from "./orders.model.ts";

const toRefund = ({ id, amount, lines = [], shipping, reason, status, createdAt }: RefundDocument): OrderRefund => ({
	id,
	amount,
	lines,
	shipping: shipping ?? { amount: 0, currency: amount.currency },
	reason,
	status,
	createdAt,
});

/** An order as its owner and staff see it: nothing of the saga, of keys or of the provider. */
export const toOrder = (order: OrderDocument): Order => ({
	id: order._id,
	number: order.number,
	status: order.status,
	email: order.email,
	lines: order.lines,
	totals: order.totals,
	shippingAddress: order.shippingAddress,
	billingAddress: order.billingAddress,
	shippingLabel: labelOf(order.shippingAddress),
	payment: { status: order.payment.status, method: order.payment.method, amount: order.payment.amount },
	fulfilments: order.fulfilments,
	refunds: order.refunds.map(toRefund),
	history: order.history,
	createdAt: order.createdAt.toISOString(),
	version: order.version,
});
