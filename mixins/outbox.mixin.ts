import type { ServiceSchema } from "moleculer";
import { type Model, Schema } from "mongoose";
import { MAX_PENDING_EVENTS, type OutboxEntry, toDomainEvent } from "../lib/events.ts";
import { type AppService, defineMixin } from "../lib/typed.ts";
import type { DomainEvent } from "../ports/events/port.ts";
import { collections, type DbVars, defineModel } from "./db.mixin.ts";

const SWEEP_EVERY_MS = 2_000;
const KEEP_SECONDS = 7 * 86_400;
const BATCH = 200;
const IN_FLIGHT = 32;
const RETRY_BASE_MS = 500;
const RETRY_MAX_MS = 60_000;
/** Beyond so many the sweep finds the documents. */
const MAX_HINTS = 5_000;
/** How far the clocks of a node and of the stream's server may be apart. Publishing too much again is harmless. */
const CLOCK_SKEW_MS = 300_000;

/** Part of a schema whose documents tell events; add the index with `outboxIndex`. */
export const outboxFields = { outbox: { type: [Schema.Types.Mixed], default: undefined } } as const;

/** Sparse: only documents with waiting events are in it. */
export function outboxIndex<T>(schema: Schema<T>): Schema<T> {
	schema.index({ "outbox.at": 1 }, { sparse: true });
	return schema;
}

/** Part of a filter: true while a document's outbox has room. Beyond it commands answer SERVICE_UNAVAILABLE. */
export const hasOutboxRoom = { [`outbox.${MAX_PENDING_EVENTS - 1}`]: { $exists: false } };

interface HasOutbox {
	_id: string;
	outbox?: OutboxEntry[];
}

/** An event on its way: stored in the service's own database until it is published, and for a week after. */
interface StoredEvent extends DomainEvent {
	_id: string;
	publishedAt: Date | null;
	attempts: number;
	/** When it is tried (again); null once it is published. */
	nextAt: Date | null;
	storedAt: Date;
}

const eventSchema = new Schema<StoredEvent>(
	{
		_id: { type: String, required: true },
		publishedAt: { type: Date, default: null },
		attempts: { type: Number, default: 0 },
		nextAt: { type: Date, default: null },
		storedAt: { type: Date, required: true },
	},
	{ versionKey: false, strict: false },
);
eventSchema.index({ nextAt: 1 }, { partialFilterExpression: { nextAt: { $type: "date" } } });
eventSchema.index({ publishedAt: 1 }, { expireAfterSeconds: KEEP_SECONDS });
const eventModel = defineModel("events", eventSchema);

export interface Outbox {
	/** After a commit: the relay takes this document's events at once instead of at the next sweep. */
	hint(model: string, id: string): void;
	/** Resolves when all that was hinted so far is stored and was tried once. */
	drained(): Promise<void>;
}
export interface OutboxVars {
	outbox: Outbox;
}

type Host = AppService<Record<string, unknown>, object, DbVars<Record<string, never>> & { relay: Relay }>;

/**
 * Moves events from the documents whose change they tell to the service's `events` collection and from there to the
 * event bus. Each step may run twice, none can be skipped: ids are unique, and an event leaves one place only when it
 * is safe in the next.
 *
 * @param sources the models that carry an `outbox`, by the names the service's `db` mixin gives them
 */
export function outbox(sources: readonly string[]): Partial<ServiceSchema> {
	const own = defineMixin<OutboxVars & { relay: Relay }>({
		created() {
			this.relay = new Relay(this as unknown as Host, sources);
			this.outbox = this.relay;
		},
		started() {
			this.broker.stoa.events.onStreamLost(() => this.relay.sweep());
			this.relay.start();
		},
		async stopped() {
			await this.relay.stop();
		},
	});
	return { mixins: [own, collections({ events: eventModel })] };
}

class Relay implements Outbox {
	readonly #host: Host;
	readonly #sources: readonly string[];
	readonly #hints = new Map<string, Set<string>>();
	#timer: NodeJS.Timeout | undefined;
	#running: Promise<void> | undefined;
	/** Hints came while a round ran. */
	#isAgain = false;
	/** A round found more than it takes at once. */
	#isMore = false;
	#isStopped = false;
	#checkedSince: number | undefined;

	constructor(host: Host, sources: readonly string[]) {
		this.#host = host;
		this.#sources = sources;
	}

	start(): void {
		this.#timer = setInterval(() => void this.#run(true), SWEEP_EVERY_MS);
		void this.#run(true);
	}

