import type { ParkedItem } from "../../lib/attempts.ts";
import { DomainError } from "../../lib/errors.ts";
import { NotYet } from "../../lib/not-yet.ts";
import type { DeadLetter, WaitingEvent } from "../../mixins/consumer.mixin.ts";
import { addReader, anEvent, callMixin, collectionsOf, openStage } from "../support/shelves.ts";
import { until } from "../support/until.ts";

const stage = await openStage();
const { engines, newNames, startNode, start, deliver } = stage;
/** Longer than any test: what waits so long is not tried again. */
const NEVER = 3_600_000;

afterEach(async () => {
	for (const gate of gates.splice(0)) gate();
	await stage.stopNodes();
});
afterAll(() => stage.close());

const gates: (() => void)[] = [];

/** A door that a handler waits at; open when the test is over. */
function aGate() {
	let open = () => undefined as void;
	const opened = new Promise<void>(resolve => {
		open = resolve;
	});
	gates.push(() => open());
	return { opened, open: () => open() };
}

const countOf = (runs: readonly string[], id: string) => runs.filter(run => run === id).length;

describe.each(engines)("Events that fail over %s", engine => {
	it("When hundreds fail and wait, those behind them are handled at once", async () => {
		const poison = Array.from({ length: 300 }, () => anEvent());
		const ids = new Set(poison.map(({ id }) => id));
		const { node, runs, effects, inbox } = await start(engine, {
			before({ id }) {
				if (ids.has(id)) throw new Error("it cannot be done");
			},
			retry: { baseMs: NEVER, maxMs: NEVER },
		});
		const healthy = anEvent();
		await deliver(engine, node, poison);
		await deliver(engine, node, [healthy]);
		await until("the effect behind them", () => effects.findOne({ _id: healthy.id }));
		await until("all that wait", async () => (await inbox.countDocuments({ nextAt: { $type: "date" } })) === 300);
		expect(runs.filter(id => ids.has(id))).toHaveLength(300);
	});

	it("When handlers hang, those behind them are handled, and what hangs is done in the end, once", async () => {
		const gate = aGate();
		const hanging = Array.from({ length: 64 }, () => anEvent());
		const ids = new Set(hanging.map(({ id }) => id));
		const { node, runs, effects, inbox } = await start(engine, {
			before: ({ id }) => (ids.has(id) ? gate.opened : undefined),
		});
		const healthy = anEvent();
		const delivered = deliver(engine, node, hanging);
		await until("all to hang", () => hanging.every(({ id }) => runs.includes(id)));
		await deliver(engine, node, [healthy]);
		await until("the effect behind them", () => effects.findOne({ _id: healthy.id }));
		expect(await effects.countDocuments({ _id: { $in: [...ids] } })).toBe(0);
		gate.open();
		await delivered;
		const done = { _id: { $in: [...ids] }, at: { $type: "date" } } as const;
		await until("all to be done", async () => (await inbox.countDocuments(done)) === 64);
		for (const { id } of hanging) expect(countOf(runs, id)).toBe(1);
	});

	it("When a handler says 'not yet', the event waits longer each time, uses up no attempt, and is done in the end", async () => {
		const times: number[] = [];
		const event = anEvent();
		let isTime = false;
		const { node, names, effects, inbox } = await start(engine, {
			before() {
				times.push(performance.now());
				if (!isTime) throw new NotYet("the checkout still runs");
			},
			retry: { maxAttempts: 2, baseMs: 50, notYetMaxMs: 400 },
		});
		await deliver(engine, node, [event]);
		await until("five attempts", () => times.length >= 5);
		const waits = times.slice(1).map((at, i) => at - (times[i] ?? 0));
		for (const [i, least] of [50, 100, 200, 400].entries()) expect(waits[i]).toBeGreaterThanOrEqual(least - 5);
		const waiting = await until("the event to wait", async () => {
			const [found] = await callMixin<WaitingEvent[]>(node, `${names.reader}.retries`);
			return found?.notYets && found.notYets >= 5 && found.attempts === 0 && found;
		});
		expect(waiting).toMatchObject({ _id: event.id, event, error: "NOT_YET: the checkout still runs", attempts: 0 });
		expect(await callMixin(node, `${names.reader}.deadLetters`)).toEqual([]);
		isTime = true;
		await until("the effect", () => effects.findOne({ _id: event.id }));
		await until("the note", async () => (await inbox.findOne({ _id: event.id }))?.at);
		const { at, ...rest } = (await inbox.findOne({ _id: event.id })) ?? {};
		expect(at).toBeInstanceOf(Date);
		expect(rest).toEqual({ _id: event.id });
	});

	it("When it is 'not yet' past its deadline, the event is a dead letter", async () => {
		const { node, names, runs } = await start(engine, {
			before() {
				throw new NotYet("the checkout still runs");
			},
			retry: { maxAttempts: 2, baseMs: 50, notYetForMs: 200 },
		});
		const event = anEvent();
		await deliver(engine, node, [event]);
		const [letter] = await until("the dead letter", async () => {
			const letters = await callMixin<DeadLetter[]>(node, `${names.reader}.deadLetters`);
			return letters.length > 0 && letters;
		});
		expect(letter).toMatchObject({ _id: event.id, event, error: "NOT_YET: the checkout still runs" });
		expect(countOf(runs, event.id)).toBeGreaterThan(2);
	});

	it("A definite answer makes a dead letter at once, one that may pass does not", async () => {
		const [missing, invalid, busy] = [anEvent(), anEvent(), anEvent()];
		const answers = new Map<string, () => unknown>([
			[missing.id, () => new DomainError("NOT_FOUND", "The order was not found")],
			// As it comes over the network.
			[
				invalid.id,
				() => Object.assign(new Error("Parameters validation error!"), { type: "VALIDATION_ERROR", code: 422 }),
			],
			[busy.id, () => new DomainError("SERVICE_UNAVAILABLE", "The database is away")],
		]);
		const { node, names, runs } = await start(engine, {
			before({ id }) {
				const answer = answers.get(id);
				if (answer) throw answer();
			},
		});
		await deliver(engine, node, [missing, invalid, busy]);
		const letters = await until("three dead letters", async () => {
			const found = await callMixin<DeadLetter[]>(node, `${names.reader}.deadLetters`);
			return found.length === 3 && found;
		});
		expect(new Map(letters.map(({ _id, attempts }) => [_id, attempts]))).toEqual(
			new Map([
				[missing.id, 1],
				[invalid.id, 1],
				[busy.id, 3],
			]),
		);
		expect([missing, invalid, busy].map(({ id }) => countOf(runs, id))).toEqual([1, 1, 3]);
	});

	it("Dead letters are parked work: listed, counted, and resumed from the first attempt", async () => {
		let isCured = false;
		const { node, names, effects } = await start(engine, {
			before() {
				if (!isCured) throw new Error("it cannot be done");
			},
		});
		const event = anEvent();
		await deliver(engine, node, [event]);
		const parked = () => callMixin<(ParkedItem & { kind: string })[]>(node, `${names.reader}.parked`);
		const [item] = await until("the parked event", async () => (await parked()).length > 0 && parked());
		expect(item).toMatchObject({
			kind: "event",
			id: event.id,
			attempts: 3,
			error: "it cannot be done",
			about: `order.failed of ${event.aggregateId}`,
		});
		const page = () => node.broker.stoa.metrics.page().then(({ body }) => body);
		expect(await page()).toContain(`stoa_parked{service="${names.reader}",kind="event"} 1`);
		const counted = `stoa_events_handled_total{service="${names.reader}",event="order.failed",outcome="dead"} 1`;
		await until("the count", async () => (await page()).includes(counted));
		const resume = () => callMixin(node, `${names.reader}.resume`, { kind: "event", id: event.id });
		isCured = true;
		expect(await resume()).toEqual({ resumed: true });
		await until("the effect", () => effects.findOne({ _id: event.id }));
		expect(await parked()).toEqual([]);
		expect(await resume()).toEqual({ resumed: false });
	});

	it("When two nodes get one event at once, one of them handles it; should that one be late, it changes nothing", async () => {
		const gate = aGate();
		const names = newNames();
		const nodes = [await startNode(engine), await startNode(engine)] as const;
		const fail = async () => {
			await gate.opened;
			throw new Error("late, and in vain");
		};
		const runs = [
			await addReader(nodes[0], names, { before: fail, retry: { maxAttempts: 1 } }),
			await addReader(nodes[1], names, { before: fail, retry: { maxAttempts: 1 } }),
		];
		const { inbox } = collectionsOf(nodes[0], names);
		const [event, last] = [anEvent(), anEvent()];
		const delivered = [deliver(engine, nodes[0], [event, event]), deliver(engine, nodes[1], [event, event])];
		// A repeat makes the event safe in the inbox while the first is at work.
		await until("an event that is kept", async () => (await inbox.findOne({ _id: event.id }))?.event);
		await deliver(engine, nodes[1], [last]);
		await until("one more event", () => runs.flat().includes(last.id));
		expect(countOf(runs.flat(), event.id)).toBe(1);
		// Meanwhile a successor took it and was done with it.
		await inbox.replaceOne({ _id: event.id }, { at: new Date() });
		gate.open();
		await Promise.all(delivered);
		await until("the last dead letter", async () => (await inbox.findOne({ _id: last.id }))?.deadAt);
		await Promise.all(nodes.map(node => node.stop()));
		expect(Object.keys((await startReading(names, event.id)) ?? {}).sort()).toEqual(["_id", "at"]);
		expect(countOf(runs.flat(), event.id)).toBe(1);
	});

	/** What the inbox says, asked by a node that has no consumer. */
	async function startReading(names: ReturnType<typeof newNames>, id: string) {
		return collectionsOf(await startNode(engine), names).inbox.findOne({ _id: id });
	}

	it("When a node dies at work, another takes the event up after its lease, however often it is told meanwhile", async () => {
		const { node, runs, effects, inbox } = await start(engine);
		const event = anEvent();
		// As it stands when a node was killed at its first attempt. Its lease is no node's clock's business.
		await inbox.updateOne({ _id: event.id }, [LEASED], { upsert: true });
		await deliver(engine, node, [event]);
		await until("the event to be kept", async () => (await inbox.findOne({ _id: event.id }))?.event);
		expect(runs).not.toContain(event.id);
		await inbox.updateOne({ _id: event.id }, [{ $set: { until: "$$NOW", nextAt: "$$NOW" } }]);
		await until("the effect", () => effects.findOne({ _id: event.id }));
		await until("the note", async () => (await inbox.findOne({ _id: event.id }))?.at);
		expect(countOf(runs, event.id)).toBe(1);
	});

	it("When an event takes every node down that works on it, it is a dead letter in the end", async () => {
		const { node, names, runs, inbox } = await start(engine);
		const event = anEvent();
		await inbox.updateOne({ _id: event.id }, [LEASED, { $set: { until: "$$NOW", attempts: 3, lost: 2 } }], {
			upsert: true,
		});
		await deliver(engine, node, [event]);
		const [letter] = await until("the dead letter", async () => {
			const letters = await callMixin<DeadLetter[]>(node, `${names.reader}.deadLetters`);
			return letters.length > 0 && letters;
		});
		expect(letter).toMatchObject({ _id: event.id, event, error: "Nobody who worked on it came to an end" });
		expect(runs).not.toContain(event.id);
	});
});

const LEASED = {
	$set: { claim: "of a node that died", until: { $add: ["$$NOW", NEVER] }, attempts: 1, firstAt: "$$NOW" },
};

describe("Dead letters of before", () => {
	it("are found in the collection that they had to themselves", async () => {
		const names = newNames();
		const node = await startNode("in-process");
		const event = anEvent();
		const letter = { event, error: "a bug", attempts: 10, at: new Date("2026-01-02T03:04:05.000Z") };
		const old = node.broker.stoa.database.of(names.reader).collection<{ _id: string }>("dead_letters");
		await old.insertOne({ _id: event.id, ...letter });
		await addReader(node, names);
		expect(await callMixin(node, `${names.reader}.deadLetters`)).toEqual([{ _id: event.id, ...letter }]);
		expect(await old.countDocuments()).toBe(0);
		expect(await callMixin(node, `${names.reader}.replayDeadLetter`, { id: event.id })).toEqual({ replayed: true });
		expect(await collectionsOf(node, names).effects.findOne({ _id: event.id })).not.toBeNull();
	});
});
