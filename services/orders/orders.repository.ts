import type { Model } from "mongoose";
import { DomainError, isDuplicateKey } from "../../lib/errors.ts";
import { KEY_TTL_SECONDS } from "../../lib/idempotency.ts";
import { newOrderNumber } from "../../lib/ids.ts";
import { hasOutboxRoom } from "../../mixins/outbox.mixin.ts";
import type { OrderDocument } from "./orders.model.ts";
import { RefundRepository } from "./refunds.repository.ts";
import type { Change, Created, Orders } from "./use-cases/ports.ts";
import { StaleLease } from "./use-cases/saga.ts";

const MAX_TIME_MS = 5_000;
const LEASE_MS = 5_000;
const AFTER = { returnDocument: "after", maxTimeMS: MAX_TIME_MS } as const;
const NUMBER_ATTEMPTS = 5;
const KEY_MS = KEY_TTL_SECONDS * 1000;
/** Longer than the key it keeps, and than any process could sleep on its way to the same id. */
const TOMBSTONE_MS = 2 * KEY_MS;

const leaseUntil = { $add: ["$$NOW", LEASE_MS] };

export interface ListFilter {
	userId?: string;
	status?: string;
	email?: string;
}

/** Orders: every change is conditional on the version and the lease it was made under. */
export class OrderRepository implements Orders {
	readonly refunds: RefundRepository;
	readonly #orders: Model<OrderDocument>;
	readonly #onEvent: (id: string) => void;

	/** @param onEvent called after a commit that wrote an event */
	constructor(orders: Model<OrderDocument>, onEvent: (id: string) => void) {
		this.#orders = orders;
		this.refunds = new RefundRepository(orders);
		this.#onEvent = onEvent;
	}

