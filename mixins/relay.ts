import type { AnyBulkWriteOperation, Model } from "mongoose";
import { type OutboxEntry, toDomainEvent } from "../lib/events.ts";
import type { AppService } from "../lib/typed.ts";
import type { DomainEvent } from "../ports/events/port.ts";
import type { DbVars } from "./db.mixin.ts";
import { type Outcome, type StoredEvent, StoredEvents, toDomainEvent as told } from "./stored-events.ts";

const SWEEP_EVERY_MS = 2_000;
/** Documents looked at in one go, and events taken of each: what a relay has in memory is bounded by their product. */
const DOCUMENTS = 100;
const EVENTS_PER_DOCUMENT = 50;
const DUE = 200;
/** As an expression, since the projection of this name would bring the rest of the document, too. */
const FIRST_EVENTS = { $slice: ["$outbox", EVENTS_PER_DOCUMENT] } as unknown as number;
const IN_FLIGHT = 32;
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
			if (isSweep || ids.length > 0) await this.#collect(source, filter);
		}
		const { events } = this.#host.broker.stoa;
		if (!isSweep || !events.isReady()) return;
		if (events.since) await this.#events.reopenLost(nameOf(events.since));
		const due = await this.#events.due(DUE);
		for (const batch of inBatches(due)) await this.#events.note(batch, await this.#publish(batch.map(told)));
		if (due.length === DUE) this.#isMore = true;
	}

	/** Tells what documents hold, stores it with what came of it, and only then takes it off them. */
	async #collect(source: string, filter: object): Promise<void> {
		const model = (this.#host.models as unknown as Record<string, Model<HasOutbox>>)[source];
		if (!model) throw new Error(`${this.#host.name} has no model ${source}`);
		const documents = await model.find(filter, { outbox: FIRST_EVENTS }).limit(DOCUMENTS).lean<HasOutbox[]>();
		const waiting = documents.flatMap(({ _id, outbox }) =>
			(outbox ?? []).map(entry => ({ documentId: _id, event: toDomainEvent(_id, entry) })),
		);
		for (const batch of inBatches(waiting)) {
			const events = batch.map(({ event }) => event);
			await this.#events.add(events, await this.#publish(events));
			// Should it be lost with the database, they are found and told again.
			await model.bulkWrite(removals(batch), { ordered: false, writeConcern: { w: 1 } });
		}
		const isCut = documents.some(({ outbox }) => outbox?.length === EVENTS_PER_DOCUMENT);
		if (documents.length === DOCUMENTS || isCut) this.#isMore = true;
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

const nameOf = (since: Date): string => since.toISOString();

function* inBatches<T>(items: readonly T[]): Generator<readonly T[]> {
	for (let i = 0; i < items.length; i += IN_FLIGHT) yield items.slice(i, i + IN_FLIGHT);
}

function removals(batch: readonly Waiting[]): AnyBulkWriteOperation<HasOutbox>[] {
	const byDocument = Map.groupBy(batch, ({ documentId }) => documentId);
	return [...byDocument].map(([_id, told]) => ({
		updateOne: { filter: { _id }, update: [withoutEntries(told.map(({ event }) => event.id))] },
	})) as AnyBulkWriteOperation<HasOutbox>[];
}

/** Only these: others may have come since. An empty outbox is removed, so that the index holds only what waits. */
function withoutEntries(ids: readonly string[]): Record<string, unknown> {
	const rest = { $filter: { input: { $ifNull: ["$outbox", []] }, cond: { $not: [{ $in: ["$$this.id", ids] }] } } };
	return { $set: { outbox: { $cond: [{ $eq: [{ $size: rest }, 0] }, "$$REMOVE", rest] } } };
}