	async stop(): Promise<void> {
		clearInterval(this.#timer);
		await this.drained();
		this.#isStopped = true;
		await this.#running;
	}

	hint(model: string, id: string): void {
		const ids = this.#hints.get(model) ?? new Set();
		this.#hints.set(model, ids);
		if (ids.size < MAX_HINTS) ids.add(id);
		void this.#run(false);
	}

	async drained(): Promise<void> {
		await this.#running;
		if ([...this.#hints.values()].some(ids => ids.size > 0)) await this.#run(false);
	}

	/** Looks at once for everything that waits, hinted or not. */
	sweep(): void {
		void this.#run(true);
	}

	get #events(): Model<StoredEvent> {
		return (this.#host.models as unknown as { events: Model<StoredEvent> }).events;
	}

	#run(isSweep: boolean): Promise<void> {
		if (this.#isStopped) return Promise.resolve();
		if (this.#running) {
			this.#isAgain ||= !isSweep;
			return this.#running;
		}
		this.#running = this.#round(isSweep)
			.catch(error => this.#host.logger.warn("The outbox relay will try again", error))
			.finally(() => {
				this.#running = undefined;
				const isSweepNext = this.#isMore;
				if (!this.#isAgain && !isSweepNext) return;
				this.#isAgain = false;
				this.#isMore = false;
				void this.#run(isSweepNext);
			});
		return this.#running;
	}

	async #round(isSweep: boolean): Promise<void> {
		const fresh: StoredEvent[] = [];
		for (const source of this.#sources) {
			const ids = [...(this.#hints.get(source) ?? [])];
			this.#hints.delete(source);
			const filter = isSweep ? { "outbox.at": { $lte: new Date() } } : { _id: { $in: ids } };
			if (isSweep || ids.length > 0) fresh.push(...(await this.#collect(source, filter)));
		}
		// While the bus is away nothing is tried, so that nothing has to wait out its pauses when it is back.
		if (!this.#host.broker.stoa.events.isReady()) return;
		await this.#publishAll(fresh);
		if (!isSweep) return;
		await this.#reopenLost();
		const due = await this.#due();
		await this.#publishAll(due);
		if (due.length === BATCH) this.#isMore = true;
	}

	/**
	 * A stream that began after an event was published does not hold it: the old one was lost. Such events wait again;
	 * inboxes drop what they know. Each node asks once per stream, so that a start after the loss finds them too.
	 */
	async #reopenLost(): Promise<void> {
		const { since } = this.#host.broker.stoa.events;
		if (!since || since.getTime() === this.#checkedSince) return;
		await this.#events.updateMany(
			{ publishedAt: { $gt: new Date(0), $lt: new Date(since.getTime() + CLOCK_SKEW_MS) } },
			{ $set: { publishedAt: null, nextAt: new Date(), attempts: 0 } },
		);
		this.#checkedSince = since.getTime();
	}

	/** Step one: out of the documents, into `events`. */
	async #collect(source: string, filter: object): Promise<StoredEvent[]> {
		const model = (this.#host.models as unknown as Record<string, Model<HasOutbox>>)[source];
		if (!model) throw new Error(`${this.#host.name} has no model ${source}`);
		const documents = await model.find(filter, { outbox: 1 }).limit(BATCH).lean<HasOutbox[]>();
		const taken = documents.flatMap(({ _id, outbox = [] }) => outbox.map(entry => stored(_id, entry)));
		if (taken.length === 0) return [];
		await this.#events.bulkWrite(
			taken.map(({ _id, ...event }) => ({
				updateOne: { filter: { _id }, update: { $setOnInsert: event }, upsert: true },
			})),
			{ ordered: false },
		);
		await model.bulkWrite(
			documents
				.filter(({ outbox }) => outbox?.length)
				.map(({ _id, outbox = [] }) => ({
					updateOne: { filter: { _id }, update: [withoutEntries(outbox.map(entry => entry.id))] },
				})),
			{ ordered: false },
		);
		if (documents.length === BATCH) this.#isMore = true;
		return taken;
	}

	#due(): Promise<StoredEvent[]> {
		return this.#events
			.find({ nextAt: { $lte: new Date() } })
			.sort({ nextAt: 1 })
			.limit(BATCH)
			.lean<StoredEvent[]>();
	}

	/** Step two: from `events` to the bus. */
	async #publishAll(events: readonly StoredEvent[]): Promise<void> {
		for (let i = 0; i < events.length; i += IN_FLIGHT) {
			const batch = events.slice(i, i + IN_FLIGHT);
			const outcomes = await Promise.all(batch.map(event => this.#publish(event)));
			const updates = batch.map((event, n) => ({
				updateOne: { filter: { _id: event._id }, update: { $set: outcomes[n] ? published() : retried(event) } },
			}));
			await this.#events.bulkWrite(updates, { ordered: false, writeConcern: { w: 1 } });
		}
	}

	async #publish({
		_id,
		publishedAt: _p,
		attempts: _a,
		nextAt: _n,
		storedAt: _s,
		...event
	}: StoredEvent): Promise<boolean> {
		try {
			await this.#host.broker.stoa.events.publish(event);
			return true;
		} catch (error) {
			this.#host.logger.debug(`Event ${_id} was not published yet`, error);
			return false;
		}
	}
}

const stored = (aggregateId: string, entry: OutboxEntry): StoredEvent => ({
	...toDomainEvent(aggregateId, entry),
	_id: entry.id,
	publishedAt: null,
	attempts: 0,
	nextAt: new Date(),
	storedAt: new Date(),
});

const published = () => ({ publishedAt: new Date(), nextAt: null });

const retried = ({ attempts }: StoredEvent) => ({
	attempts: attempts + 1,
	nextAt: new Date(Date.now() + Math.min(RETRY_BASE_MS * 2 ** attempts, RETRY_MAX_MS)),
});

/** An empty outbox is removed, so that the sparse index holds only documents that wait. */
function withoutEntries(ids: readonly string[]): Record<string, unknown> {
	const rest = { $filter: { input: { $ifNull: ["$outbox", []] }, cond: { $not: [{ $in: ["$$this.id", ids] }] } } };
	return { $set: { outbox: { $cond: [{ $eq: [{ $size: rest }, 0] }, "$$REMOVE", rest] } } };
}