	async create(order: OrderDocument): Promise<Created> {
		for (let attempt = 1; ; attempt++) {
			try {
				return { created: await this.#insert({ ...order, number: newOrderNumber() }), taken: null };
			} catch (error) {
				if (!isDuplicateKey(error)) throw error;
				// The id is taken, or the key is, or by a rare chance the number.
				const sameId = await this.attempt(order._id);
				if (sameId) return { created: null, taken: "id", by: sameId };
				const sameKey = order.liveKey ? await this.byKey(order.liveKey) : null;
				if (sameKey) return { created: null, taken: "key", by: sameKey };
				if (attempt >= NUMBER_ATTEMPTS) throw tooBusy();
			}
		}
	}

	/** An upsert as a pipeline, because lease and key are measured by the database's clock. */
	async #insert(document: OrderDocument): Promise<OrderDocument> {
		const times = {
			...(document.liveKey ? { keyUntil: { $add: ["$$NOW", KEY_MS] } } : {}),
			...(document.isTombstone
				? { expireAt: { $add: ["$$NOW", TOMBSTONE_MS] } }
				: { lease: { until: leaseUntil, epoch: 1 } }),
		};
		const created = await this.#orders.collection.findOneAndUpdate(
			{ _id: document._id as never, version: 0 },
			[{ $replaceWith: { $mergeObjects: [{ $literal: document }, times] } }],
			{ ...AFTER, upsert: true },
		);
		return created as unknown as OrderDocument;
	}

	/** An order; a tombstone is none. */
	find(id: string): Promise<OrderDocument | null> {
		return this.#orders
			.findOne({ _id: id, isTombstone: { $ne: true } })
			.maxTimeMS(MAX_TIME_MS)
			.lean<OrderDocument>();
	}

	attempt(id: string): Promise<OrderDocument | null> {
		return this.#orders.findById(id).maxTimeMS(MAX_TIME_MS).lean<OrderDocument>();
	}

	async byKey(keyHash: string): Promise<OrderDocument | null> {
		const isOver = { liveKey: keyHash, $expr: { $lte: ["$keyUntil", "$$NOW"] } };
		await this.#orders.updateOne(isOver, { $set: { liveKey: null } }, { maxTimeMS: MAX_TIME_MS });
		return this.#orders.findOne({ liveKey: keyHash }).maxTimeMS(MAX_TIME_MS).lean<OrderDocument>();
	}

	async write(order: OrderDocument, change: Change): Promise<OrderDocument> {
		const { lease, outbox, ...fields } = change(order);
		const update = {
			$set: { ...fields, ...(lease === "end" ? { lease: null } : {}) },
			$inc: { version: 1 },
			...(outbox ? { $push: { outbox: { $each: outbox } } } : {}),
		};
		const guard = order.lease ? { "lease.epoch": order.lease.epoch } : {};
		const written = await this.#orders
			.findOneAndUpdate(
				{ _id: order._id, version: order.version, ...guard, ...(outbox ? hasOutboxRoom : {}) },
				update,
				{ new: true, maxTimeMS: MAX_TIME_MS },
			)
			.lean<OrderDocument>();
		if (!written) throw new StaleLease(order._id);
		if (outbox) this.#onEvent(order._id);
		return written;
	}

	/** Like `write`, and takes the lease at once: a saga begins on an order that nobody works on. */
	async begin(order: OrderDocument, fields: Partial<OrderDocument>): Promise<OrderDocument | null> {
		const epoch = { $add: [{ $ifNull: ["$lease.epoch", 1] }, 1] };
		const begun = await this.#orders.collection.findOneAndUpdate(
			{ _id: order._id as never, version: order.version, lease: null },
			[{ $set: { ...literal(fields), lease: { until: leaseUntil, epoch }, version: { $add: ["$version", 1] } } }],
			AFTER,
		);
		return begun as unknown as OrderDocument | null;
	}

	async takeLease(id: string): Promise<OrderDocument | null> {
		const taken = await this.#orders.collection.findOneAndUpdate(
			{ _id: id as never, "lease.until": { $type: "date" }, $expr: { $lte: ["$lease.until", "$$NOW"] } },
			[
				{
					$set: {
						lease: { until: leaseUntil, epoch: { $add: ["$lease.epoch", 1] } },
						version: { $add: ["$version", 1] },
					},
				},
			],
			AFTER,
		);
		return taken as unknown as OrderDocument | null;
	}

	async renewLease(order: OrderDocument): Promise<void> {
		await this.#orders.collection.updateOne({ _id: order._id as never, "lease.epoch": order.lease?.epoch }, [
			{ $set: { "lease.until": leaseUntil } },
		]);
	}

	/** Sagas that may need someone, by this node's clock; the database's decides in `takeLease`. */
	dueSagas(now: Date, limit: number): Promise<OrderDocument[]> {
		return this.#orders
			.find({ "lease.until": { $lte: now } }, { _id: 1 })
			.limit(limit)
			.maxTimeMS(MAX_TIME_MS)
			.lean<OrderDocument[]>();
	}

	/** Newest first, after a point of the list. */
	page(
		filter: ListFilter,
		after: { createdAt: Date; id: string } | undefined,
		limit: number,
	): Promise<OrderDocument[]> {
		const older = after && {
			createdAt: { $lte: after.createdAt },
			$or: [{ createdAt: { $lt: after.createdAt } }, { createdAt: after.createdAt, _id: { $lt: after.id } }],
		};
		return this.#orders
			.find({ ...ordersOnly(filter), ...older })
			.sort({ createdAt: -1, _id: -1 })
			.limit(limit)
			.maxTimeMS(MAX_TIME_MS)
			.lean<OrderDocument[]>();
	}

	count(filter: ListFilter): Promise<number> {
		return this.#orders.countDocuments(ordersOnly(filter)).maxTimeMS(MAX_TIME_MS);
	}
}

/** Tombstones have neither a user nor an address: such lists need no word of them. */
const ordersOnly = (filter: ListFilter) =>
	filter.userId !== undefined || filter.email !== undefined ? filter : { isTombstone: false, ...filter };

/** Values for a pipeline, in which a text that begins with `$` would be read as a field. */
const literal = (fields: object): Record<string, unknown> =>
	Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, { $literal: value }]));

export const tooBusy = (): DomainError =>
	new DomainError("SERVICE_UNAVAILABLE", "Someone else changes this order right now; try again", {
		retryAfterSeconds: 1,
	});
