import type { Model } from "mongoose";
import { backoffMs, MAX_ATTEMPTS, type ParkedItem } from "../../lib/attempts.ts";
import { KEY_TTL_SECONDS, type Outcome } from "../../lib/idempotency.ts";
import { REFUNDABLE } from "./domain/order-states.ts";
import { MAX_WAIT_MS, takenOf } from "./domain/refunds.ts";
import { MAX_COMMANDS } from "./keys.ts";
import type { CommandDocument, OrderDocument, RefundDocument } from "./orders.model.ts";

const MAX_TIME_MS = 5_000;
const LEASE_MS = 5_000;
const AFTER = { returnDocument: "after", maxTimeMS: MAX_TIME_MS } as const;
/** Of an order, ended or not: its document must not grow for ever. */
export const MAX_REFUNDS = 500;

const later = (ms: number) => ({ $add: ["$$NOW", ms] });
const bumped = { version: { $add: ["$version", 1] } };

/** See `keptCommands`. */
const keptCommands = {
	$filter: {
		input: {
			$map: {
				input: "$commands",
				in: { $mergeObjects: ["$$this", { at: { $ifNull: ["$$this.at", "$$NOW"] } }] },
			},
		},
		cond: {
			$or: [
				{ $eq: [{ $ifNull: ["$$this.outcome", null] }, null] },
				{ $gte: ["$$this.at", { $subtract: ["$$NOW", KEY_TTL_SECONDS * 1_000] }] },
			],
		},
	},
};
const hasRoomForKey = { $lt: [{ $size: keptCommands }, MAX_COMMANDS] };
const withCommand = (command: Omit<CommandDocument, "at">) => ({
	$concatArrays: [keptCommands, [{ $mergeObjects: [{ $literal: command }, { at: "$$NOW" }] }]],
});

/** The shares of all refunds that did not fail, added up by a path of theirs. */
const standing = { $filter: { input: "$refunds", cond: { $ne: ["$$this.status", "failed"] } } };
const takenOfLine = (lineId: string, value: string) => ({
	$sum: {
		$map: {
			input: {
				$reduce: {
					input: standing,
					initialValue: [],
					in: { $concatArrays: ["$$value", { $ifNull: ["$$this.lines", []] }] },
				},
			},
			in: { $cond: [{ $eq: ["$$this.lineId", lineId] }, `$$this.${value}`, 0] },
		},
	},
});
const takenOfShipping = { $sum: { $map: { input: standing, in: { $ifNull: ["$$this.shipping.amount", 0] } } } };

/** One refund of an order in the shape that a pipeline update needs. */
const changed = (refundId: string, change: object) => ({
	$map: {
		input: "$refunds",
		in: { $cond: [{ $eq: ["$$this.id", refundId] }, { $mergeObjects: ["$$this", change] }, "$$this"] },
	},
});
const anyRefund = (refundId: string, ...conditions: object[]) => ({
	$anyElementTrue: [
		{
			$map: {
				input: "$refunds",
				in: { $and: [{ $eq: ["$$this.id", refundId] }, { $eq: ["$$this.status", "pending"] }, ...conditions] },
			},
		},
	],
});

/** Refunds live in their order: each change is one conditional update of it. */
export class RefundRepository {
	readonly #orders: Model<OrderDocument>;

	constructor(orders: Model<OrderDocument>) {
		this.#orders = orders;
	}

