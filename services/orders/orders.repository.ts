import type { Model } from "mongoose";
import { backoffMs, errorLine, MAX_ATTEMPTS, type ParkedItem } from "../../lib/attempts.ts";
import { DomainError, isDuplicateKey } from "../../lib/errors.ts";
import { KEY_TTL_SECONDS } from "../../lib/idempotency.ts";
import { newOrderNumber } from "../../lib/ids.ts";
import { isDefinite, isNotYet } from "../../lib/not-yet.ts";
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
const WRITE_ATTEMPTS = 10;
/** The provider is asked after ten seconds, then ever more rarely, at most once an hour. */
const ASK_BASE_MS = 10_000;
const ASK_MAX_MS = 3_600_000;

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
				: { lease: { until: leaseUntil, epoch: 1, dueAt: leaseUntil } }),
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
		// A saga that still runs learns of it by the version: it must not take the key back.
		const given = { $set: { liveKey: null }, $inc: { version: 1 } };
		await this.#orders.updateOne(isOver, given, { maxTimeMS: MAX_TIME_MS });
		return this.#orders.findOne({ liveKey: keyHash }).maxTimeMS(MAX_TIME_MS).lean<OrderDocument>();
	}

	async write(order: OrderDocument, change: Change): Promise<OrderDocument> {
		let current: OrderDocument | null = order;
		for (let attempt = 1; current && attempt <= WRITE_ATTEMPTS; attempt++) {
			const written = await this.#writeOnce(current, change(current));
			if (written) return written;
			// Whoever has no lease has only the version; who has one may go on beside what others wrote.
			const now: OrderDocument | null = order.lease ? await this.find(order._id) : null;
			current = now?.lease && now.lease.epoch === order.lease?.epoch ? now : null;
		}
		throw new StaleLease(order._id);
	}

	async #writeOnce(order: OrderDocument, change: ReturnType<Change>): Promise<OrderDocument | null> {
		const { lease, outbox, ...fields } = change;
		const update = {
			$set: { ...fields, ...(lease === "end" ? { lease: null, recovery: null } : {}) },
			$inc: { version: 1 },
			...(outbox ? { $push: { outbox: { $each: outbox } } } : {}),
		};
		const guard = order.lease ? { "lease.epoch": order.lease.epoch } : { lease: null };
		const written = await this.#orders
			.findOneAndUpdate(
				{ _id: order._id, version: order.version, ...guard, ...(outbox ? hasOutboxRoom : {}) },
				update,
				{ new: true, maxTimeMS: MAX_TIME_MS },
			)
			.lean<OrderDocument>();
		if (written && outbox) this.#onEvent(order._id);
		return written;
	}

	/**
	 * Like `write`, and takes the lease at once: a saga begins on an order that nobody works on. Its epoch comes from the
	 * version, so that no epoch ever comes twice.
	 */
	async begin(order: OrderDocument, fields: Partial<OrderDocument>): Promise<OrderDocument | null> {
		const version = { $add: ["$version", 1] };
		const lease = { until: leaseUntil, epoch: version, dueAt: leaseUntil };
		const begun = await this.#orders.collection.findOneAndUpdate(
			{ _id: order._id as never, version: order.version, lease: null },
			[{ $set: { ...literal(fields), lease, version } }],
			AFTER,
		);
		return begun as unknown as OrderDocument | null;
	}

	async takeLease(id: string, by: "client" | "recovery" = "client"): Promise<OrderDocument | null> {
		const before = { $ifNull: ["$recovery.attempts", 0] };
		const attempts = by === "recovery" ? { $add: [before, 1] } : before;
		const isDue = by === "recovery" ? [{ $lte: ["$lease.dueAt", "$$NOW"] }] : [];
		// Should this process die as well, the next one comes after a longer pause.
		const pause = { $max: [LEASE_MS, { $min: [{ $multiply: [1_000, { $pow: [2, attempts] }] }, 600_000] }] };
		const taken = await this.#orders.collection.findOneAndUpdate(
			{
				_id: id as never,
				"lease.until": { $type: "date" },
				...(by === "recovery" ? { "lease.dueAt": { $type: "date" } } : {}),
				$expr: { $and: [{ $lte: ["$lease.until", "$$NOW"] }, ...isDue] },
			},
			[
				{
					$set: {
						lease: { until: leaseUntil, epoch: { $add: ["$lease.epoch", 1] }, dueAt: { $add: ["$$NOW", pause] } },
						recovery: {
							attempts,
							waits: { $ifNull: ["$recovery.waits", 0] },
							error: { $ifNull: ["$recovery.error", ""] },
							parkedAt: null,
						},
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
			{ $set: { "lease.until": leaseUntil, "lease.dueAt": { $max: ["$lease.dueAt", leaseUntil] } } },
		]);
	}

	async giveUp(order: OrderDocument, error: unknown): Promise<void> {
		const isWaiting = isNotYet(error);
		const attempts = isWaiting ? 0 : Math.max(1, order.recovery?.attempts ?? 0);
		const waits = (order.recovery?.waits ?? 0) + (isWaiting ? 1 : 0);
		const isOver = isDefinite(error) || attempts >= MAX_ATTEMPTS;
		const recovery = { attempts, waits, error: { $literal: errorLine(error) }, parkedAt: isOver ? "$$NOW" : null };
		const dueAt = isOver ? null : { $add: ["$$NOW", backoffMs(isWaiting ? waits : attempts)] };
		await this.#orders.collection.updateOne({ _id: order._id as never, "lease.epoch": order.lease?.epoch }, [
			{ $set: { "lease.until": "$$NOW", "lease.dueAt": dueAt, recovery } },
		]);
	}

	async parkedSagas(limit: number): Promise<ParkedItem[]> {
		const parked = await this.#orders
			.find({ "recovery.parkedAt": { $type: "date" } }, { recovery: 1, position: 1 })
			.sort({ "recovery.parkedAt": 1 })
			.limit(limit)
			.maxTimeMS(MAX_TIME_MS)
			.lean<Pick<OrderDocument, "_id" | "recovery" | "position">[]>();
		return parked.map(({ _id, recovery, position }) => ({
			id: _id,
			attempts: recovery?.attempts ?? 0,
			error: recovery?.error ?? "",
			parkedAt: recovery?.parkedAt ?? new Date(0),
			about: position,
		}));
	}

	countParkedSagas(): Promise<number> {
		return this.#orders.countDocuments({ "recovery.parkedAt": { $type: "date" } }).maxTimeMS(MAX_TIME_MS);
	}

	async resumeSaga(id: string): Promise<boolean> {
		const resumed = await this.#orders.collection.updateOne(
			{ _id: id as never, "recovery.parkedAt": { $type: "date" } },
			[{ $set: { recovery: null, "lease.dueAt": "$$NOW" } }],
		);
		return resumed.modifiedCount === 1;
	}

	/** Orders that wait for a payment and are to be asked about, the longest due first. */
	dueAskings(now: Date, limit: number): Promise<OrderDocument[]> {
		return this.#orders
			.find({ "asking.at": { $lte: now } })
			.sort({ "asking.at": 1 })
			.limit(limit)
			.maxTimeMS(MAX_TIME_MS)
			.lean<OrderDocument[]>();
	}

	/** Takes one for this process: the count is the epoch. The order itself does not change by being asked about. */
	takeAsking({ _id, asking, payBy }: OrderDocument, now: Date): Promise<OrderDocument | null> {
		const attempts = (asking?.attempts ?? 0) + 1;
		const next = now.getTime() + backoffMs(attempts, ASK_BASE_MS, ASK_MAX_MS);
		const end = payBy && payBy > now ? payBy.getTime() : Number.POSITIVE_INFINITY;
		return this.#orders
			.findOneAndUpdate(
				{ _id, status: "awaiting_payment", "asking.attempts": asking?.attempts },
				{ $set: { "asking.at": new Date(Math.min(next, end)), "asking.attempts": attempts } },
				{ new: true, maxTimeMS: MAX_TIME_MS },
			)
			.lean<OrderDocument>();
	}

	async noteAsking({ _id, asking }: OrderDocument, error: unknown): Promise<void> {
		await this.#orders.updateOne(
			{ _id, "asking.attempts": asking?.attempts },
			{ $set: { "asking.error": errorLine(error) } },
		);
	}

	/** Sagas that may need someone, the longest due first; `takeLease` decides. */
	dueSagas(now: Date, limit: number): Promise<OrderDocument[]> {
		return this.#orders
			.find({ "lease.dueAt": { $lte: now } }, { _id: 1 })
			.sort({ "lease.dueAt": 1 })
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
