import type { Model, mongo } from "mongoose";
import { type OutboxEntry, toDomainEvent } from "../lib/events.ts";
import type { AppService } from "../lib/typed.ts";
import type { DomainEvent } from "../ports/events/port.ts";
import type { DbVars } from "./db.mixin.ts";
import { type Outcome, type StoredEvent, StoredEvents, toDomainEvent as told } from "./stored-events.ts";

const SWEEP_EVERY_MS = 2_000;
/** Documents looked at in one go, and events taken of each: what a relay has in memory is bounded by their product. */
const DOCUMENTS = 250;
const EVENTS_PER_DOCUMENT = 20;
const DUE = 200;
/** As an expression, since the projection of this name would bring the rest of the document, too. */
const FIRST_EVENTS = { $slice: ["$outbox", EVENTS_PER_DOCUMENT] } as unknown as number;
/** Published at a time; while they are on their way, so many batches before them are stored. */
const IN_FLIGHT = 64;
const STORED_AT_ONCE = 3;
/** Pages of a backlog among which each relay takes one, so that several do not all do the same. */
const MAX_SPREAD = 32;
/** Beyond so many the sweep finds the documents. */
const MAX_HINTS = 5_000;

interface HasOutbox {
	_id: string;
	outbox?: OutboxEntry[] | null;
}
interface Waiting {
	documentId: string;
	event: DomainEvent;
}

type Host = AppService<Record<string, unknown>, object, DbVars<Record<string, never>>>;

/** Takes events out of documents and to the bus. Every node has one per service, and all of them may do the same work. */
export class Relay {
	readonly #host: Host;
	readonly #sources: readonly string[];
	readonly #hints = new Map<string, Set<string>>();
	#timer: NodeJS.Timeout | undefined;
	#running: Promise<void> | undefined;
	/** Hints came while a round ran. */
	#isAgain = false;
	/** A round found more than it takes at once. */
	#isMore = false;
	/** By what is looked through: among so many pages there is one to take. One page means the longest waiting. */
	readonly #spread = new Map<string, number>();
	#isStopped = false;

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

