import type { Model } from "mongoose";
import type { OrderDocument } from "./orders.model.ts";

/**
 * Orders that an earlier version wrote get what this one goes by: they had no mark of tombstones (nor tombstones of
 * carts), no time at which a sweep takes their sagas over, and no deadline while they waited for a payment. That
 * deadline counts from now: nobody was told of one before. Safe to run on every node, at every start.
 */
export async function adoptOrders(orders: Model<OrderDocument>, awaitingPaymentMs: number): Promise<void> {
	const isWaiting = { $eq: ["$status", "awaiting_payment"] };
	const isLeased = { $eq: [{ $type: "$lease.until" }, "date"] };
	await orders.collection.updateMany({ isTombstone: null as never }, [
		{
			$set: {
				isTombstone: { $eq: ["$cartId", ""] },
				lease: { $cond: [isLeased, { $mergeObjects: ["$lease", { dueAt: "$lease.until" }] }, null] },
				payBy: { $cond: [isWaiting, { $add: ["$$NOW", awaitingPaymentMs] }, null] },
				asking: { $cond: [isWaiting, { at: "$$NOW", attempts: 0, error: null }, null] },
			},
		},
	]);
}
