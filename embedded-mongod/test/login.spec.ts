import { connect as connectSocket, type Socket } from "node:net";
import { startEmbeddedMongod } from "../src/index.ts";
import { MongoClient, temporaryFolder } from "./support/servers.ts";

const LOGIN = { user: "stoa", password: "a-password-of-this-run" };

describe("A server with a login", () => {
	let folder: Awaited<ReturnType<typeof temporaryFolder>>;
	let server: Awaited<ReturnType<typeof startEmbeddedMongod>>;
	let address: string;

	beforeAll(async () => {
		folder = await temporaryFolder();
		server = await startEmbeddedMongod({ dataDir: folder.path, port: 0, login: LOGIN });
		address = new URL(server.uri.replace("mongodb:", "http:")).host;
	}, 30_000);
	afterAll(async () => {
		await server?.close();
		await folder?.remove();
	});

	/** What an insert over this URI ends with. */
	async function outcome(uri: string): Promise<{ code: number | undefined; found: number }> {
		const client = new MongoClient(uri, { serverSelectionTimeoutMS: 5_000 });
		try {
			const { insertedId } = await client.db("shop").collection("things").insertOne({ at: 1 });
			return {
				code: undefined,
				found: await client.db("shop").collection("things").countDocuments({ _id: insertedId }),
			};
		} catch (error) {
			return { code: (error as { code?: number }).code, found: 0 };
		} finally {
			await client.close();
		}
	}

	it("serves whoever knows it, over as many connections as they like", async () => {
		expect(server.uri).toContain("stoa:a-password-of-this-run@127.0.0.1");
		expect(await outcome(server.uri)).toEqual({ code: undefined, found: 1 });
		const client = await MongoClient.connect(server.uri, { maxPoolSize: 20 });
		try {
			const things = client.db("shop").collection("many");
			await Promise.all(Array.from({ length: 100 }, (_, i) => things.insertOne({ i })));
			expect(await things.countDocuments()).toBe(100);
		} finally {
			await client.close();
		}
	});

	it.each([
		["a wrong password", "stoa:another@", 18],
		["another user with the right password", "root:a-password-of-this-run@", 18],
		["no password", "", 13],
	])("refuses %s", async (_, who, code) => {
		expect(await outcome(`mongodb://${who}${address}`)).toEqual({ code, found: 0 });
	});

	it("refuses other mechanisms", async () => {
		const uri = `mongodb://stoa:a-password-of-this-run@${address}/?authMechanism=SCRAM-SHA-1`;
		expect((await outcome(uri)).code).toBe(334);
	});

	it("answers nothing but the handshake before, whatever is asked for", async () => {
		const client = await MongoClient.connect(`mongodb://${address}`);
		try {
			const admin = client.db("admin");
			expect(await admin.command({ ping: 1 })).toMatchObject({ ok: 1 });
			const commands = [
				{ find: "things" },
				{ insert: "things", documents: [{ _id: 1 }] },
				{ aggregate: "things", pipeline: [], cursor: {} },
				{ dropDatabase: 1 },
				{ listDatabases: 1 },
				{ setParameter: 1, notablescan: true },
				{ configureFailPoint: "failCommand", mode: "alwaysOn" },
				{ shutdown: 1 },
				{ serverStatus: 1 },
				{ connectionStatus: 1 },
				{ noSuchCommand: 1 },
			];
			for (const command of commands) await expect(admin.command(command)).rejects.toMatchObject({ code: 13 });
		} finally {
			await client.close();
		}
		expect(await outcome(server.uri)).toMatchObject({ found: 1 });
	});

	it.each([
		["a proof without a beginning", [{ saslContinue: 1, conversationId: 1, payload: "c=biws,r=x,p=x" }]],
		["an empty proof", [{ saslContinue: 1, conversationId: 1, payload: "" }]],
		["a beginning that is not one", [{ saslStart: 1, mechanism: "SCRAM-SHA-256", payload: "n,,n=stoa" }]],
		["the empty end without a proof", [begin(), { saslContinue: 1, conversationId: 1, payload: "" }]],
		[
			"a proof of nothing",
			[begin(), { saslContinue: 1, conversationId: 1, payload: `c=biws,r=x,p=${"A".repeat(43)}=` }],
		],
	])("is not opened by %s", async (_, commands) => {
		const client = await MongoClient.connect(`mongodb://${address}`, { maxPoolSize: 1 });
		try {
			const admin = client.db("admin");
			for (const [i, { payload, ...command }] of commands.entries()) {
				const sent = admin.command({ ...command, payload: Buffer.from(payload) });
				if (i === commands.length - 1) await expect(sent).rejects.toMatchObject({ code: 18 });
				else expect(await sent).toMatchObject({ done: false });
			}
			await expect(admin.command({ find: "things" })).rejects.toMatchObject({ code: 13 });
		} finally {
			await client.close();
		}
	});

	it("computes nothing for whoever has not proven anything", async () => {
		const client = await MongoClient.connect(`mongodb://${address}`, { maxPoolSize: 1 });
		const known = await MongoClient.connect(server.uri, { maxPoolSize: 1 });
		// Evaluating it fails, which tells whether it was.
		const command = { ping: 1, let: { a: { $noSuchOperator: 1 } } };
		try {
			await expect(known.db("admin").command({ ...command })).rejects.toThrow("$noSuchOperator");
			expect(await client.db("admin").command({ ...command })).toMatchObject({ ok: 1 });
		} finally {
			await Promise.all([client.close(), known.close()]);
		}
	});

	it("hangs up on a message that is long before anybody has proven anything", async () => {
		const [, port] = address.split(":");
		const socket: Socket = connectSocket({ host: "127.0.0.1", port: Number(port) });
		const ended = new Promise<void>(resolve => socket.once("close", () => resolve()));
		const head = Buffer.alloc(16);
		head.writeInt32LE(40_000_000, 0);
		head.writeInt32LE(2013, 12);
		socket.on("error", () => undefined);
		socket.write(head);
		await ended;
	});

	it("is not started with a password that could not be typed", async () => {
		const other = await temporaryFolder();
		try {
			const login = { user: "stoa", password: "" };
			await expect(startEmbeddedMongod({ dataDir: other.path, port: 0, login })).rejects.toThrow("printable ASCII");
		} finally {
			await other.remove();
		}
	});
});

function begin() {
	return { saslStart: 1, mechanism: "SCRAM-SHA-256", payload: `n,,n=stoa,r=${"r".repeat(24)}` };
}
