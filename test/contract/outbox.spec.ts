import { MAX_PENDING_EVENTS, type OutboxEntry, toDomainEvent } from "../../lib/events.ts";
import type { DeadLetter } from "../../mixins/consumer.mixin.ts";
import { hasOutboxRoom } from "../../mixins/outbox.mixin.ts";
import {
	addProducer,
	addReader,
	anEntry,
	callMixin,
	collectionsOf,
	openStage,
	storedEvent,
} from "../support/shelves.ts";
import { until } from "../support/until.ts";

const stage = await openStage();
const { engines, nats, newNames, startNode, start, deliver } = stage;

const toEvent = (entry: OutboxEntry) => toDomainEvent("a shelf", entry);

afterEach(() => stage.stopNodes());
afterAll(() => stage.close());

describe.each(engines)("The outbox over %s", engine => {
	it("An event that a document tells has its effect, and leaves no trace in the document", async () => {
		const { relay, runs, shelves, events, effects, inbox } = await start(engine);
		const entries = [anEntry(1), anEntry(2)];
		await shelves.insertOne({ _id: "shelf", outbox: entries });
		relay.hint("shelves", "shelf");
		await until("both effects", async () => (await effects.countDocuments({ reason: /^failure/ })) >= 2);
		await until("both published", async () => (await events.countDocuments({ publishedAt: { $ne: null } })) === 2);
		await until("an empty outbox", async () => !(await shelves.findOne({ _id: "shelf" }))?.outbox);
		expect(await shelves.findOne({ _id: "shelf" })).toEqual({ _id: "shelf" });
		for (const { id, data } of entries) {
			expect(await effects.findOne({ _id: id })).toEqual({ _id: id, reason: (data as { reason: string }).reason });
			expect(runs.filter(run => run === id)).toHaveLength(1);
			await until("the inbox", () => inbox.findOne({ _id: id }));
		}
	});

	it("After a crash between any two steps, each event still has exactly one effect", async () => {
		const { node, runs, shelves, events, effects, inbox } = await start(engine);
		const [unseen, copied, published, moved] = [anEntry(1), anEntry(2), anEntry(3), anEntry(4)];
		const [done, filtered] = [anEntry(5), anEntry(6)];
		const now = new Date();
		// The consumer's side first: the effect is there without its inbox entry; or all is there, only nobody knows.
		await effects.insertMany([
			{ _id: done.id, reason: "done before" },
			{ _id: filtered.id, reason: "done before" },
		]);
		await inbox.insertOne({ _id: filtered.id, at: now });
		await node.broker.stoa.events.publish(toDomainEvent("was published", published));
		await events.insertMany([
			storedEvent("copied", copied),
			storedEvent("published", published, now),
			storedEvent("moved", moved),
			storedEvent("done", done),
			storedEvent("filtered", filtered),
		] as never);
		await shelves.insertMany([
			{ _id: "unseen", outbox: [unseen] },
			{ _id: "copied", outbox: [copied] },
			{ _id: "published", outbox: [published] },
		]);
		const all = [unseen, copied, published, moved, done, filtered].map(({ id }) => id);
		await until("all effects", async () => (await effects.countDocuments({ _id: { $in: all } })) === 6);
		await until("empty outboxes", async () => (await shelves.countDocuments({ outbox: { $exists: true } })) === 0);
		await until("all published", async () => (await events.countDocuments({ publishedAt: null })) === 0);
		await until("a full inbox", async () => (await inbox.countDocuments({ _id: { $in: all } })) === 6);
		expect(await effects.findOne({ _id: done.id })).toEqual({ _id: done.id, reason: "done before" });
		expect(runs).not.toContain(filtered.id);
		expect(await events.countDocuments({ _id: { $in: all } })).toBe(6);
	});

	it("When every event comes five times in any order, each has one effect", async () => {
		const { node, effects } = await start(engine);
		const entries = Array.from({ length: 20 }, (_, i) => anEntry(i));
		const deliveries = shuffled(Array.from({ length: 5 }, () => entries).flat(), 20260102);
		await deliver(engine, node, deliveries.map(toEvent));
		const ids = entries.map(({ id }) => id);
		await until("all effects", async () => (await effects.countDocuments({ _id: { $in: ids } })) === 20);
		// One more behind them: all that came before was at least begun.
		const last = anEntry(21);
		await deliver(engine, node, [toEvent(last)]);
		await until("the last effect", () => effects.findOne({ _id: last.id }));
		expect(await effects.countDocuments({ _id: { $in: ids } })).toBe(20);
	});

	it("When many documents wait and nobody hinted, all are drained", async () => {
		const { shelves, effects } = await start(engine);
		const waiting = Array.from({ length: 450 }, (_, i) => ({ _id: `shelf${i}`, outbox: [anEntry(i)] }));
		await shelves.insertMany(waiting);
		const ids = waiting.flatMap(({ outbox: entries }) => entries.map(({ id }) => id));
		await until("all effects", async () => (await effects.countDocuments({ _id: { $in: ids } })) === 450, 25_000);
		await until("empty outboxes", async () => (await shelves.countDocuments({ outbox: { $exists: true } })) === 0);
	});

	it("When two nodes relay the same documents, each event has one effect", async () => {
		const { names, relay, shelves, events, effects } = await start(engine);
		const other = await startNode(engine);
		const otherRelay = await addProducer(other, names);
		// In process, a node's events reach the consumers of that node.
		await addReader(other, names);
		const waiting = Array.from({ length: 50 }, (_, i) => ({ _id: `shelf${i}`, outbox: [anEntry(i)] }));
		await shelves.insertMany(waiting);
		for (const { _id } of waiting) for (const each of [relay, otherRelay]) each.hint("shelves", _id);
		const ids = waiting.flatMap(({ outbox: entries }) => entries.map(({ id }) => id));
		await until("all effects", async () => (await effects.countDocuments({ _id: { $in: ids } })) === 50);
		await until("all published", async () => (await events.countDocuments({ nextAt: null })) === 50);
		expect(await events.countDocuments({})).toBe(50);
	});

	it("When an event is poison, it becomes a dead letter that operators list and replay; others go on", async () => {
		const poison = anEntry(1);
		let isCured = false;
		const { names, node, relay, runs, shelves, effects } = await start(engine, {
			before({ id }) {
				if (id === poison.id && !isCured) throw new Error("it cannot be done");
			},
		});
		const healthy = anEntry(2);
		await shelves.insertOne({ _id: "shelf", outbox: [poison, healthy] });
		relay.hint("shelves", "shelf");
		await until("the healthy effect", () => effects.findOne({ _id: healthy.id }));
		const list = () => callMixin<DeadLetter[]>(node, `${names.reader}.deadLetters`);
		const replay = () => callMixin(node, `${names.reader}.replayDeadLetter`, { id: poison.id });
		const [letter] = await until("the dead letter", async () => {
			const letters = await list();
			return letters.length > 0 && letters;
		});
		expect(letter).toMatchObject({ _id: poison.id, attempts: 3, error: "it cannot be done" });
		expect(letter?.event).toEqual(toDomainEvent("shelf", poison));
		expect(runs.filter(id => id === poison.id)).toHaveLength(3);

		await expect(replay()).rejects.toThrow("it cannot be done");
		expect(await list()).toHaveLength(1);
		expect(await effects.findOne({ _id: poison.id })).toBeNull();

		isCured = true;
		expect(await replay()).toEqual({ replayed: true });
		expect(await effects.findOne({ _id: poison.id })).not.toBeNull();
		expect(await list()).toEqual([]);
		expect(await replay()).toEqual({ replayed: false });
	});

	it("When a node stops while a consumer fails, its events are handled after the next start", async () => {
		const names = newNames();
		const first = await startNode(engine);
		const relay = await addProducer(first, names);
		const isDown = () => {
			throw new Error("it cannot be done");
		};
		await addReader(first, names, { before: isDown, retry: { maxAttempts: 1_000 } });
		const entry = anEntry();
		await collectionsOf(first, names).shelves.insertOne({ _id: "shelf", outbox: [entry] });
		relay.hint("shelves", "shelf");
		await relay.drained();
		await first.stop();
		const second = await startNode(engine);
		await addReader(second, names);
		await addProducer(second, names);
		const { effects } = collectionsOf(second, names);
		await until("the effect", () => effects.findOne({ _id: entry.id }));
	});

	it("A document whose outbox is full takes no further change", async () => {
		// Nobody relays here.
		const { shelves } = collectionsOf(await startNode(engine), newNames());
		const waiting = (count: number) => Array.from({ length: count }, (_, i) => anEntry(i));
		await shelves.insertMany([
			{ _id: "full", outbox: waiting(MAX_PENDING_EVENTS) },
			{ _id: "room", outbox: waiting(MAX_PENDING_EVENTS - 1) },
			{ _id: "empty" },
		]);
		const push = (_id: string) => shelves.updateOne({ _id, ...hasOutboxRoom }, { $push: { outbox: anEntry() } });
		expect((await push("full")).matchedCount).toBe(0);
		expect((await push("room")).matchedCount).toBe(1);
		expect((await push("empty")).matchedCount).toBe(1);
	});
});

