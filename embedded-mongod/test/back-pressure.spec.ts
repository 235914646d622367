import { connect as connectTo } from "node:net";
import { serialize } from "bson";
import { startEmbeddedMongod } from "../src/index.ts";
import { connect, type Numbered, temporaryFolder } from "./support/servers.ts";

function message(command: object): Buffer {
	const body = serialize(command);
	const head = Buffer.alloc(21);
	head.writeInt32LE(21 + body.length, 0);
	head.writeInt32LE(2013, 12);
	return Buffer.concat([head, body]);
}

describe("A client that sends and never reads", () => {
	it("is not answered into memory: the server stops after a few of its requests", async () => {
		const folder = await temporaryFolder();
		const server = await startEmbeddedMongod({ dataDir: folder.path });
		const client = await connect(server.uri);
		const db = client.db("d");
		await db.collection<Numbered>("c").insertOne({ _id: 1, pad: "x".repeat(1_000_000) });
		const finds = async () => (await db.command({ serverStatus: 1 }))["metrics"].commands.find?.total ?? 0;
		const socket = connectTo({ path: decodeURIComponent(server.uri.replace("mongodb://", "")) });
		socket.on("error", () => undefined);
		socket.pause();
		const find = message({ find: "c", filter: {}, $db: "d" });
		for (let i = 0; i < 500; i++) socket.write(find);
		// Two looks with many commands between them that show no further find: it has stopped.
		let before = -1;
		let now = await finds();
		while (now === 0 || now !== before) {
			before = now;
			for (let i = 0; i < 50; i++) await db.command({ ping: 1 });
			now = await finds();
		}
		expect(now).toBeLessThan(50);
		socket.destroy();
		expect(await db.collection<Numbered>("c").countDocuments()).toBe(1);
		await client.close();
		await server.close();
		await folder.remove();
	});
});