	/**
	 * Sets a refund aside, once per key: never above what was captured, and only while its lines are refunded as far as
	 * they were when its share was worked out.
	 * @returns null when the order has changed in one of these
	 */
	start(
		order: OrderDocument,
		refund: RefundDocument,
		command: Omit<CommandDocument, "at">,
	): Promise<OrderDocument | null> {
		const { amount } = refund.amount;
		const lines = (refund.lines ?? []).flatMap(({ lineId }) => {
			const taken = takenOf(order, lineId);
			return [
				{ $eq: [takenOfLine(lineId, "quantity"), taken.quantity] },
				{ $eq: [takenOfLine(lineId, "amount.amount"), taken.amount] },
			];
		});
		const shipping = { $lte: [{ $add: [takenOfShipping, refund.shipping?.amount ?? 0] }, "$totals.shipping.amount"] };
		return this.#update(
			order._id,
			{
				status: { $in: REFUNDABLE },
				lease: null,
				"commands.keyHash": { $ne: command.keyHash },
				[`refunds.${MAX_REFUNDS - 1}`]: { $exists: false },
				$expr: {
					$and: [
						{ $lte: [{ $add: ["$refundTotal", amount] }, "$payment.captured"] },
						shipping,
						hasRoomForKey,
						...lines,
					],
				},
			},
			{
				refundTotal: { $add: ["$refundTotal", amount] },
				refunds: {
					$concatArrays: [
						"$refunds",
						[{ $mergeObjects: [{ $literal: refund }, { leaseUntil: later(LEASE_MS), epoch: 1, attempts: 1 }] }],
					],
				},
				commands: withCommand(command),
			},
		);
	}

	/** Keeps the refusal of a command that made nothing. @returns whether it is kept: not beside a saga, or without room */
	async refuse(id: string, command: Omit<CommandDocument, "at">, outcome: Outcome): Promise<boolean> {
		const kept = await this.#update(
			id,
			{ lease: null, "commands.keyHash": { $ne: command.keyHash }, $expr: hasRoomForKey },
			{ commands: withCommand({ ...command, outcome }) },
		);
		return kept !== null;
	}

	/** Takes over a refund whose process is gone; null when it is not pending, or still worked on. */
	take(id: string, refundId: string): Promise<OrderDocument | null> {
		return this.#update(
			id,
			{
				$expr: anyRefund(
					refundId,
					{ $eq: [{ $type: "$$this.leaseUntil" }, "date"] },
					{ $lte: ["$$this.leaseUntil", "$$NOW"] },
				),
			},
			{
				refunds: changed(refundId, {
					leaseUntil: later(LEASE_MS),
					epoch: { $add: [{ $ifNull: ["$$this.epoch", 1] }, 1] },
					attempts: { $add: [{ $ifNull: ["$$this.attempts", 1] }, 1] },
				}),
			},
		);
	}

	/** A try in vain: the next one comes later, or, after the last, when an operator says so. */
	async postpone(id: string, { id: refundId, epoch = 1, attempts = 1 }: RefundDocument, error: string): Promise<void> {
		const isLast = attempts >= MAX_ATTEMPTS;
		const change = isLast
			? { leaseUntil: null, parkedAt: "$$NOW", error: { $literal: error } }
			: { leaseUntil: later(backoffMs(attempts)), error: { $literal: error } };
		await this.#update(
			id,
			{ $expr: anyRefund(refundId, { $eq: [{ $ifNull: ["$$this.epoch", 1] }, epoch] }) },
			{ refunds: changed(refundId, change) },
		);
	}

	/** The provider has not said: no failed try, but asked again later and later, and parked when it says nothing for days. */
	async wait(id: string, { id: refundId, epoch = 1, waits = 0, createdAt }: RefundDocument, now: Date): Promise<void> {
		const isTooLong = now.getTime() - Date.parse(createdAt) > MAX_WAIT_MS;
		const next = isTooLong ? { leaseUntil: null, parkedAt: "$$NOW" } : { leaseUntil: later(backoffMs(waits + 1)) };
		await this.#update(
			id,
			{ $expr: anyRefund(refundId, { $eq: [{ $ifNull: ["$$this.epoch", 1] }, epoch] }) },
			{
				refunds: changed(refundId, {
					...next,
					attempts: 0,
					waits: waits + 1,
					error: { $literal: "The provider has not said" },
				}),
			},
		);
	}

	/** Orders with refunds that may need someone; `take` decides. */
	due(now: Date, limit: number): Promise<OrderDocument[]> {
		return this.#orders
			.find({ "refunds.leaseUntil": { $lte: now } }, { refunds: 1 })
			.limit(limit)
			.maxTimeMS(MAX_TIME_MS)
			.lean<OrderDocument[]>();
	}

	async parked(limit: number): Promise<ParkedItem[]> {
		const orders = await this.#orders
			.find(isParked, { refunds: 1 })
			.sort({ "refunds.parkedAt": 1 })
			.limit(limit)
			.maxTimeMS(MAX_TIME_MS)
			.lean<Pick<OrderDocument, "_id" | "refunds">[]>();
		return orders
			.flatMap(({ _id, refunds }) =>
				refunds.flatMap(({ id, attempts = 0, error = "", parkedAt, amount }) =>
					parkedAt ? [{ id, attempts, error, parkedAt, about: `${amount.amount} ${amount.currency} of ${_id}` }] : [],
				),
			)
			.slice(0, limit);
	}

	countParked(): Promise<number> {
		return this.#orders.countDocuments(isParked).maxTimeMS(MAX_TIME_MS);
	}

	/** @returns false when no refund of this id is parked */
	async resume(refundId: string): Promise<boolean> {
		const { modifiedCount } = await this.#orders.collection.updateOne(
			{ "refunds.parkedAt": { $type: "date" }, refunds: { $elemMatch: { id: refundId, parkedAt: { $type: "date" } } } },
			[{ $set: { refunds: changed(refundId, { parkedAt: null, attempts: 0, leaseUntil: "$$NOW" }), ...bumped } }],
		);
		return modifiedCount === 1;
	}

	async #update(id: string, filter: object, set: object): Promise<OrderDocument | null> {
		const updated = await this.#orders.collection.findOneAndUpdate(
			{ _id: id as never, ...filter },
			[{ $set: { ...set, ...bumped } }],
			AFTER,
		);
		return updated as unknown as OrderDocument | null;
	}
}

const isParked = { "refunds.parkedAt": { $type: "date" } };
