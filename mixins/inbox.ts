import { randomUUID } from "node:crypto";
import { type Model, type mongo, type PipelineStage, Schema } from "mongoose";
import { errorLine } from "../lib/attempts.ts";
import { Batches } from "../lib/batches.ts";
import { isDuplicateKey } from "../lib/errors.ts";
import type { DomainEvent } from "../ports/events/port.ts";
import { defineModel } from "./db.mixin.ts";

/** Longer than a stream keeps its messages: what it may send again is still known here. */
const KEEP_SECONDS = 8 * 86_400;
/** Whoever works on an event says so again in time, or another may take it. */
const LEASE_MS = 10_000;
/** Events that are taken, or noted as done, in one go. */
const BATCH = 64;

/**
 * What one consumer knows of one event. One document for all of it, so that an event cannot be done and waiting, or
 * waiting and dead, whatever two nodes do at once. By the fields it has:
 *
 * - `at`: done, and nothing else is kept;
 * - `claim` and `until`: somebody is at work;
 * - `event` and `nextAt`: it is safe here whatever the stream does, and comes (again) then;
 * - `event` and `deadAt`: given up until an operator replays it.
 *
 * All times are the database's.
 */
export interface InboxEntry {
	_id: string;
	at?: Date;
	/** A new one for every time it is taken: every write of a worker carries it, so that one who was late changes nothing. */
	claim?: string;
	until?: Date;
	/** How often it was begun, "not yet" left out. */
	attempts?: number;
	/** How often, since its last outcome, whoever had it was gone before there was another. */
	lost?: number;
	/** How often it was put off. */
	notYets?: number;
	/** When it came first. */
	firstAt?: Date;
	event?: DomainEvent;
	nextAt?: Date;
	deadAt?: Date;
	error?: string;
}

const inboxSchema = new Schema<InboxEntry>(
	{
		_id: String,
		at: Date,
		claim: String,
		until: Date,
		attempts: Number,
		lost: Number,
		notYets: Number,
		firstAt: Date,
		event: Schema.Types.Mixed,
		nextAt: Date,
		deadAt: Date,
		error: String,
	},
	{ versionKey: false },
);
inboxSchema.index({ at: 1 }, { expireAfterSeconds: KEEP_SECONDS });
inboxSchema.index({ nextAt: 1 }, { partialFilterExpression: { nextAt: { $type: "date" } } });
inboxSchema.index({ deadAt: -1, _id: -1 }, { partialFilterExpression: { deadAt: { $type: "date" } } });
export const inboxModel = defineModel("inbox", inboxSchema);

/** The right to work on one event, until somebody else gets it. */
export interface Claim {
	id: string;
	token: string;
	attempts: number;
	notYets: number;
	lost: number;
}

/** An event that its consumer gave up on. */
export interface DeadLetter {
	_id: string;
	event: DomainEvent;
	error: string;
	attempts: number;
	at: Date;
}
/** An event that its consumer will try again by itself. */
export interface WaitingEvent extends Omit<DeadLetter, "at"> {
	notYets: number;
	nextAt: Date;
}

export interface Failure {
	error: unknown;
	/** The pause before the next attempt; null when there is none. */
	waitMs: number | null;
	/** "Not yet" takes back the attempt; after so long it is over all the same. */
	notYetForMs?: number;
}

/** Not the caller's, and not seen to be safe. */
const UNCLEAR = Symbol("unclear");

type Update = PipelineStage.ReplaceWith[];
const isOver = ({ at, deadAt, nextAt }: InboxEntry): boolean => Boolean(at ?? deadAt ?? nextAt);
const isDate = (field: string) => ({ $eq: [{ $type: field }, "date"] });
const inMs = (ms: number) => ({ $add: ["$$NOW", ms] });
const replaceWith = (expression: object): Update => [
	{ $replaceWith: expression } as unknown as PipelineStage.ReplaceWith,
];

