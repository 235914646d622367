import { addProducer, anEntry, collectionsOf, openStage, type Shelf, storedEvent } from "../support/shelves.ts";
import { until } from "../support/until.ts";

const stage = await openStage();
const { engines, newNames, startNode, start } = stage;
const gates: (() => void)[] = [];

afterEach(async () => {
	for (const open of gates.splice(0)) open();
	await stage.stopNodes();
});
afterAll(() => stage.close());

/** A door that a handler waits at; open when the test is over. */
function aGate() {
	let open = () => undefined as void;
	const opened = new Promise<void>(resolve => {
		open = resolve;
	});
	gates.push(() => open());
	return { opened, open: () => open() };
}

describe("A relay in process", () => {
	it("takes off a document what it told, not what came meanwhile", async () => {
		const [first, second] = [anEntry(1), anEntry(2)];
		const names = newNames();
		const node = await startNode("in-process");
		const { shelves, events } = collectionsOf(node, names);
		const seen: string[][] = [];
		// The moment between the relay's look and its writing: the first is on its way to the bus, the second is pushed.
		await node.broker.stoa.events.subscribe({
			name: "meanwhile",
			handlers: {
				"order.failed": async ({ id }) => {
					if (id !== first.id) return;
					await shelves.updateOne({ _id: "shelf" }, { $push: { outbox: second } });
					seen.push(((await shelves.findOne({ _id: "shelf" }))?.outbox ?? []).map(entry => entry.id));
				},
			},
		});
		await shelves.insertOne({ _id: "shelf", outbox: [first] });
		await addProducer(node, names);
		await until("the second event", async () => (await events.findOne({ _id: second.id }))?.publishedAt);
		await until("an empty outbox", async () => !(await shelves.findOne({ _id: "shelf" }))?.outbox);
		expect(seen).toEqual([[first.id, second.id]]);
		expect(await events.countDocuments({})).toBe(2);
	});

	it("that failed late does not undo what another published meanwhile", async () => {
		const names = newNames();
		const [slow, fast] = [await startNode("in-process"), await startNode("in-process")];
		const { events } = collectionsOf(fast, names);
		const entry = anEntry();
		const gate = aGate();
		let isAtWork = false;
		let isOver = false;
		await slow.broker.stoa.events.subscribe({
			name: "in vain",
			handlers: {
				"order.failed": async ({ id }) => {
					if (id !== entry.id) return;
					isAtWork = true;
					await gate.opened;
					isOver = true;
					throw new Error("late, and in vain");
				},
			},
		});
		await addProducer(slow, names);
		await events.insertOne(storedEvent("shelf", entry));
		await until("the slow relay to try", () => isAtWork);
		const relay = await addProducer(fast, names);
		const published = await until("the fast relay's note", async () => {
			const found = await events.findOne({ _id: entry.id });
			return found?.publishedAt && found;
		});
		gate.open();
		await until("the slow one's failure", () => isOver);
		await slow.stop();
		await relay.drained();
		expect(await events.findOne({ _id: entry.id })).toEqual(published);
		expect(published).toMatchObject({ nextAt: null, attempts: 0 });
	});
});

(stage.nats ? describe : describe.skip)("A relay over JetStream", () => {
	it("tells again what somebody notes late as told to a stream that is gone", async () => {
		const { events, effects, node } = await start("jetstream");
		const entry = anEntry();
		await until("a ready bus", () => node.broker.stoa.events.isReady());
		const lost = { ...storedEvent("shelf", entry, new Date()), publishedIn: "2020-01-01T00:00:00.000Z" };
		await events.insertOne(lost);
		await until("the effect", () => effects.findOne({ _id: entry.id }));
		const since = node.broker.stoa.events.since?.toISOString();
		await until("the new note", async () => (await events.findOne({ _id: entry.id }))?.publishedIn === since);
	});
});

describe.each(engines)("Many events over %s", engine => {
	it("are drained, so many at a time, though nobody hinted and one document has hundreds", async () => {
		let running = 0;
		let most = 0;
		const { shelves, events, effects, runs } = await start(engine, {
			async before() {
				most = Math.max(most, ++running);
				await Promise.resolve();
				running--;
			},
		});
		const many: Shelf[] = Array.from({ length: 1_200 }, (_, i) => ({ _id: `shelf${i}`, outbox: [anEntry(i)] }));
		many.push({ _id: "full", outbox: Array.from({ length: 300 }, (_, i) => anEntry(i)) });
		await shelves.insertMany(many);
		const ids = many.flatMap(({ outbox = [] }) => outbox.map(({ id }) => id));
		await until("all effects", async () => (await effects.countDocuments({ _id: { $in: ids } })) === 1_500, 60_000);
		await until("all published", async () => (await events.countDocuments({ nextAt: null })) === 1_500, 60_000);
		await until("empty outboxes", async () => (await shelves.countDocuments({ outbox: { $exists: true } })) === 0);
		expect(new Set(runs).size).toBe(1_500);
		expect(runs).toHaveLength(1_500);
		expect(most).toBeLessThanOrEqual(64);
	}, 120_000);
});

describe("Round trips of one event, from its document to its effect", () => {
	it("are few: two writes of the relay, two in the consumer's inbox", async () => {
		const { names, node, relay, shelves, effects, inbox } = await start("in-process");
		const db = (service: string) => node.broker.stoa.database.of(service).getClient().db(service);
		const entry = anEntry();
		await shelves.insertOne({ _id: "shelf", outbox: [entry] });
		for (const service of Object.values(names)) await db(service).command({ profile: 2, slowms: 0 });
		relay.hint("shelves", "shelf");
		await until("the effect", () => effects.findOne({ _id: entry.id }, { comment: "test" }));
		await relay.drained();
		await until("the note", async () => (await inbox.findOne({ _id: entry.id }, { comment: "test" }))?.at);
		const about = async (service: string, collection: string) => {
			await db(service).command({ profile: 0 });
			const told = JSON.stringify(
				await db(service)
					.collection("system.profile")
					.find({ ns: `${service}.${collection}` })
					.toArray(),
			);
			return (JSON.parse(told) as { op: string; command?: { comment?: string } }[]).filter(
				({ op, command }) => command?.comment !== "test" && /insert|update|command/.test(op),
			).length;
		};
		// The bulk writes of the relay, and the claim and the note of the consumer; a sweep may have come between.
		expect(await about(names.reader, "inbox")).toBeLessThanOrEqual(3);
		expect(await about(names.producer, "shelves")).toBeLessThanOrEqual(2);
		expect(await about(names.producer, "events")).toBeLessThanOrEqual(3);
	});
});
