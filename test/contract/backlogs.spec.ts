import type { DomainEvent } from "../../ports/events/port.ts";
import { addProducer, addReader, anEntry, anEvent, collectionsOf, openStage } from "../support/shelves.ts";
import { until } from "../support/until.ts";

const stage = await openStage();
const { engines, newNames, startNode, start, deliver } = stage;

afterEach(() => stage.stopNodes());
afterAll(() => stage.close());

const IN_AN_HOUR = () => new Date(Date.now() + 3_600_000);
const countOf = (runs: readonly string[], { id }: DomainEvent) => runs.filter(run => run === id).length;

describe("Events that come together", () => {
	it("are taken and noted together, each by what is known of it", async () => {
		const { node, runs, effects, inbox } = await start("in-process");
		const [done, dead, waiting, taken, left] = [anEvent(), anEvent(), anEvent(), anEvent(), anEvent()];
		const fresh = Array.from({ length: 20 }, () => anEvent());
		const at = new Date("2026-01-02T03:04:05Z");
		await inbox.insertMany([
			{ _id: done.id, at },
			{ _id: dead.id, event: dead, error: "no", attempts: 3, deadAt: at },
			{ _id: waiting.id, event: waiting, error: "no", attempts: 1, nextAt: IN_AN_HOUR() },
			{ _id: taken.id, claim: "another", until: IN_AN_HOUR(), attempts: 1, firstAt: at },
			{ _id: left.id, claim: "one that is gone", until: at, attempts: 1, firstAt: at },
		]);
		const before = await inbox.find({ _id: { $in: [done.id, dead.id, waiting.id] } }).toArray();
		await deliver("in-process", node, [done, dead, waiting, taken, left, ...fresh]);
		for (const event of [left, ...fresh]) {
			expect(countOf(runs, event)).toBe(1);
			expect(await effects.findOne({ _id: event.id })).not.toBeNull();
			expect(await inbox.findOne({ _id: event.id })).toEqual({ _id: event.id, at: expect.any(Date) });
		}
		expect(runs).toHaveLength(21);
		expect(await inbox.find({ _id: { $in: [done.id, dead.id, waiting.id] } }).toArray()).toEqual(before);
		// Kept, to come again should the other one be gone.
		const kept = await inbox.findOne({ _id: taken.id });
		expect(kept).toMatchObject({ claim: "another", attempts: 1, event: taken });
		expect(kept?.nextAt).toEqual(kept?.until);
	});

	it("cost their consumer a few commands, not some for each", async () => {
		const { node, names, runs, inbox } = await start("in-process");
		const events = Array.from({ length: 60 }, () => anEvent());
		const db = node.broker.stoa.database.of(names.reader).getClient().db(names.reader);
		await db.command({ profile: 2, slowms: 0 });
		await deliver("in-process", node, events);
		await db.command({ profile: 0 });
		expect(runs).toHaveLength(60);
		expect(await inbox.countDocuments({ at: { $type: "date" } })).toBe(60);
		const single = await db
			.collection("system.profile")
			.find({ ns: `${names.reader}.inbox`, op: "command" })
			.toArray();
		expect(single.length).toBe(0);
	});

	it("have one effect and one run, though two nodes get all of them at once, twice", async () => {
		const { node, names, runs, effects, inbox } = await start("in-process");
		const other = await startNode("in-process");
		const otherRuns = await addReader(other, names);
		const events = Array.from({ length: 50 }, () => anEvent());
		await Promise.all([node, other].map(each => deliver("in-process", each, [...events, ...events])));
		const ids = events.map(({ id }) => id);
		await until("all effects", async () => (await effects.countDocuments({ _id: { $in: ids } })) === 50);
		await until("all notes", async () => (await inbox.countDocuments({ at: { $type: "date" } })) === 50);
		expect([...runs, ...otherRuns].sort()).toEqual([...ids].sort());
	});
});

describe.each(engines)("A backlog that two relays find over %s", engine => {
	it("is shared: they do not both publish all of it", async () => {
		const DOCUMENTS = 4_000;
		const names = newNames();
		const nodes = [await startNode(engine), await startNode(engine)];
		const { shelves, events } = collectionsOf(nodes[0] as (typeof nodes)[number], names);
		const many = Array.from({ length: DOCUMENTS }, (_, i) => ({ _id: `shelf${i}`, outbox: [anEntry(i)] }));
		await shelves.insertMany(many);
		let published = 0;
		for (const { broker } of nodes) {
			const bus = broker.stoa.events;
			const publish = bus.publish.bind(bus);
			bus.publish = event => {
				published++;
				return publish(event);
			};
		}
		await Promise.all(nodes.map(node => addProducer(node, names)));
		await until(
			"empty outboxes",
			async () => (await shelves.countDocuments({ "outbox.at": { $exists: true } })) === 0,
			90_000,
		);
		await until("all published", async () => (await events.countDocuments({ nextAt: null })) === DOCUMENTS, 30_000);
		expect(published).toBeGreaterThanOrEqual(DOCUMENTS);
		// Twice all of it, when each of them does everything.
		expect(published).toBeLessThan(DOCUMENTS * 1.5);
	}, 150_000);
});
