import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import mongoose, { Schema } from "mongoose";
import { startMongod, startNats } from "../cluster/servers.ts";
import { loadConfig } from "../lib/config.ts";
import { newEvent } from "../lib/events.ts";
import { newId } from "../lib/ids.ts";
import { defineService } from "../lib/typed.ts";
import { consumer } from "../mixins/consumer.mixin.ts";
import { type DbVars, db, defineModel } from "../mixins/db.mixin.ts";
import { outbox, outboxFields, outboxIndex } from "../mixins/outbox.mixin.ts";
import { startNode } from "../node.ts";
import { processorMs } from "./usage.ts";

/**
 * `node run.mjs bench/events.ts [--events 5000] [--nodes 1]`: a backlog of events, one in each document, goes over
 * JetStream to a consumer that stores an effect of each. The nodes are in this process; NATS and the embedded database
 * (`w: majority, j: true`) are processes of their own.
 */
const { values } = parseArgs({
	options: { events: { type: "string", default: "5000" }, nodes: { type: "string", default: "1" } },
});
const EVENTS = Number(values.events);
const LOOK_EVERY_MS = 100;
const AT_MOST_MS = 300_000;

const Document = new Schema({ _id: String, reason: String }, { versionKey: false });
const tellers = {
	shelves: defineModel("shelves", outboxIndex(new Schema({ _id: String, ...outboxFields }, { versionKey: false }))),
};
const readers = { effects: defineModel("effects", Document) };

const teller = defineService<object, object, DbVars<typeof tellers>>()({
	name: "teller",
	mixins: [db(tellers), outbox(["shelves"])],
	actions: {},
});
const reader = defineService<object, object, DbVars<typeof readers>>()({
	name: "reader",
	mixins: [
		consumer<DbVars<typeof readers>>({
			async "order.failed"({ id, data }) {
				await this.models.effects.create({ _id: id, reason: data.reason });
			},
		}),
		db(readers),
	],
	actions: {},
});

const dataDir = await mkdtemp(join(tmpdir(), "stoa-bench-"));
const mongod = await startMongod(join(dataDir, "mongod"));
const nats = await startNats(join(dataDir, "nats"));
if (!nats) throw new Error("Without a nats-server on the PATH there is no JetStream");
const client = await mongoose.mongo.MongoClient.connect(mongod.url);
const shelves = client.db("teller").collection<{ _id: string; outbox?: unknown[] }>("shelves");
const effects = client.db("reader").collection("effects");
const events = client.db("teller").collection("events");

const startOne = (n: number) =>
	startNode(
		loadConfig({
			DATA_DIR: join(dataDir, `node${n}`),
			SERVICES: "inventory",
			PORT: "0",
			OPS_PORT: "0",
			MAILBOX_PORT: "0",
			LOG_LEVEL: "warn",
			STOA_SECRET: "the secret of every node that this starts",
			DEMO_DATA: "0",
			NODE_ID: `node${n}`,
			MONGODB_URI: mongod.url,
			NATS_URL: nats.url,
		}),
	);

const nodes = await Promise.all(Array.from({ length: Number(values.nodes) }, (_, n) => startOne(n)));
const round = (value: number): number => Math.round(value * 100) / 100;
try {
	const documents = Array.from({ length: EVENTS }, (_, sequence) => ({
		_id: `shelf${sequence}`,
		outbox: [
			newEvent("order.failed", { orderId: newId("ord"), reason: `failure ${sequence}` }, { sequence, now: new Date() }),
		],
	}));
	await shelves.insertMany(documents);
	const used = () => ({ own: process.cpuUsage(), mongod: processorMs(mongod.pid), nats: processorMs(nats.pid) });
	const before = used();
	const startedAt = performance.now();
	let relayedMs = 0;
	for (const { broker } of nodes) {
		broker.createService(teller);
		broker.createService(reader);
	}
	while (performance.now() - startedAt < AT_MOST_MS) {
		if (relayedMs === 0 && (await shelves.countDocuments({ "outbox.at": { $exists: true } })) === 0)
			relayedMs = performance.now() - startedAt;
		if (relayedMs > 0 && (await effects.estimatedDocumentCount()) === EVENTS) break;
		await new Promise(resolve => setTimeout(resolve, LOOK_EVERY_MS));
	}
	const tookMs = performance.now() - startedAt;
	const after = used();
	const own = (after.own.user + after.own.system - before.own.user - before.own.system) / 1_000;
	console.log(`${EVENTS} events, one in each document, ${values.nodes} node(s) in one process, JetStream`);
	console.table({
		drained: {
			"events/s": Math.round((EVENTS * 1_000) / tookMs),
			"relayed after ms": Math.round(relayedMs),
			"effects after ms": Math.round(tookMs),
			stored: await events.countDocuments({}),
			"processor ms an event": round((own + after.mongod - before.mongod + after.nats - before.nats) / EVENTS),
			"of the nodes": round(own / EVENTS),
			"of the database": round((after.mongod - before.mongod) / EVENTS),
			"of NATS": round((after.nats - before.nats) / EVENTS),
		},
	});
} finally {
	await Promise.all(nodes.map(node => node.stop()));
	await client.close();
	await nats.stop();
	await mongod.stop();
	await rm(dataDir, { recursive: true, force: true });
}
