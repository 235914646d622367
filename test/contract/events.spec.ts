import { connect, type NatsConnection } from "nats";
import { newId } from "../../lib/ids.ts";
import { createLogger } from "../../lib/logger.ts";
import { InProcessEvents } from "../../ports/events/in-process.ts";
import { JetStreamEvents } from "../../ports/events/jetstream.ts";
import type { DomainEvent, EventBus, EventConsumer, EventHandler } from "../../ports/events/port.ts";
import { findOrStartNats } from "../support/servers.ts";
import { until } from "../support/until.ts";

const STREAM = "STOA_EVENTS";
const nats = await findOrStartNats();
const engines = ["in-process" as const, ...(nats ? ["jetstream" as const] : [])];
const open: EventBus[] = [];

/** One node's bus, ready to deliver. */
async function startBus(engine: EventBus["engine"]): Promise<EventBus> {
	const bus =
		engine === "jetstream" ? new JetStreamEvents(nats?.url ?? "", createLogger("silent")) : new InProcessEvents();
	open.push(bus);
	await bus.start();
	bus.open();
	return bus;
}

const anEvent = (name: DomainEvent["name"] = "order.failed"): DomainEvent => ({
	id: newId("evt"),
	name,
	aggregateId: newId("ord"),
	sequence: 1,
	version: 1,
	occurredAt: "2026-01-02T03:04:05.000Z",
	data: { orderId: newId("ord"), reason: "a test" },
});

/** A consumer of `order.failed` that writes down what it gets, and cannot keep it while `fail` says so. */
function aConsumer(fail: (event: DomainEvent, attempt: number) => boolean = () => false) {
	const got: { id: string; attempt: number; at: number }[] = [];
	const handler: EventHandler = async event => {
		const attempt = got.filter(({ id }) => id === event.id).length + 1;
		got.push({ id: event.id, attempt, at: performance.now() });
		await Promise.resolve();
		if (fail(event, attempt)) throw new Error("the handler failed");
	};
	const consumer: EventConsumer = {
		name: `c${newId("evt")}`,
		handlers: { "order.failed": handler as EventHandler<"order.failed"> },
	};
	const idsOf = () => new Set(got.map(delivery => delivery.id));
	return { consumer, got, idsOf, has: (event: DomainEvent) => idsOf().has(event.id) };
}

/** As the relay does: again and again until the event is safe. */
const publishUntilSafe = (bus: EventBus, event: DomainEvent) =>
	until("a safe event", () =>
		bus.publish(event).then(
			() => true,
			() => false,
		),
	);

async function withNats<T>(use: (connection: NatsConnection) => Promise<T>): Promise<T> {
	const connection = await connect({ servers: nats?.url ?? "" });
	try {
		return await use(connection);
	} finally {
		await connection.close();
	}
}

const sockets = () => process.getActiveResourcesInfo().filter(name => name.startsWith("TCPSocket")).length;

afterEach(async () => {
	await Promise.all(open.splice(0).map(bus => bus.stop()));
});
afterAll(() => nats?.stop());

describe.each(engines)("Events over %s", engine => {
	it("reach every consumer that listens to them, as they were published", async () => {
		const bus = await startBus(engine);
		const [mailer, stock] = [aConsumer(), aConsumer()];
		const seen: DomainEvent[] = [];
		await bus.subscribe({
			...mailer.consumer,
			handlers: {
				"order.failed": async event => {
					await Promise.resolve();
					seen.push(event);
				},
			},
		});
		await bus.subscribe(stock.consumer);
		const event = anEvent();
		await bus.publish(event);
		await until("both deliveries", () => seen.some(({ id }) => id === event.id) && stock.has(event));
		expect(seen.find(({ id }) => id === event.id)).toEqual(event);
	});

	it("are safe with no consumer at all, and no business of consumers of other events", async () => {
		const bus = await startBus(engine);
		const { consumer, has } = aConsumer();
		await bus.subscribe(consumer);
		const [other, own] = [anEvent("order.placed"), anEvent()];
		await bus.publish(other);
		await bus.publish(own);
		await until("the own event", () => has(own));
		expect(has(other)).toBe(false);
	});

	it("When a consumer cannot keep an event, it is delivered again until it can, and others do not suffer", async () => {
		const bus = await startBus(engine);
		const event = anEvent();
		const flaky = aConsumer(({ id }, attempt) => id === event.id && attempt < 3);
		const healthy = aConsumer();
		await bus.subscribe(flaky.consumer);
		await bus.subscribe(healthy.consumer);
		await publishUntilSafe(bus, event);
		const attempts = () => flaky.got.filter(({ id }) => id === event.id).map(({ attempt }) => attempt);
		await until("the third delivery", () => attempts().length >= 3);
		const after = anEvent();
		await publishUntilSafe(bus, after);
		await until("the next event", () => flaky.has(after) && healthy.has(after) && healthy.has(event));
		expect(attempts()).toEqual([1, 2, 3]);
	});

	it("When the bus stops, it waits for the handlers that run and leaves no socket", async () => {
		const before = sockets();
		const bus = await startBus(engine);
		let finish = () => undefined as void;
		const gate = new Promise<void>(resolve => {
			finish = resolve;
		});
		const steps: string[] = [];
		const { consumer } = aConsumer();
		const event = anEvent();
		await bus.subscribe({
			...consumer,
			handlers: {
				"order.failed": async ({ id }) => {
					if (id !== event.id) return;
					steps.push("began");
					await gate;
					steps.push("ended");
				},
			},
		});
		const published = bus.publish(event);
		await until("the handler", () => steps.length === 1);
		const stopped = bus.stop().then(() => steps.push("stopped"));
		finish();
		await Promise.all([stopped, published]);
		expect(steps).toEqual(["began", "ended", "stopped"]);
		expect(bus.isReady()).toBe(false);
		await until("closed sockets", () => sockets() <= before);
	});
});

