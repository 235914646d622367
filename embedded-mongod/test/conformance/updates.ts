import { type Case, codeOf } from "../support/cases.ts";
import { type Db, type Document, Long, type Numbered } from "../support/servers.ts";

/** Updates one document and gives it back without its _id. */
async function updated(
	db: Db,
	doc: object,
	update: object,
	options: object = {},
	filter: object = {},
): Promise<Document | null> {
	const c = db.collection("c");
	await c.deleteMany({});
	await c.insertOne(doc);
	await c.updateOne(filter, update, options);
	return c.findOne({}, { projection: { _id: 0 } });
}
type Row = [before: object, update: object, after: object, options?: object, filter?: object];

const table = (name: string, rows: Row[]): Case => ({
	name,
	async run(db) {
		for (const [before, update, after, options, filter] of rows) {
			expect([update, await updated(db, { ...before }, update, options, filter)]).toEqual([update, after]);
		}
	},
});
const refusals = (name: string, rows: [before: object, update: object, code: number, options?: object][]): Case => ({
	name,
	async run(db) {
		for (const [before, update, code, options] of rows) {
			expect([update, await codeOf(updated(db, { ...before }, update, options))]).toEqual([update, code]);
		}
	},
});

export const updateCases: Case[] = [
	table("$set and $unset, through documents and array positions", [
		[{ a: 1 }, { $set: { "b.c.d": 2 } }, { a: 1, b: { c: { d: 2 } } }],
		[{ l: [1, 2] }, { $set: { "l.1": 9 } }, { l: [1, 9] }],
		[{ l: [1] }, { $set: { "l.3": 4 } }, { l: [1, null, null, 4] }],
		[{ l: [{ x: 1 }] }, { $set: { "l.0.y": 2 } }, { l: [{ x: 1, y: 2 }] }],
		[{ a: { b: 1, c: 2 } }, { $unset: { "a.b": "" } }, { a: { c: 2 } }],
		[{ l: [1, 2, 3] }, { $unset: { "l.1": "" } }, { l: [1, null, 3] }],
		[{ a: 1 }, { $unset: { "b.c": "" } }, { a: 1 }],
	]),
	table("$inc, $mul, $min, $max", [
		[{ n: 1 }, { $inc: { n: 2, m: -3 } }, { n: 3, m: -3 }],
		[{ n: 1 }, { $inc: { n: 0.5 } }, { n: 1.5 }],
		[{ n: 2147483647 }, { $inc: { n: 1 } }, { n: 2147483648 }],
		[{ n: 3 }, { $mul: { n: 2, m: 5 } }, { n: 6, m: 0 }],
		[{ n: 3 }, { $min: { n: 2, m: 1 }, $max: { k: 4 } }, { n: 2, m: 1, k: 4 }],
		[{ n: 3 }, { $max: { n: "text" } }, { n: "text" }],
		[{ n: 3 }, { $min: { n: null } }, { n: null }],
	]),
	table("$push with $each, $position, $sort and $slice", [
		[{}, { $push: { l: 1 } }, { l: [1] }],
		[{ l: [1] }, { $push: { l: [2, 3] } }, { l: [1, [2, 3]] }],
		[{ l: [1] }, { $push: { l: { $each: [2, 3] } } }, { l: [1, 2, 3] }],
		[{ l: [1] }, { $push: { l: { $each: [2, 3], $position: 0 } } }, { l: [2, 3, 1] }],
		[{ l: [1, 4] }, { $push: { l: { $each: [3], $position: -1 } } }, { l: [1, 3, 4] }],
		[{ l: [3] }, { $push: { l: { $each: [1, 2], $sort: 1 } } }, { l: [1, 2, 3] }],
		[
			{ l: [{ q: 2 }] },
			{ $push: { l: { $each: [{ q: 3 }, { q: 1 }], $sort: { q: -1 }, $slice: 2 } } },
			{ l: [{ q: 3 }, { q: 2 }] },
		],
		[{ l: [1, 2] }, { $push: { l: { $each: [3], $slice: -2 } } }, { l: [2, 3] }],
		[{ l: [1, 2] }, { $push: { l: { $each: [], $slice: 0 } } }, { l: [] }],
	]),
	table("$addToSet, $pull, $pullAll and $pop", [
		[{ l: [1] }, { $addToSet: { l: { $each: [1, 2, 2] } } }, { l: [1, 2] }],
		[{ l: [{ a: 1, b: 2 }] }, { $addToSet: { l: { a: 1, b: 2 } } }, { l: [{ a: 1, b: 2 }] }],
		[
			{ l: [{ a: 1, b: 2 }] },
			{ $addToSet: { l: { b: 2, a: 1 } } },
			{
				l: [
					{ a: 1, b: 2 },
					{ b: 2, a: 1 },
				],
			},
		],
		[{ l: [1, 2, 3, 2] }, { $pull: { l: 2 } }, { l: [1, 3] }],
		[{ l: [1, 5, 8] }, { $pull: { l: { $gte: 5 } } }, { l: [1] }],
		[
			{
				l: [
					{ k: 1, v: 1 },
					{ k: 1, v: 2 },
				],
			},
			{ $pull: { l: { k: 1, v: { $gt: 1 } } } },
			{ l: [{ k: 1, v: 1 }] },
		],
		[{ l: ["ab", "b"] }, { $pull: { l: /^a/ } }, { l: ["b"] }],
		[{ l: [1, 2, 3] }, { $pullAll: { l: [1, 3] } }, { l: [2] }],
		[{ l: [1, 2, 3] }, { $pop: { l: 1 } }, { l: [1, 2] }],
		[{ l: [1, 2, 3] }, { $pop: { l: -1 } }, { l: [2, 3] }],
		[{ a: 1 }, { $pull: { l: 1 }, $pop: { m: 1 } }, { a: 1 }],
	]),
	table("$rename, $bit and replacement", [
		[{ a: 1 }, { $rename: { a: "b.c" } }, { b: { c: 1 } }],
		[{ a: 1, b: 2 }, { $rename: { a: "b" } }, { b: 1 }],
		[{ a: 1 }, { $rename: { x: "y" } }, { a: 1 }],
		[{ n: 13 }, { $bit: { n: { and: 10 } } }, { n: 8 }],
		[{ n: 8 }, { $bit: { n: { or: 5 } } }, { n: 13 }],
		[{ n: 13 }, { $bit: { n: { xor: 1 } } }, { n: 12 }],
	]),
	table("$, $[] and $[identifier] find their elements", [
		[
			{
				l: [
					{ k: 1, n: 1 },
					{ k: 2, n: 1 },
				],
			},
			{ $inc: { "l.$.n": 5 } },
			{
				l: [
					{ k: 1, n: 1 },
					{ k: 2, n: 6 },
				],
			},
			{},
			{ "l.k": 2 },
		],
		[
			{
				l: [
					{ k: 1, n: 9 },
					{ k: 1, n: 1 },
				],
			},
			{ $set: { "l.$.n": 5 } },
			{
				l: [
					{ k: 1, n: 9 },
					{ k: 1, n: 5 },
				],
			},
			{},
			{ l: { $elemMatch: { k: 1, n: { $lt: 3 } } } },
		],
		[{ l: [1, 2, 3] }, { $inc: { "l.$": 10 } }, { l: [1, 12, 3] }, {}, { l: 2 }],
		[{ l: [1, 2] }, { $inc: { "l.$[]": 1 } }, { l: [2, 3] }],
		[
			{ l: [{ n: 1 }, { n: 5 }] },
			{ $set: { "l.$[x].big": true } },
			{ l: [{ n: 1 }, { n: 5, big: true }] },
			{ arrayFilters: [{ "x.n": { $gt: 2 } }] },
		],
		[
			{
				l: [
					{ k: 1, m: [{ n: 1 }, { n: 2 }] },
					{ k: 2, m: [{ n: 2 }] },
				],
			},
			{ $inc: { "l.$[a].m.$[b].n": 10 } },
			{
				l: [
					{ k: 1, m: [{ n: 1 }, { n: 12 }] },
					{ k: 2, m: [{ n: 2 }] },
				],
			},
			{ arrayFilters: [{ "a.k": 1 }, { "b.n": 2 }] },
		],
		[
			{ l: [{ k: 1 }, { k: 2 }] },
			{ $unset: { "l.$[x]": "" } },
			{ l: [{ k: 1 }, null] },
			{ arrayFilters: [{ "x.k": 2 }] },
		],
	]),
	refusals("impossible updates are refused with MongoDB's codes", [
		[{ a: "x" }, { $inc: { a: 1 } }, 14],
		[{ a: null }, { $inc: { a: 1 } }, 14],
		[{ a: 1 }, { $inc: { a: "1" } }, 14],
		[{ a: 1 }, { $push: { a: 1 } }, 2],
		[{ a: 1 }, { $set: { "a.b": 1 } }, 28],
		[{ l: [1] }, { $set: { "l.x": 1 } }, 28],
		[{ a: 1 }, { $set: { a: 1 }, $inc: { a: 1 } }, 40],
		[{ a: { b: 1 } }, { $set: { a: 1, "a.b": 1 } }, 40],
		[{ a: 1 }, { $foo: { a: 1 } }, 9],
		[{ l: [1] }, { $set: { "l.$": 1 } }, 2],
		[{ a: 1 }, { $set: { "l.$[]": 1 } }, 2],
		[{ l: [1] }, { $set: { "l.$[x]": 1 } }, 2],
		[{ l: [1] }, { $set: { l: 1 } }, 9, { arrayFilters: [{ x: 1 }] }],
	]),
	{
		name: "an Int64 is counted exactly beyond 2^53",
		async run(db) {
			const c = db.collection<Numbered>("c");
			await c.insertOne({ _id: 1, n: Long.fromString("9007199254740993") });
			await c.updateOne({ _id: 1 }, { $inc: { n: 2 } });
			expect(String((await c.findOne({ _id: 1 }, { promoteLongs: false }))?.["n"])).toBe("9007199254740995");
		},
	},
	{
		name: "$currentDate is the server's clock",
		async run(db) {
			const after = await updated(db, {}, { $currentDate: { at: true, ts: { $type: "timestamp" } } });
			expect(after?.["at"].getTime()).toBeGreaterThan(Date.UTC(2020, 0));
			expect(after?.["ts"]).toHaveProperty("_bsontype", "Timestamp");
		},
	},
	{
		name: "a refused update leaves the document and its indexes as they were",
		async run(db) {
			const c = db.collection<{ _id: number; a: number }>("c");
			await c.createIndex({ a: 1 }, { unique: true });
			await c.insertMany([
				{ _id: 1, a: 1 },
				{ _id: 2, a: 2 },
			]);
			expect(await codeOf(c.updateOne({ _id: 1 }, { $set: { a: 2 } }))).toBe(11000);
			expect(await c.findOne({ a: 1 })).toEqual({ _id: 1, a: 1 });
			expect((await db.command({ validate: "c" }))["valid"]).toBe(true);
		},
	},
	{
		name: "a multi-update of what it searches by touches every document once",
		async run(db) {
			const c = db.collection<{ _id: number; n: number }>("c");
			await c.createIndex({ n: 1 });
			await c.insertMany(Array.from({ length: 50 }, (_, i) => ({ _id: i, n: i })));
			const result = await c.updateMany({ n: { $gte: 10 } }, { $inc: { n: 100 } });
			expect(result.modifiedCount).toBe(40);
			expect(await c.countDocuments({ n: { $gte: 200 } })).toBe(0);
		},
	},
];
