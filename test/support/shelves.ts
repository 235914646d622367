import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Schema } from "mongoose";
import { connect } from "nats";
import { startEmbeddedMongod } from "../../embedded-mongod/src/index.ts";
import { isDuplicateKey } from "../../lib/errors.ts";
import { newEvent, type OutboxEntry, toDomainEvent } from "../../lib/events.ts";
import { newId } from "../../lib/ids.ts";
import { defineService } from "../../lib/typed.ts";
import { consumer } from "../../mixins/consumer.mixin.ts";
import { type DbVars, db, defineModel } from "../../mixins/db.mixin.ts";
import type { RetryPolicy } from "../../mixins/event-work.ts";
import type { InboxEntry } from "../../mixins/inbox.ts";
import { type OutboxVars, outbox, outboxFields, outboxIndex } from "../../mixins/outbox.mixin.ts";
import type { StoredEvent } from "../../mixins/stored-events.ts";
import type { DomainEvent } from "../../ports/events/port.ts";
import { startTestNode, type TestNode } from "./node.ts";
import { findOrStartNats, type TestServer } from "./servers.ts";
import { until } from "./until.ts";

/** Small services that tell events (of shelves) and read them, on nodes that share one database. */

export interface Shelf {
	_id: string;
	outbox?: OutboxEntry[];
}
interface Effect {
	_id: string;
	reason: string;
}
export interface Names {
	producer: `shelf${number}`;
	reader: `reader${number}`;
}
export type Engine = "in-process" | "jetstream";

const shelfModel = defineModel(
	"shelves",
	outboxIndex(new Schema<Shelf>({ _id: String, ...outboxFields }, { versionKey: false })),
);
const effectModel = defineModel("effects", new Schema<Effect>({ _id: String, reason: String }, { versionKey: false }));
const producerModels = { shelves: shelfModel };
const readerModels = { effects: effectModel };

/** What is older belongs to another test: ids grow with time, by the millisecond. */
let oldest = newId("evt", Date.now() - 2);

export interface Reader {
	/** Runs before the effect, and may throw instead of it. */
	before?(event: DomainEvent): Promise<void> | void;
	retry?: Partial<RetryPolicy>;
}

export const anEntry = (sequence = 1): OutboxEntry =>
	newEvent("order.failed", { orderId: newId("ord"), reason: `failure ${sequence}` }, { sequence, now: new Date() });
export const anEvent = (): DomainEvent => toDomainEvent("a shelf", anEntry());

/** As the relay stores an event. */
export const storedEvent = (shelf: string, entry: OutboxEntry, publishedAt: Date | null = null): StoredEvent => ({
	...toDomainEvent(shelf, entry),
	_id: entry.id,
	publishedAt,
	publishedIn: null,
	attempts: 0,
	nextAt: publishedAt ? null : new Date(),
	storedAt: new Date(),
});

export const collectionsOf = (node: TestNode, { producer, reader }: Names) => {
	const of = <T extends { _id: string }>(service: string, name: string) =>
		node.broker.stoa.database.of(service).collection<T>(name);
	return {
		shelves: of<Shelf>(producer, "shelves"),
		events: of<StoredEvent>(producer, "events"),
		effects: of<Effect>(reader, "effects"),
		inbox: of<InboxEntry>(reader, "inbox"),
	};
};

/** Calls what no contract names: the actions of mixins. */
export const callMixin = <T>(node: TestNode, action: string, params?: object): Promise<T> =>
	(node.broker as unknown as { call(name: string, params?: object): Promise<T> }).call(action, params);

export async function openStage() {
	const nats: TestServer | undefined = await findOrStartNats();
	const engines: Engine[] = ["in-process", ...(nats ? ["jetstream" as const] : [])];
	const dataDir = await mkdtemp(join(tmpdir(), "stoa-shelves-"));
	const mongod = await startEmbeddedMongod({ dataDir });
	const nodes: TestNode[] = [];
	let fixtures = 0;

	const newNames = (): Names => {
		fixtures++;
		return { producer: `shelf${fixtures}`, reader: `reader${fixtures}` };
	};

	/** A node that runs one small service of the shop; fixtures are added to it. */
	async function startNode(engine: Engine): Promise<TestNode> {
		const natsUrl: Record<string, string> = engine === "jetstream" && nats ? { NATS_URL: nats.url } : {};
		const node = await startTestNode({
			services: ["inventory"],
			env: { MONGODB_URI: mongod.uri, NODE_ID: newId("evt"), ...natsUrl },
		});
		nodes.push(node);
		return node;
	}

	/** As somebody publishes who never heard of message ids, or long after the first time. */
	async function deliver(engine: Engine, node: TestNode, events: readonly DomainEvent[]): Promise<void> {
		if (engine === "in-process" || !nats) {
			await Promise.allSettled(events.map(event => node.broker.stoa.events.publish(event)));
			return;
		}
		const connection = await connect({ servers: nats.url });
		for (const event of events)
			await connection.jetstream().publish(`stoa.events.${event.name}`, JSON.stringify(event));
		await connection.close();
	}

	/** One node with both services, and what they keep. */
	async function start(engine: Engine, reader: Reader = {}) {
		const names = newNames();
		const node = await startNode(engine);
		const relay = await addProducer(node, names);
		const runs = await addReader(node, names, reader);
		return { names, node, relay, runs, ...collectionsOf(node, names) };
	}

	return {
		nats,
		engines,
		mongod,
		newNames,
		startNode,
		deliver,
		start,
		stopNodes: async () => {
			await Promise.all(nodes.splice(0).map(node => node.stop()));
			oldest = newId("evt", Date.now() - 2);
		},
		close: async () => {
			await mongod.close();
			await rm(dataDir, { recursive: true, force: true });
			await nats?.stop();
		},
	};
}

/** A service whose documents tell events; gives its relay's hint. */
export async function addProducer(node: TestNode, { producer }: Names): Promise<OutboxVars["outbox"]> {
	let own: OutboxVars["outbox"] | undefined;
	node.broker.createService(
		defineService<object, object, OutboxVars & DbVars<typeof producerModels>>()({
			name: producer,
			mixins: [db(producerModels), outbox(["shelves"])],
			actions: {},
			started() {
				own = this.outbox;
			},
		}),
	);
	return until("the producer", () => own);
}

/** A service that keeps one effect per event. Gives the ids its handler ran for. */
export async function addReader(
	node: TestNode,
	{ reader }: Names,
	{ before, retry = {} }: Reader = {},
): Promise<string[]> {
	const runs: string[] = [];
	node.broker.createService(
		defineService<object, object, DbVars<typeof readerModels>>()({
			name: reader,
			mixins: [
				consumer<DbVars<typeof readerModels>>(
					{
						async "order.failed"(event) {
							// A stream holds what other tests told.
							if (event.id < oldest || !event.data.reason.startsWith("failure")) return;
							runs.push(event.id);
							await before?.(event);
							try {
								await this.models.effects.create({ _id: event.id, reason: event.data.reason });
							} catch (error) {
								if (!isDuplicateKey(error)) throw error;
							}
						},
					},
					{ maxAttempts: 3, baseMs: 20, maxMs: 50, ...retry },
				),
				db(readerModels),
			],
			actions: {},
		}),
	);
	await node.broker.waitForServices(reader);
	return runs;
}