describe("Events in process", () => {
	it("are not safe before the node is open, nor while a consumer failed", async () => {
		const bus = new InProcessEvents();
		open.push(bus);
		const flaky = aConsumer((_, attempt) => attempt === 1);
		await bus.subscribe(flaky.consumer);
		await expect(bus.publish(anEvent())).rejects.toThrow("every service");
		bus.open();
		const event = anEvent();
		await expect(bus.publish(event)).rejects.toThrow("the handler failed");
		await bus.publish(event);
		expect(flaky.got.map(({ attempt }) => attempt)).toEqual([1, 2]);
	});

	it("When a handler hangs, the relay is told that the event is not safe, and the handler does not run twice", async () => {
		const bus = new InProcessEvents({ patienceMs: 20 });
		open.push(bus);
		bus.open();
		let runs = 0;
		let finish = () => undefined as void;
		const gate = new Promise<void>(resolve => {
			finish = resolve;
		});
		const { consumer } = aConsumer();
		const handlers = {
			"order.failed": async () => {
				runs++;
				await gate;
			},
		};
		await bus.subscribe({ ...consumer, handlers });
		const event = anEvent();
		await expect(bus.publish(event)).rejects.toThrow("still at work");
		await expect(bus.publish(event)).rejects.toThrow("still at work");
		expect(runs).toBe(1);
		finish();
		await bus.stop();
	});
});

