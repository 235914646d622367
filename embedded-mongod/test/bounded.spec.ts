import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { startEmbeddedMongod } from "../src/index.ts";
import { connect, DURABLE, type Numbered, temporaryFolder } from "./support/servers.ts";

const MEGABYTE = 1024 * 1024;
const sizeOf = (folder: string) =>
	readdirSync(folder, { withFileTypes: true })
		.filter(entry => entry.isFile())
		.reduce((sum, { name }) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0), 0);

describe("The files stay bounded", () => {
	it("under 100,000 updates of one document", async () => {
		const folder = await temporaryFolder();
		const checkpointBytes = MEGABYTE;
		const server = await startEmbeddedMongod({ dataDir: folder.path, params: { checkpointBytes } });
		const client = await connect(server.uri);
		const c = client.db("d").collection<Numbered>("c", DURABLE);
		await c.insertOne({ _id: 1, n: 0, pad: "x".repeat(200) });
		let largest = 0;
		for (let i = 0; i < 100; i++) {
			const updates = Array.from({ length: 1000 }, () => ({
				updateOne: { filter: { _id: 1 }, update: { $inc: { n: 1 } } },
			}));
			await c.bulkWrite(updates, { ordered: false });
			largest = Math.max(largest, sizeOf(folder.path));
		}
		const { embeddedJournal } = await client.db("admin").command({ serverStatus: 1 });
		expect(embeddedJournal.checkpoints).toBeGreaterThan(10);
		// The log up to its limit, what one batch adds over it, and a checkpoint of one document.
		expect(largest).toBeLessThan(3 * checkpointBytes);
		await client.close();
		await server.close();

		const again = await startEmbeddedMongod({ dataDir: folder.path });
		const reader = await connect(again.uri);
		expect(
			await reader
				.db("d")
				.collection("c")
				.findOne({}, { projection: { _id: 0, n: 1 } }),
		).toEqual({ n: 100_000 });
		await reader.close();
		await again.close();
		await folder.remove();
	}, 60_000);
});
