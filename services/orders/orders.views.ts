import type { Order } from "./orders.contract.ts";
import type { OrderDocument, RefundDocument } from "./orders.model.ts";

const toRefund = ({ leaseUntil: _, ...refund }: RefundDocument) => refund;

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
	payment: { status: order.payment.status, method: order.payment.method, amount: order.payment.amount },
	fulfilments: order.fulfilments,
	refunds: order.refunds.map(toRefund),
	history: order.history,
	createdAt: order.createdAt.toISOString(),
	version: order.version,
});