(nats ? describe : describe.skip)("Events over JetStream", () => {
	it("When one event is published twice, it is delivered once", async () => {
		const bus = await startBus("jetstream");
		const { consumer, got, has } = aConsumer();
		await bus.subscribe(consumer);
		const [event, after] = [anEvent(), anEvent()];
		await Promise.all([bus.publish(event), bus.publish(event)]);
		await bus.publish(event);
		await bus.publish(after);
		await until("the last event", () => has(after));
		expect(got.filter(({ id }) => id === event.id)).toHaveLength(1);
	});

	it("While a consumer cannot keep an event, each pause before its next delivery is longer", async () => {
		const bus = await startBus("jetstream");
		const event = anEvent();
		const hopeless = aConsumer(({ id }, attempt) => id === event.id && attempt < 4);
		await bus.subscribe(hopeless.consumer);
		await bus.publish(event);
		const times = () => hopeless.got.filter(({ id }) => id === event.id).map(({ at }) => at);
		await until("the fourth delivery", () => times().length === 4);
		const waits = times()
			.slice(1)
			.map((at, i) => at - (times()[i] ?? 0));
		for (const [i, least] of [200, 400, 800].entries()) expect(waits[i]).toBeGreaterThanOrEqual(least - 5);
	});

	it("When a consumer was down, it gets what it missed once it is back", async () => {
		const [publisher, first] = [await startBus("jetstream"), await startBus("jetstream")];
		const worker = aConsumer();
		await first.subscribe(worker.consumer);
		await publisher.publish(anEvent());
		await until("a first event", () => worker.got.length > 0);
		await first.stop();
		const missed = Array.from({ length: 20 }, () => anEvent());
		for (const event of missed) await publisher.publish(event);
		const second = await startBus("jetstream");
		await second.subscribe(worker.consumer);
		await until("what was missed", () => missed.every(worker.has));
	});

	it("When two nodes run one consumer, each event goes to one of them and both work", async () => {
		const nodes = [await startBus("jetstream"), await startBus("jetstream")] as const;
		const [one, two] = [aConsumer(), aConsumer()];
		const name = one.consumer.name;
		await nodes[0].subscribe(one.consumer);
		await nodes[1].subscribe({ ...two.consumer, name });
		// What earlier tests left in the stream is delivered first.
		const before = new Set([...one.idsOf(), ...two.idsOf()]);
		const events = Array.from({ length: 100 }, () => anEvent());
		await Promise.all(events.map(event => nodes[0].publish(event)));
		await until("all events", () => events.every(event => one.has(event) || two.has(event)));
		expect(events.filter(event => one.has(event) && two.has(event))).toEqual([]);
		expect(before.size).toBeLessThanOrEqual(one.got.length + two.got.length);
		for (const node of [one, two]) expect(events.filter(node.has).length).toBeGreaterThan(10);
	});

	it("When something that is no event is published, it is dropped and the next one arrives", async () => {
		const bus = await startBus("jetstream");
		const { consumer, got, has } = aConsumer();
		await bus.subscribe(consumer);
		await withNats(async connection => {
			for (const poison of ["{ not json", "null", "[]", "7", '{"id":7}', "", "\u0000\u00ff"])
				await connection.jetstream().publish("stoa.events.order.failed", poison);
		});
		const event = anEvent();
		await bus.publish(event);
		await until("the event behind the poison", () => has(event));
		expect(got.every(({ id }) => typeof id === "string")).toBe(true);
		await withNats(async connection => {
			const manager = await connection.jetstreamManager();
			const durable = `${consumer.name}-order_failed`;
			await until("nothing that waits", async () => {
				const { num_ack_pending, num_pending } = await manager.consumers.info(STREAM, durable);
				return num_ack_pending === 0 && num_pending === 0;
			});
		});
	});

	it("When the stream is deleted under running nodes, every consumer works again and the loss is told", async () => {
		const [publisher, node] = [await startBus("jetstream"), await startBus("jetstream")];
		const worker = aConsumer();
		await node.subscribe(worker.consumer);
		const losses: string[] = [];
		publisher.onStreamLost(() => losses.push("publisher"));
		node.onStreamLost(() => losses.push("node"));
		await withNats(async connection => (await connection.jetstreamManager()).streams.delete(STREAM));
		const event = anEvent();
		await publishUntilSafe(publisher, event);
		await until("the event of the new stream", () => worker.has(event), 25_000);
		await until("both to be told", () => losses.includes("publisher") && losses.includes("node"));
		expect(losses).toHaveLength(2);
	});

	if (!nats?.isOwn) return;

	it("When NATS is killed and starts again with its files, publishing and consuming go on", async () => {
		const bus = await startBus("jetstream");
		const worker = aConsumer();
		await bus.subscribe(worker.consumer);
		let losses = 0;
		bus.onStreamLost(() => losses++);
		const before = anEvent();
		await bus.publish(before);
		await nats.kill("SIGKILL");
		await until("a bus that is not ready", () => !bus.isReady());
		await nats.start();
		const after = anEvent();
		await publishUntilSafe(bus, after);
		await until("both events", () => worker.has(before) && worker.has(after));
		await until("a ready bus", () => bus.isReady());
		expect(losses).toBe(0);
	});

	it("When NATS comes back empty, the loss is told, the stream is newer, and events flow again", async () => {
		const [bus, other] = [await startBus("jetstream"), await startBus("jetstream")];
		const worker = aConsumer();
		await other.subscribe(worker.consumer);
		const told: string[] = [];
		bus.onStreamLost(() => told.push("bus"));
		other.onStreamLost(() => told.push("other"));
		const since = bus.since?.getTime() ?? 0;
		await nats.kill("SIGKILL");
		await nats.wipe();
		await nats.start();
		await until("both to be told", () => told.includes("bus") && told.includes("other"));
		expect(bus.since?.getTime()).toBeGreaterThan(since);
		expect(bus.since).toEqual(other.since);
		const event = anEvent();
		await publishUntilSafe(bus, event);
		await until("the event", () => worker.has(event));
		expect(told.sort()).toEqual(["bus", "other"]);
	});
});
