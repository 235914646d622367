import { readdirSync } from "node:fs";
import {
	type Client,
	connect,
	type Db,
	DURABLE,
	type Process,
	startProcess,
	temporaryFolder,
} from "./support/servers.ts";

const KILLS = 20;
const WRITERS = 8;
/** Small and slow checkpoints, so that many kills land within one. */
const PARAMS = { checkpointBytes: 60_000, checkpointDelayMs: 10 };

interface Counter {
	_id: string;
	n: number;
	group: number;
	tags: string[];
	pad: string;
}

/** Writes until the server goes away, and remembers what was acknowledged. */
async function write(db: Db, writer: number, acknowledged: Map<string, number>, deleted: Set<string>, round: number) {
	const c = db.collection<Counter>("counters", DURABLE);
	for (let i = 0; ; i++) {
		const id = `${writer}-${i % 40}`;
		const gone = `gone-${round}-${writer}-${i}`;
		const found = await c.findOneAndUpdate(
			{ _id: id },
			{ $inc: { n: 1 }, $set: { group: i % 7, tags: [`t${i % 5}`, `u${i % 3}`], pad: "x".repeat(300) } },
			{ upsert: true, returnDocument: "after" },
		);
		acknowledged.set(id, found?.n ?? 0);
		if (i % 10 === 0) {
			await c.insertOne({ _id: gone, n: 0, group: 0, tags: [], pad: "" });
			await c.deleteOne({ _id: gone });
			deleted.add(gone);
		}
	}
}

const wasCheckpointing = (folder: string) => readdirSync(folder).some(name => name.endsWith(".tmp"));

/** Kills after a random number of acknowledged writes, as often as not while a checkpoint is being written. */
async function killUnderLoad(
	server: Process,
	client: Client,
	folder: string,
	state: State,
	round: number,
): Promise<boolean> {
	const db = client.db("shop");
	const { acknowledged, deleted } = state;
	const target = state.writes() + 50 + Math.floor(Math.random() * 200);
	const writers = Array.from({ length: WRITERS }, (_, w) =>
		write(db, w, acknowledged, deleted, round).catch((error: Error) => {
			if (!/Network|Pool|Topology|Server/.test(error.name)) throw error;
		}),
	);
	await new Promise<void>(done => {
		const look = () =>
			state.writes() >= target && (round % 2 || wasCheckpointing(folder)) ? done() : setImmediate(look);
		look();
	});
	const during = wasCheckpointing(folder);
	await server.kill("SIGKILL");
	await Promise.all(writers);
	return during;
}

class State {
	readonly acknowledged = new Map<string, number>();
	readonly deleted = new Set<string>();
	writes(): number {
		let sum = 0;
		for (const n of this.acknowledged.values()) sum += n;
		return sum;
	}
}

describe("When the server is killed under write load, twenty times", () => {
	it("no acknowledged write is lost, and indexes and documents agree", async () => {
		const folder = await temporaryFolder();
		const state = new State();
		let duringCheckpoint = 0;
		let checkpoints = 0;
		for (let round = 0; round < KILLS; round++) {
			const server = await startProcess(folder.path, PARAMS);
			const client = await connect(server.uri);
			const c = client.db("shop").collection<Counter>("counters", DURABLE);
			if (round === 0) await c.createIndexes([{ key: { group: 1, n: -1 } }, { key: { tags: 1 } }]);
			if (await killUnderLoad(server, client, folder.path, state, round)) duringCheckpoint++;
			await client.close(true);

			const again = await startProcess(folder.path, PARAMS);
			const reader = await connect(again.uri);
			const db = reader.db("shop");
			const found = new Map((await db.collection<Counter>("counters").find().toArray()).map(d => [d._id, d.n]));
			// A write whose answer was lost may have happened: one more is right, one less is a lost write.
			for (const [id, n] of state.acknowledged) expect([id, (found.get(id) ?? 0) >= n]).toEqual([id, true]);
			for (const id of state.deleted) expect([id, found.has(id)]).toEqual([id, false]);
			for (const [id, n] of found) if (!id.startsWith("gone")) state.acknowledged.set(id, n);
			expect(await db.command({ validate: "counters" })).toMatchObject({ valid: true, errors: [], nIndexes: 3 });
			checkpoints += (await db.admin().command({ serverStatus: 1 }))["embeddedJournal"].checkpointBytes > 0 ? 1 : 0;
			await reader.close(true);
			expect(await again.kill("SIGTERM")).toBe(0);
		}
		expect(duringCheckpoint).toBeGreaterThanOrEqual(5);
		expect(checkpoints).toBeGreaterThan(10);
		await folder.remove();
	}, 900_000);
});
