import { Schema } from "mongoose";
import type { OutboxEntry } from "../../lib/events.ts";
import type { Outcome } from "../../lib/idempotency.ts";
import type { Money } from "../../lib/money.ts";
import type { Totals } from "../../lib/totals.ts";
import { defineModel } from "../../mixins/db.mixin.ts";
import { outboxFields, outboxIndex } from "../../mixins/outbox.mixin.ts";
import type {
	Address,
	OrderFulfilment,
	OrderHistoryEntry,
	OrderLine,
	OrderStatus,
	RefundLine,
} from "./orders.contract.ts";

/**
 * Where the order's saga stands. `started`: nothing is promised, a crash ends in compensation. `confirmed`: the point
 * of no return, a crash ends in a paid order. `declining`, `cancelling`: what is undone is undone to the end.
 * `unwinding`: money came after the order had ended, and is sent back.
 */
export type SagaPosition = "started" | "confirmed" | "declining" | "cancelling" | "unwinding" | "done";

/** Who works on a saga: whoever took the epoch, until the database's clock says so. */
export interface Lease {
	until: Date;
	epoch: number;
	/** When a sweep takes it over, should it still be there: later with each try in vain, null once it is parked. */
	dueAt: Date | null;
}

/** The tries of recoveries on an order's saga. */
export interface Recovery {
	attempts: number;
	/** How often the provider had not paid back yet: no failed try. */
	waits?: number;
	/** What the last one ended with. */
	error: string;
	parkedAt: Date | null;
}

/** How often the provider was asked about a payment that settles later, and when it is asked again. */
export interface Asking {
	at: Date;
	attempts: number;
	error: string | null;
}

/** What payments said last. */
export interface PaymentBook {
	status: string;
	method: string;
	amount: Money;
	chargeId: string | null;
	captured: number;
	/** Of the payment, when it said so. */
	version?: number;
}

export interface RefundDocument {
	id: string;
	amount: Money;
	/** Of what it takes: pieces and money per line, and shipping; the rest belongs to the order as a whole. */
	lines?: RefundLine[];
	shipping?: Money;
	reason: string;
	status: "pending" | "done" | "failed";
	createdAt: string;
	/** While it is pending: when its process is taken for dead, or its next try is due. Null when it is parked. */
	leaseUntil?: Date | null;
	/** Who works on it: whoever took it last. */
	epoch?: number;
	/** How often it was tried, and what the last try ended with. */
	attempts?: number;
	/** How often the provider had not said yet. */
	waits?: number;
	error?: string;
	parkedAt?: Date | null;
}

/** A command with an `Idempotency-Key`, kept with its effect. */
export interface CommandDocument {
	keyHash: string;
	requestHash: string;
	/** The refund it made; null for a cancellation, and for what was refused. */
	refundId: string | null;
	outcome: Outcome | null;
	/** Kept for a day from here, longer while it is pending. */
	at?: Date;
}

export interface Failure {
	type: string;
	message: string;
	data?: object;
	/** A repeat with the same key would end the same: the outcome is kept. */
	isFinal: boolean;
}

/**
 * The collection is the register of checkout attempts: every claim of a cart ends as one document under the id that was
 * chosen when the cart was claimed. Either it is an order, or a tombstone (`isTombstone`): an attempt that ended before
 * there was an order, with `status: "failed"`, `position: "done"`, no lease, the cart's id, no lines, and totals of
 * nothing. A tombstone is in no list, is counted nowhere and is NOT_FOUND for everybody who asks for an order; it goes
 * after its key.
 */
export interface OrderDocument {
	_id: string;
	isTombstone: boolean;
	/** Of a tombstone only: when it may go. */
	expireAt?: Date;
	number: string;
	/** Null for a guest. */
	userId: string | null;
	email: string;
	cartId: string;
	keyHash: string;
	requestHash: string;
	/**
	 * The key's hash as long as this attempt is what the key stands for: unique, so that one key makes one attempt, whatever
	 * its cart. Null when a repeat is to try anew, since the attempt ended in nothing final.
	 */
	liveKey: string | null;
	/** From then on the key may be used for something else. */
	keyUntil: Date | null;
	/** Of the first request; null when there was none, as in a sweep. */
	requestId: string | null;
	status: OrderStatus;
	position: SagaPosition;
	/** Null when nobody has to work on it. */
	lease: Lease | null;
	recovery?: Recovery | null;
	/** While it waits for its payment: when it is cancelled for want of it. */
	payBy?: Date | null;
	asking?: Asking | null;
	lines: OrderLine[];
	totals: Totals;
	shippingAddress: Address;
	billingAddress: Address;
	payment: PaymentBook;
	fulfilments: OrderFulfilment[];
	refunds: RefundDocument[];
	/** Refunds that are done or under way, in minor units. */
	refundTotal: number;
	history: OrderHistoryEntry[];
	failure: Failure | null;
	/** The first answer of the checkout, as it was sent: the order, or a refusal that is final. */
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
		isTombstone: { type: Boolean, default: false },
		expireAt: Date,
		number: text,
		userId: { type: String, default: null },
		email: { type: String, default: "" },
		cartId: text,
		keyHash: { type: String, default: "" },
		requestHash: { type: String, default: "" },
		liveKey: { type: String, default: null },
		keyUntil: { type: Date, default: null },
		requestId: { type: String, default: null },
		status: text,
		position: text,
		lease: mixed(null),
		recovery: mixed(null),
		payBy: { type: Date, default: null },
		asking: mixed(null),
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
// Tombstones stand apart, so that no number of them makes a list of orders slower.
orderSchema.index({ isTombstone: 1, createdAt: -1, _id: -1 });
orderSchema.index({ isTombstone: 1, status: 1, createdAt: -1, _id: -1 });
orderSchema.index({ liveKey: 1 }, { unique: true, partialFilterExpression: { liveKey: { $type: "string" } } });
orderSchema.index({ expireAt: 1 }, { expireAfterSeconds: 0 });
orderSchema.index({ email: 1, createdAt: -1, _id: -1 });
const whileDate = (field: string) => ({ partialFilterExpression: { [field]: { $type: "date" } } });
// What is parked is not due: it is in the way of nothing.
orderSchema.index({ "lease.dueAt": 1 }, whileDate("lease.dueAt"));
orderSchema.index({ "recovery.parkedAt": 1 }, whileDate("recovery.parkedAt"));
orderSchema.index({ "asking.at": 1 }, whileDate("asking.at"));
orderSchema.index({ "refunds.leaseUntil": 1 }, whileDate("refunds.leaseUntil"));
orderSchema.index({ "refunds.parkedAt": 1 }, whileDate("refunds.parkedAt"));

export const orderModels = { orders: defineModel("orders", outboxIndex(orderSchema)) };
