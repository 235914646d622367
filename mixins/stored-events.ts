import { type Model, type mongo, type PipelineStage, Schema } from "mongoose";
import { backoffMs } from "../lib/attempts.ts";
import type { DomainEvent } from "../ports/events/port.ts";
import { defineModel } from "./db.mixin.ts";

const KEEP_SECONDS = 7 * 86_400;
const RETRY_BASE_MS = 500;
const RETRY_MAX_MS = 60_000;

/**
 * An event beside its document, in the service's own database: what was published, for a week, and what is still to be
 * published. All times are the database's.
 */
export interface StoredEvent extends DomainEvent {
	_id: string;
	publishedAt: Date | null;
	/** Names the store of the bus that has it, where the bus has one. */
	publishedIn: string | null;
	attempts: number;
	/** When it is tried (again); null once it is published. */
	nextAt: Date | null;
	storedAt: Date;
}

const eventSchema = new Schema<StoredEvent>(
	{
		_id: { type: String, required: true },
		publishedAt: { type: Date, default: null },
		publishedIn: { type: String, default: null },
		attempts: { type: Number, default: 0 },
		nextAt: { type: Date, default: null },
		storedAt: { type: Date, required: true },
	},
	{ versionKey: false, strict: false },
);
eventSchema.index({ nextAt: 1 }, { partialFilterExpression: { nextAt: { $type: "date" } } });
eventSchema.index({ publishedIn: 1 }, { partialFilterExpression: { publishedIn: { $type: "string" } } });
eventSchema.index({ publishedAt: 1 }, { expireAfterSeconds: KEEP_SECONDS });
export const eventModel = defineModel("events", eventSchema);

/** What came of an event's way to the bus. */
export type Outcome =
	/** The bus has it. `into` names the bus's store as it was before. */
	| { state: "published"; into: string | null }
	| { state: "failed" }
	/** Nobody tried: the bus was away. */
	| { state: "untried" };

const isPublished = { $gt: ["$publishedAt", null] };

/**
 * The service's `events`. Several relays write here, and one of them may have been asleep for long: an event that is
 * published stays so whatever others say of it, and a failure counts only for the attempt it belongs to.
 */
export class StoredEvents {
	readonly #events: Model<StoredEvent>;

	constructor(events: Model<StoredEvent>) {
		this.#events = events;
	}

	/** Stores events of documents with what came of them. After it they may leave their documents. */
	async add(events: readonly DomainEvent[], outcomes: readonly Outcome[]): Promise<void> {
		const writes = events.map((event, n) => {
			const outcome = outcomes[n] ?? { state: "untried" };
			const fresh = {
				publishedAt: null,
				publishedIn: null,
				attempts: outcome.state === "failed" ? 1 : 0,
				nextAt: { $add: ["$$NOW", outcome.state === "failed" ? RETRY_BASE_MS : 0] },
				storedAt: "$$NOW",
			};
			const known = { $mergeObjects: [{ $literal: event }, fresh, "$$ROOT"] };
			const update = [{ $replaceWith: known }, ...(outcome.state === "published" ? [published(outcome.into)] : [])];
			return { updateOne: { filter: { _id: event.id }, update, upsert: true } };
		});
		await this.#write(writes);
	}

	/** Notes what came of events that were due. */
	async note(events: readonly StoredEvent[], outcomes: readonly Outcome[]): Promise<void> {
		const writes = events.flatMap(({ _id, nextAt, attempts }, n) => {
			const outcome = outcomes[n];
			if (outcome?.state === "published")
				return [{ updateOne: { filter: { _id }, update: [published(outcome.into)] } }];
			if (outcome?.state !== "failed") return [];
			const pause = backoffMs(attempts + 1, RETRY_BASE_MS, RETRY_MAX_MS);
			const update = [{ $set: { attempts: { $add: ["$attempts", 1] }, nextAt: { $add: ["$$NOW", pause] } } }];
			return [{ updateOne: { filter: { _id, nextAt }, update } }];
		});
		// Lost with the database, it is only published again.
		if (writes.length > 0) await this.#write(writes, { w: 1 });
	}

	/** What is due, the longest waiting first. */
	due(limit: number, skip = 0): Promise<StoredEvent[]> {
		return this.#events.aggregate<StoredEvent>([
			{ $match: { nextAt: { $type: "date" } } },
			{ $sort: { nextAt: 1 } },
			...(skip > 0 ? [{ $skip: skip }] : []),
			{ $limit: limit },
			{ $match: { $expr: { $lte: ["$nextAt", "$$NOW"] } } },
		]);
	}

	/**
	 * Events that went into another store than the present one wait again: that store was lost. Also what a relay
	 * published into it, and only now gets round to note.
	 */
	async reopenLost(present: string): Promise<void> {
		const open = { publishedAt: null, publishedIn: null, nextAt: "$$NOW", attempts: 0 };
		await this.#events.updateMany({ publishedIn: { $type: "string", $ne: present } }, [{ $set: open }], {
			writeConcern: { w: 1 },
		});
	}

	async #write(writes: object[], writeConcern?: { w: number }): Promise<void> {
		// As it is, to the driver: there is nothing to cast.
		const native = this.#events.db.collection<StoredEvent>(this.#events.collection.collectionName);
		await native.bulkWrite(writes as mongo.AnyBulkWriteOperation<StoredEvent>[], {
			ordered: false,
			...(writeConcern ? { writeConcern } : {}),
		});
	}
}

/** The first to publish it says when and where. */
const published = (into: string | null): PipelineStage.Set => ({
	$set: {
		publishedIn: { $cond: [isPublished, "$publishedIn", { $literal: into }] },
		publishedAt: { $cond: [isPublished, "$publishedAt", "$$NOW"] },
		nextAt: null,
	},
});

/** As it was told: without what is known of its way. */
export function toDomainEvent({
	_id: _,
	publishedAt: _p,
	publishedIn: _i,
	attempts: _a,
	nextAt: _n,
	storedAt: _s,
	...event
}: StoredEvent): DomainEvent {
	return event;
}
