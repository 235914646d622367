import { type Case, codeOf } from "../support/cases.ts";
import { connect } from "../support/servers.ts";

const failCommand = (data: object, times = 1) => ({ configureFailPoint: "failCommand", mode: { times }, data });

export const serverCases: Case[] = [
	{
		name: "it presents itself as a standalone MongoDB 7",
		async run(db) {
			const hello = await db.admin().command({ hello: 1 });
			expect(hello).toMatchObject({ isWritablePrimary: true, maxWireVersion: expect.any(Number) });
			expect((await db.admin().command({ buildInfo: 1 }))["version"]).toMatch(/^\d+\.\d+/);
			expect(await db.admin().ping()).toMatchObject({ ok: 1 });
		},
	},
	{
		name: "every command is counted once under its name",
		async run(db) {
			const counts = async (): Promise<Record<string, number>> => {
				const { metrics } = await db.admin().command({ serverStatus: 1 });
				return Object.fromEntries(
					Object.entries(metrics.commands).map(([k, v]) => [k, Number((v as { total?: number }).total ?? 0)]),
				);
			};
			const before = await counts();
			const c = db.collection<{ _id: number; n?: number }>("c");
			await c.insertMany(Array.from({ length: 150 }, (_, i) => ({ _id: i })));
			await c.updateOne({ _id: 1 }, { $set: { n: 1 } });
			await c.findOneAndUpdate({ _id: 1 }, { $inc: { n: 1 } });
			await c.find().toArray();
			await c.deleteOne({ _id: 2 });
			await c.countDocuments();
			const after = await counts();
			const names = ["insert", "update", "findAndModify", "find", "getMore", "delete", "aggregate"];
			expect(Object.fromEntries(names.map(n => [n, (after[n] ?? 0) - (before[n] ?? 0)]))).toEqual({
				insert: 1,
				update: 1,
				findAndModify: 1,
				find: 1,
				getMore: 1,
				delete: 1,
				aggregate: 1,
			});
		},
	},
	{
		name: "collections and databases are listed, renamed and dropped",
		async run(db, client) {
			await db.collection("a").insertOne({});
			await db.createCollection("b");
			expect((await db.listCollections({}, { nameOnly: true }).toArray()).map(c => c.name).sort()).toEqual(["a", "b"]);
			await db.collection("a").rename("z");
			expect(await codeOf(db.collection("b").rename("z"))).toBe(48);
			expect(await db.collection("z").countDocuments()).toBe(1);
			await db.collection("b").drop();
			expect((await client.db().admin().listDatabases()).databases.map(d => d.name)).toContain(db.databaseName);
			await db.dropDatabase();
			expect(await db.listCollections().toArray()).toEqual([]);
		},
	},
	{
		name: "failCommand answers with an error and its labels, as often as told",
		async run(db) {
			const c = db.collection("c");
			await db
				.admin()
				.command(failCommand({ failCommands: ["insert"], errorCode: 91, errorLabels: ["RetryableWriteError"] }));
			const error = await c.insertOne({}).catch(e => e);
			expect([error.code, error.hasErrorLabel("RetryableWriteError")]).toEqual([91, true]);
			expect(await codeOf(c.insertOne({}))).toBeUndefined();
		},
	},
	{
		name: "failCommand closes the connection before the command",
		async run(db) {
			await db.admin().command(failCommand({ failCommands: ["insert"], closeConnection: true }));
			expect(await codeOf(db.collection("c").insertOne({ a: 1 }))).toBeUndefined();
			expect(await db.collection("c").countDocuments({})).toBe(0);
		},
	},
	{
		name: "failCommand may close the connection after the command, where the client cannot know",
		embeddedOnly: true,
		async run(db) {
			await db.admin().command(failCommand({ failCommands: ["insert"], after: "closeConnection" }));
			const error = await db
				.collection("c")
				.insertOne({ a: 1 })
				.catch(e => e);
			expect(error.name).toBe("MongoNetworkError");
			expect(await db.collection("c").countDocuments({})).toBe(1);
		},
	},
	{
		name: "failCommand can be for one collection or one application",
		async run(db) {
			const namespace = `${db.databaseName}.b`;
			await db.admin().command(failCommand({ failCommands: ["insert"], errorCode: 11600, namespace }));
			expect(await codeOf(db.collection("a").insertOne({}))).toBeUndefined();
			expect(await codeOf(db.collection("b").insertOne({}))).toBe(11600);
			await db.admin().command(failCommand({ failCommands: ["insert"], errorCode: 11600, appName: "other" }));
			expect(await codeOf(db.collection("a").insertOne({}))).toBeUndefined();
			await db.admin().command({ configureFailPoint: "failCommand", mode: "off" });
		},
	},
	{
		name: "what it has not is an error that says so, never a wrong answer",
		embeddedOnly: true,
		async run(db) {
			expect(await codeOf(db.collection("c").createIndex({ a: "text" }))).toBe(238);
			expect(await codeOf(db.createCollection("v", { validator: { a: 1 } }))).toBe(238);
			expect(await codeOf(db.createCollection("cap", { capped: true, size: 100 }))).toBe(238);
			expect(await codeOf(db.collection("c").find({ a: "x" }).collation({ locale: "en", strength: 1 }).toArray())).toBe(
				238,
			);
			expect(await codeOf(db.command({ nonsense: 1 }))).toBe(59);
		},
	},
	{
		name: "with notablescan a query without an index fails",
		embeddedOnly: true,
		async run(db) {
			await db.collection("c").insertOne({ a: 1 });
			await db.admin().command({ setParameter: 1, notablescan: true });
			expect(await codeOf(db.collection("c").find({ a: 1 }).toArray())).toBe(291);
			expect(await codeOf(db.collection("c").find({}).toArray())).toBeUndefined();
			await db.admin().command({ setParameter: 1, notablescan: false });
		},
	},
	{
		name: "many connections are served at once",
		async run(db, client) {
			const uri = client.options.srvHost
				? ""
				: `mongodb://${client.options.hosts.map(h => (h.socketPath ? encodeURIComponent(h.socketPath) : `${h.host}:${h.port}`)).join(",")}`;
			const clients = await Promise.all(Array.from({ length: 20 }, () => connect(uri)));
			await Promise.all(clients.map((c, i) => c.db(db.databaseName).collection("c").insertOne({ i })));
			expect(await db.collection("c").countDocuments()).toBe(20);
			await Promise.all(clients.map(c => c.close()));
		},
	},
];