	get #events(): StoredEvents {
		return new StoredEvents((this.#host.models as unknown as { events: Model<StoredEvent> }).events);
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
		for (const source of this.#sources) {
			const ids = [...(this.#hints.get(source) ?? [])];
			this.#hints.delete(source);
			// The sparse index holds exactly the documents that wait, whatever the clock of the node that wrote them said.
			const filter = isSweep ? { "outbox.at": { $exists: true } } : { _id: { $in: ids } };
			if (isSweep || ids.length > 0) await this.#collect(source, filter, isSweep);
		}
		const { events } = this.#host.broker.stoa;
		if (!isSweep || !events.isReady()) return;
		if (events.since) await this.#events.reopenLost(nameOf(events.since));
		await this.#retell();
	}

	/** Publishes what is due again. */
	async #retell(): Promise<void> {
		const pages = this.#pagesToSkip("due");
		const due = await this.#events.due(DUE, pages * DUE);
		await this.#overlapping(
			due,
			batch => this.#publish(batch.map(told)),
			(batch, outcomes) => this.#events.note(batch, outcomes),
		);
		this.#learn("due", pages, due.length === DUE);
	}

	/** Tells what documents hold, stores it with what came of it, and only then takes it off them. */
	async #collect(source: string, filter: object, isSweep: boolean): Promise<void> {
		const model = (this.#host.models as unknown as Record<string, Model<HasOutbox>>)[source];
		if (!model) throw new Error(`${this.#host.name} has no model ${source}`);
		const pages = isSweep ? this.#pagesToSkip(source) : 0;
		const documents = await nativeOf(model)
			.find(filter, { projection: { outbox: FIRST_EVENTS } })
			.skip(pages * DOCUMENTS)
			.limit(DOCUMENTS)
			.toArray();
		const waiting = documents.flatMap(({ _id, outbox }) =>
			(outbox ?? []).map(entry => ({ documentId: _id, event: toDomainEvent(_id, entry) })),
		);
		await this.#overlapping(
			waiting,
			batch => this.#publish(batch.map(({ event }) => event)),
			async (batch, outcomes) => {
				await this.#events.add(
					batch.map(({ event }) => event),
					outcomes,
				);
				// Should it be lost with the database, they are found and told again.
				await nativeOf(model).bulkWrite(removals(batch), { ordered: false, writeConcern: { w: 1 } });
			},
		);
		if (isSweep) this.#learn(source, pages, documents.length === DOCUMENTS);
		if (documents.some(({ outbox }) => outbox?.length === EVENTS_PER_DOCUMENT)) this.#isMore = true;
	}

	/** While batches are stored, the next is on its way to the bus. */
	async #overlapping<T>(
		items: readonly T[],
		publish: (batch: readonly T[]) => Promise<Outcome[]>,
		store: (batch: readonly T[], outcomes: readonly Outcome[]) => Promise<void>,
	): Promise<void> {
		const storing: Promise<void>[] = [];
		for (const batch of inBatches(items)) {
			const outcomes = await publish(batch);
			if (storing.length === STORED_AT_ONCE) await storing.shift();
			const stored = store(batch, outcomes);
			// It is waited for, only not at once.
			stored.catch(() => undefined);
			storing.push(stored);
		}
		await Promise.all(storing);
	}

	/** In a backlog any of its first pages; otherwise none. */
	#pagesToSkip(what: string): number {
		return Math.floor(Math.random() * (this.#spread.get(what) ?? 1));
	}

	/** The range grows while there are full pages, and shrinks where there are none, down to the first page. */
	#learn(what: string, skipped: number, isFull: boolean): void {
		const spread = this.#spread.get(what) ?? 1;
		if (isFull || skipped > 0) this.#isMore = true;
		this.#spread.set(what, isFull ? Math.min(spread * 2, MAX_SPREAD) : skipped > 0 ? Math.ceil(spread / 2) : 1);
	}

	#publish(events: readonly DomainEvent[]): Promise<Outcome[]> {
		const bus = this.#host.broker.stoa.events;
		// While the bus is away nothing is tried, so that nothing has to wait out its pauses when it is back.
		if (!bus.isReady()) return Promise.resolve(events.map(() => ({ state: "untried" })));
		return Promise.all(
			events.map(async (event): Promise<Outcome> => {
				// Asked before: should the store be lost meanwhile, the event counts as lost with it.
				const into = bus.since ? nameOf(bus.since) : null;
				try {
					await bus.publish(event);
					return { state: "published", into };
				} catch (error) {
					this.#host.logger.debug(`Event ${event.id} was not published yet`, error);
					return { state: "failed" };
				}
			}),
		);
	}
}

/** What each event costs goes to the driver as it is: there is nothing to cast. */
const nativeOf = (model: Model<HasOutbox>) => model.db.collection<HasOutbox>(model.collection.collectionName);

const nameOf = (since: Date): string => since.toISOString();

function* inBatches<T>(items: readonly T[]): Generator<readonly T[]> {
	for (let i = 0; i < items.length; i += IN_FLIGHT) yield items.slice(i, i + IN_FLIGHT);
}

function removals(batch: readonly Waiting[]): mongo.AnyBulkWriteOperation<HasOutbox>[] {
	const byDocument = Map.groupBy(batch, ({ documentId }) => documentId);
	return [...byDocument].map(([_id, told]) => ({
		updateOne: { filter: { _id }, update: [withoutEntries(told.map(({ event }) => event.id))] },
	})) as mongo.AnyBulkWriteOperation<HasOutbox>[];
}

/** Only these: others may have come since. An empty outbox is removed, so that the index holds only what waits. */
function withoutEntries(ids: readonly string[]): Record<string, unknown> {
	const rest = { $filter: { input: { $ifNull: ["$outbox", []] }, cond: { $not: [{ $in: ["$$this.id", ids] }] } } };
	return { $set: { outbox: { $cond: [{ $eq: [{ $size: rest }, 0] }, "$$REMOVE", rest] } } };
}