export class Inbox {
	readonly #entries: Model<InboxEntry>;
	readonly #leaseMs: number;

	/** What each event costs goes to the driver as it is: there is nothing to cast. */
	get #native() {
		return this.#entries.db.collection<InboxEntry>(this.#entries.collection.collectionName);
	}

	readonly #takes = new Batches<DomainEvent, Claim | undefined | typeof UNCLEAR>(BATCH, events =>
		this.#takeMany(events),
	);
	readonly #dones = new Batches<Claim, void>(BATCH, claims => this.#doneMany(claims));

	constructor(entries: Model<InboxEntry>, leaseMs = LEASE_MS) {
		this.#entries = entries;
		this.#leaseMs = leaseMs;
	}

	/**
	 * Takes an event that was delivered. Gives nothing when it needs no work of the caller: it is done, dead or waits; or
	 * somebody else is at work on it, and then it is kept here, to be taken up again should that one be gone. In each of
	 * these cases the stream may forget it.
	 */
	async take(event: DomainEvent): Promise<Claim | undefined> {
		const claim = await this.#takes.add(event);
		return claim === UNCLEAR ? this.#takeOne(event) : claim;
	}

	/** What others are at work on, and what could not be written, is left to `takeOne`, which sees to it by itself. */
	async #takeMany(events: readonly DomainEvent[]): Promise<(Claim | undefined | typeof UNCLEAR)[]> {
		const [first] = events;
		if (events.length === 1 && first) return [await this.#takeOne(first)];
		const tokens = events.map(() => randomUUID());
		const writes = events.map(({ id }, n) => ({
			updateOne: { filter: { _id: id }, update: this.#taking(tokens[n] ?? "", "$$ROOT"), upsert: true },
		}));
		const isNew = await this.#claimAll(writes);
		const seen = events.filter((_, n) => !isNew.has(n)).map(({ id }) => id);
		const byId = seen.length > 0 ? await this.#look(seen) : new Map<string, InboxEntry>();
		return events.map(({ id }, n) => {
			const claim = tokens[n] ?? "";
			if (isNew.has(n)) return toClaim({ _id: id, claim });
			const entry = byId.get(id);
			if (entry?.claim === claim) return toClaim(entry);
			return entry && isOver(entry) ? undefined : UNCLEAR;
		});
	}

	/** Gives which of them nobody had met before. */
	async #claimAll(writes: mongo.AnyBulkWriteOperation<InboxEntry>[]): Promise<ReadonlySet<number>> {
		try {
			const { upsertedIds } = await this.#native.bulkWrite(writes, { ordered: false, writeConcern: { w: 1 } });
			return new Set(Object.keys(upsertedIds).map(Number));
		} catch (error) {
			if (typeof error === "object" && error !== null && "writeErrors" in error) return new Set();
			throw error;
		}
	}

	/** What is known of events that were met before. Of those that are over it is in the journal, too. */
	async #look(ids: readonly string[]): Promise<Map<string, InboxEntry>> {
		const fields = { projection: { event: 0 } };
		const entries = await this.#native.find({ _id: { $in: [...ids] } }, fields).toArray();
		const over = entries.filter(isOver).map(({ _id }) => _id);
		if (over.length > 0) await this.#awaitJournal(over);
		return new Map(entries.map(entry => [entry._id, entry]));
	}

	async #takeOne(event: DomainEvent): Promise<Claim | undefined> {
		const token = randomUUID();
		const kept = { $mergeObjects: ["$$ROOT", { event: { $literal: event }, nextAt: "$until" }] };
		const update = this.#taking(token, kept);
		const take = () =>
			this.#native.findOneAndUpdate({ _id: event.id }, update, {
				upsert: true,
				returnDocument: "after",
				writeConcern: { w: 1 },
			});
		const entry = await take().catch((error: unknown) => {
			// Two nodes met this event for the first time in the same moment.
			if (!isDuplicateKey(error)) throw error;
			return take();
		});
		if (entry?.claim === token) return toClaim(entry);
		await this.#awaitJournal([event.id]);
		return undefined;
	}

	/**
	 * A claim that is lost with the database is only taken again: it need not wait for the journal.
	 * @param kept what becomes of it when somebody else is at work on it
	 */
	#taking(token: string, kept: object | string): Update {
		const isOver = { $or: [isDate("$at"), isDate("$deadAt"), isDate("$nextAt")] };
		const isTaken = { $gt: ["$until", "$$NOW"] };
		const orTaken = { $cond: [isTaken, kept, { $mergeObjects: ["$$ROOT", this.#claimed(token)] }] };
		return replaceWith({ $cond: [isOver, "$$ROOT", orTaken] });
	}

	/** What was read may be younger than the journal; the stream forgets only what is safe. */
	async #awaitJournal(ids: readonly string[]): Promise<void> {
		await this.#native.updateMany({ _id: { $in: [...ids] } }, { $setOnInsert: { attempts: 0 } });
	}

	/** Dead letters had a collection of their own once. */
	async adoptOldLetters(): Promise<void> {
		const old = this.#entries.db.collection<DeadLetter>("dead_letters");
		for await (const { _id, event, error, attempts, at } of old.find()) {
			const entry = { event, error, attempts, deadAt: at };
			await this.#entries.updateOne({ _id }, { $setOnInsert: entry }, { upsert: true });
			await old.deleteOne({ _id });
		}
	}

	/** The events whose time has come, the longest waiting first. */
	due(limit: number): Promise<{ _id: string; nextAt: Date }[]> {
		return this.#entries.aggregate<{ _id: string; nextAt: Date }>([
			{ $match: { nextAt: { $type: "date" } } },
			{ $sort: { nextAt: 1 } },
			{ $limit: limit },
			{ $match: { $expr: { $lte: ["$nextAt", "$$NOW"] } } },
			{ $project: { nextAt: 1 } },
		]);
	}

	/** Takes an event that waited, unless another was faster or its worker still lives. */
	takeDue({ _id, nextAt }: { _id: string; nextAt: Date }): Promise<Taken | undefined> {
		return this.#takeKept({ _id, nextAt });
	}

	/** A dead letter is tried anew, by whichever node is free. False when there is none of this id. */
	async revive(id: string): Promise<boolean> {
		const anew = { nextAt: "$$NOW", firstAt: "$$NOW", attempts: 0, notYets: 0, deadAt: "$$REMOVE" };
		const filter = { _id: id, deadAt: { $type: "date" } };
		return (await this.#entries.updateOne(filter, [{ $set: anew }])).matchedCount === 1;
	}

	/** Takes a dead letter. Should the caller die, it is not dead but waits. */
	takeDead(id: string): Promise<Taken | undefined> {
		return this.#takeKept({ _id: id, deadAt: { $type: "date" } });
	}

	async #takeKept(filter: object): Promise<Taken | undefined> {
		const token = randomUUID();
		const taken = { ...this.#claimed(token), nextAt: inMs(this.#leaseMs), deadAt: "$$REMOVE" };
		const entry = await this.#entries
			.findOneAndUpdate(filter, [{ $set: taken }], { returnDocument: "after" })
			.lean<InboxEntry>();
		return entry?.event && { claim: toClaim(entry), event: entry.event };
	}

	#claimed(token: string): Record<string, unknown> {
		return {
			claim: token,
			until: inMs(this.#leaseMs),
			attempts: { $add: [{ $ifNull: ["$attempts", 0] }, 1] },
			lost: { $add: [{ $ifNull: ["$lost", 0] }, { $cond: [{ $eq: [{ $type: "$claim" }, "string"] }, 1, 0] }] },
			firstAt: { $ifNull: ["$firstAt", "$$NOW"] },
		};
	}

	/** Still at work. */
	async renew({ id, token }: Claim): Promise<void> {
		const until = inMs(this.#leaseMs);
		const nextAt = { $cond: [isDate("$nextAt"), until, "$$REMOVE"] };
		const update = [{ $set: { until, nextAt } }];
		await this.#entries.updateOne({ _id: id, claim: token }, update, { writeConcern: { w: 1 } });
	}

	/** Keeps an event whose work takes long, so that the stream need not. False when it is another's by now. */
	keep({ id, token }: Claim, event: DomainEvent): Promise<boolean> {
		const until = inMs(this.#leaseMs);
		return this.#write(id, token, [{ $set: { until, nextAt: until, event: { $literal: event } } }]);
	}

	/** The event had its effect. Should it be another's by now, that one finds the effect done. */
	done(claim: Claim): Promise<void> {
		return this.#dones.add(claim);
	}

	async #doneMany(claims: readonly Claim[]): Promise<void[]> {
		const update = replaceWith({ _id: "$_id", at: "$$NOW" });
		const writes = claims.map(({ id, token }) => ({ updateOne: { filter: { _id: id, claim: token }, update } }));
		await this.#native.bulkWrite(writes, { ordered: false });
		return claims.map(() => undefined);
	}

	/** The event waits for its next attempt, or is a dead letter. False when it is another's by now. */
	failed(
		{ id, token, attempts, notYets }: Claim,
		event: DomainEvent,
		{ error, waitMs, notYetForMs }: Failure,
	): Promise<boolean> {
		const isNotYet = notYetForMs !== undefined;
		const isOver = isNotYet ? { $gt: [{ $subtract: ["$$NOW", "$firstAt"] }, notYetForMs] } : waitMs === null;
		const next = {
			_id: "$_id",
			event: { $literal: event },
			error: { $literal: errorLine(error) },
			firstAt: "$firstAt",
			attempts: isNotYet ? attempts - 1 : attempts,
			notYets: isNotYet ? notYets + 1 : notYets,
			nextAt: { $cond: [isOver, "$$REMOVE", inMs(waitMs ?? 0)] },
			deadAt: { $cond: [isOver, "$$NOW", "$$REMOVE"] },
		};
		return this.#write(id, token, replaceWith(next));
	}

	async #write(_id: string, claim: string, update: PipelineStage[]): Promise<boolean> {
		const { matchedCount } = await this.#entries.updateOne({ _id, claim }, update as Update);
		return matchedCount === 1;
	}

	async deadLetters(limit: number): Promise<DeadLetter[]> {
		const entries = await this.#entries
			.find({ deadAt: { $type: "date" } })
			.sort({ deadAt: -1, _id: -1 })
			.limit(limit)
			.lean<Required<InboxEntry>[]>();
		return entries.map(({ _id, event, error, attempts, deadAt }) => ({ _id, event, error, attempts, at: deadAt }));
	}

	/** What waits for another attempt, the next ones first. What is at work for the first time is not among it. */
	async waiting(limit: number): Promise<WaitingEvent[]> {
		const entries = await this.#entries
			.find({ nextAt: { $type: "date" } })
			.sort({ nextAt: 1 })
			.limit(limit)
			.lean<Required<InboxEntry>[]>();
		return entries.map(({ _id, event, error = "", attempts, notYets = 0, nextAt }) => ({
			_id,
			event,
			error,
			attempts,
			notYets,
			nextAt,
		}));
	}

	countDead(): Promise<number> {
		return this.#entries.countDocuments({ deadAt: { $type: "date" } });
	}
}

export interface Taken {
	claim: Claim;
	event: DomainEvent;
}

const toClaim = ({ _id, claim = "", attempts = 1, notYets = 0, lost = 0 }: InboxEntry): Claim => ({
	id: _id,
	token: claim,
	attempts,
	notYets,
	lost,
});