(nats?.isOwn ? describe : describe.skip)("The outbox while JetStream is away", () => {
	it("When NATS is down, events wait in the database and are published once it is back", async () => {
		const { node, relay, shelves, events, effects } = await start("jetstream");
		await nats?.kill("SIGKILL");
		await until("a bus that is not ready", () => !node.broker.stoa.events.isReady());
		const entry = anEntry();
		await shelves.insertOne({ _id: "shelf", outbox: [entry] });
		relay.hint("shelves", "shelf");
		await relay.drained();
		expect(await events.findOne({ _id: entry.id })).toMatchObject({ publishedAt: null, attempts: 0 });
		expect(await shelves.findOne({ _id: "shelf" })).toEqual({ _id: "shelf" });
		await nats?.start();
		await until("the effect", () => effects.findOne({ _id: entry.id }));
	});

	it("When the stream was lost while every node was down, what no consumer had seen is published again", async () => {
		const names = newNames();
		const first = await startNode("jetstream");
		const relay = await addProducer(first, names);
		const entry = anEntry();
		await collectionsOf(first, names).shelves.insertOne({ _id: "shelf", outbox: [entry] });
		relay.hint("shelves", "shelf");
		const { events } = collectionsOf(first, names);
		await until("a published event", async () => (await events.findOne({ _id: entry.id }))?.publishedAt);
		await first.stop();
		await nats?.kill("SIGKILL");
		await nats?.wipe();
		await nats?.start();
		const second = await startNode("jetstream");
		await addReader(second, names);
		await addProducer(second, names);
		await until("the effect", () => collectionsOf(second, names).effects.findOne({ _id: entry.id }));
	});
});

/** The same order for the same seed. */
function shuffled<T>(items: T[], seed: number): T[] {
	let state = seed;
	const next = () => {
		state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
		return state;
	};
	return items
		.map(item => ({ item, rank: next() }))
		.sort((a, b) => a.rank - b.rank)
		.map(({ item }) => item);
}
