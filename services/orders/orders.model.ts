import { Schema } from "mongoose";
import type { OutboxEntry } from "../../lib/events.ts";
import type { Outcome } from "../../lib/idempotency.ts";
import type { Money } from "../../lib/money.ts";
import type { Totals } from "../../lib/totals.ts";
import { defineModel } from "../../mixins/db.mixin.ts";
import { outboxFields, outboxIndex } from "../../mixins/outbox.mixin.ts";
import type { Address, OrderFulfilment, OrderHistoryEntry, OrderLine, OrderStatus } from "./orders.contract.ts";

/**
 * Where the order's saga stands. `started`: nothing is promised, a crash ends in compensation. `confirmed`: the point
 * of no return, a crash ends in a paid order. `declining`, `cancelling`: what is undone is undone to the end.
 */
export type SagaPosition = "started" | "confirmed" | "declining" | "cancelling" | "done";

export interface RefundDocument {
	id: string;
	amount: Money;
	reason: string;
	status: "pending" | "done" | "failed";
	createdAt: string;
	/** While it is pending: when its process is taken for dead. */
	leaseUntil?: Date;
}

/** A command with an `Idempotency-Key`, kept with its effect. */
export interface CommandDocument {
	keyHash: string;
	requestHash: string;
	/** The refund it made; null for a cancellation. */
	refundId: string | null;
	outcome: Outcome | null;
}

export interface Failure {
	type: string;
	message: string;
	data?: object;
	/** A repeat with the same key would end the same: the outcome is kept. */
	isFinal: boolean;
}

export interface OrderDocument {
	_id: string;
	number: string;
	/** Null for a guest. */
	userId: string | null;
	email: string;
	cartId: string;
	keyHash: string;
	requestHash: string;
	status: OrderStatus;
	position: SagaPosition;
	/** Who works on the saga: whoever took the epoch, until the database's clock says so. Null when nobody has to. */
	lease: { until: Date; epoch: number } | null;
	lines: OrderLine[];
	totals: Totals;
	shippingAddress: Address;
	billingAddress: Address;
	payment: { status: string; method: string; amount: Money; chargeId: string | null; captured: number };
	fulfilments: OrderFulfilment[];
	refunds: RefundDocument[];
	/** Refunds that are done or under way, in minor units. */
	refundTotal: number;
	history: OrderHistoryEntry[];
	failure: Failure | null;
	/** The first answer of the checkout, as it was sent. */
	outcome: Outcome | null;
	commands: CommandDocument[];
	cancelReason: string | null;
	createdAt: Date;
	version: number;
	outbox?: OutboxEntry[];
}

const mixed = (fallback: unknown) => ({ type: Schema.Types.Mixed, default: fallback });
const text = { type: String, required: true };

const orderSchema = new Schema<OrderDocument>(
	{
		_id: text,
		number: text,
		userId: { type: String, default: null },
		email: text,
		cartId: text,
		keyHash: text,
		requestHash: text,
		status: text,
		position: text,
		lease: mixed(null),
		lines: mixed([]),
		totals: mixed(null),
		shippingAddress: mixed(null),
		billingAddress: mixed(null),
		payment: mixed(null),
		fulfilments: mixed([]),
		refunds: mixed([]),
		refundTotal: { type: Number, default: 0 },
		history: mixed([]),
		failure: mixed(null),
		outcome: mixed(null),
		commands: mixed([]),
		cancelReason: { type: String, default: null },
		createdAt: { type: Date, required: true },
		version: { type: Number, required: true },
		...outboxFields,
	},
	{ versionKey: false },
);
orderSchema.index({ number: 1 }, { unique: true });
orderSchema.index({ userId: 1, createdAt: -1, _id: -1 });
orderSchema.index({ createdAt: -1, _id: -1 });
orderSchema.index({ status: 1, createdAt: -1, _id: -1 });
orderSchema.index({ email: 1, createdAt: -1, _id: -1 });
orderSchema.index({ "lease.until": 1 }, { partialFilterExpression: { "lease.until": { $type: "date" } } });
orderSchema.index(
	{ "refunds.leaseUntil": 1 },
	{ partialFilterExpression: { "refunds.leaseUntil": { $type: "date" } } },
);

export const orderModels = { orders: defineModel("orders", outboxIndex(orderSchema)) };
