import type { Case } from "../support/cases.ts";
import type { Db, Document, Numbered } from "../support/servers.ts";

async function profiled(db: Db, work: () => Promise<unknown>): Promise<Document[]> {
	await db.command({ profile: 2, slowms: 0 });
	await work();
	await db.command({ profile: 0 });
	const entries = await db
		.collection("system.profile")
		.find({ ns: `${db.databaseName}.c` })
		.sort({ ts: 1 })
		.toArray();
	return entries.filter(e => !["createIndexes", "profile"].some(name => e["command"]?.[name] !== undefined));
}
const seed = async (db: Db) => {
	await db.collection("c").createIndex({ a: 1 });
	await db
		.collection<{ _id: number; a: number; b: number }>("c")
		.insertMany(Array.from({ length: 20 }, (_, i) => ({ _id: i, a: i % 5, b: i })));
};

export const profilerCases: Case[] = [
	{
		name: "an entry tells how an operation read and what that took",
		async run(db) {
			await seed(db);
			const c = db.collection<Numbered>("c");
			const entries = await profiled(db, async () => {
				await c.find({ a: 1 }).toArray();
				await c.find({ b: 1 }).toArray();
				await c.findOne({ _id: 3 });
				await c.find({ a: 1 }).sort({ b: 1 }).toArray();
			});
			const seen = entries.map(e => [
				e["op"],
				e["planSummary"],
				e["docsExamined"],
				e["nreturned"],
				e["hasSortStage"] ?? false,
			]);
			expect(seen).toEqual([
				["query", "IXSCAN { a: 1 }", 4, 4, false],
				["query", "COLLSCAN", 20, 1, false],
				["query", "IDHACK", 1, 1, false],
				["query", "IXSCAN { a: 1 }", 4, 4, true],
			]);
			expect(entries[0]).toMatchObject({
				keysExamined: expect.any(Number),
				millis: expect.any(Number),
				command: { find: "c" },
			});
			expect(entries[0]?.["ts"]).toHaveProperty("getTime");
		},
	},
	{
		name: "writes, aggregations, counts and distinct are written down as well",
		async run(db) {
			await seed(db);
			const c = db.collection<{ _id: number; b?: number }>("c");
			const entries = await profiled(db, async () => {
				await c.insertOne({ _id: 100 });
				await c.updateOne({ a: 1 }, { $set: { b: 0 } });
				await c.deleteOne({ b: 19 });
				await c.findOneAndUpdate({ a: 2 }, { $set: { b: 0 } });
				await c.aggregate([{ $match: { a: 1 } }, { $group: { _id: null, n: { $sum: "$b" } } }]).toArray();
				await c.distinct("b", { a: 3 });
				await db.command({ count: "c", query: { b: 7 } });
			});
			const seen = entries.map(e => [e["op"], e["planSummary"]?.replace(/^(COUNT|DISTINCT)_SCAN/, "IXSCAN")]);
			expect(seen).toEqual([
				["insert", undefined],
				["update", "IXSCAN { a: 1 }"],
				["remove", "COLLSCAN"],
				["command", "IXSCAN { a: 1 }"],
				["command", "IXSCAN { a: 1 }"],
				["command", "IXSCAN { a: 1 }"],
				["command", "COLLSCAN"],
			]);
			expect(entries[1]).toMatchObject({ nMatched: 1, nModified: 1, command: { q: { a: 1 } } });
			expect(entries[2]).toMatchObject({ ndeleted: 1 });
		},
	},
	{
		name: "it is off at first, per database, and says what it was",
		async run(db, client) {
			expect(await db.command({ profile: -1 })).toMatchObject({ was: 0 });
			await db.command({ profile: 2, slowms: 5 });
			expect(await db.command({ profile: -1 })).toMatchObject({ was: 2, slowms: 5 });
			const other = client.db(`${db.databaseName}_other`);
			expect(await other.command({ profile: -1 })).toMatchObject({ was: 0 });
			await db.command({ profile: 0, slowms: 100 });
		},
	},
];
