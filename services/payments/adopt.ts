import type { Model } from "mongoose";
import type { PaymentDocument } from "./payments.model.ts";

/**
 * Payments that an earlier version wrote: it counted a refund as `refunded` as soon as it was asked for, closed a payment
 * by its status alone, and kept the provider's token. Safe to run on every node, at every start.
 */
export async function adoptPayments(payments: Model<PaymentDocument>): Promise<void> {
	const pending = { $filter: { input: "$refunds", cond: { $eq: ["$$this.status", "pending"] } } };
	const underWay = { $sum: { $map: { input: pending, in: "$$this.amount" } } };
	// It called money refunded that is only on its way, and may yet be refused.
	const isEarly = { $and: [{ $eq: ["$status", "refunded"] }, { $gt: [underWay, 0] }] };
	const soFar = { $cond: [{ $gt: ["$refunded", underWay] }, "partially_refunded", "captured"] };
	await payments.collection.updateMany({ refunding: null as never }, [
		{
			$set: {
				refunding: underWay,
				refunded: { $subtract: ["$refunded", underWay] },
				status: { $cond: [isEarly, soFar, "$status"] },
				isClosed: { $eq: ["$status", "voided"] },
				token: "$$REMOVE",
			},
		},
	]);
}
