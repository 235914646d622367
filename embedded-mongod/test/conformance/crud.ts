import type { Case } from "../support/cases.ts";
import { codeOf } from "../support/cases.ts";
import { Binary, Decimal128, Double, Long, type Numbered, ObjectId, Timestamp } from "../support/servers.ts";

export const crudCases: Case[] = [
	{
		name: "every type comes back as it was",
		async run(db) {
			const doc = {
				_id: new ObjectId(),
				text: "ß€😀",
				int: 42,
				big: 2 ** 40,
				half: 0.1,
				negative: -0.5,
				yes: true,
				nothing: null,
				date: new Date("1969-07-20T20:17:40.123Z"),
				list: [1, [2, [3]], { a: [] }],
				nested: { "with space": { deep: 1 } },
			};
			await db.collection("c").insertOne(doc);
			expect(await db.collection("c").findOne({ _id: doc._id })).toEqual(doc);
		},
	},
	{
		name: "an Int64 beyond 2^53, a decimal, binary data and a timestamp keep every digit",
		async run(db) {
			await db.collection<Numbered>("c").insertOne({
				_id: 1,
				long: Long.fromString("9223372036854775807"),
				decimal: Decimal128.fromString("1.10"),
				binary: new Binary(Buffer.from([0, 1, 255])),
				time: new Timestamp({ t: 7, i: 9 }),
			});
			await db.collection<Numbered>("c").updateOne({ _id: 1 }, { $set: { touched: true } });
			const found = await db.collection<Numbered>("c").findOne({ _id: 1 }, { promoteLongs: false });
			expect(String(found?.["long"])).toBe("9223372036854775807");
			expect(String(found?.["decimal"])).toBe("1.10");
			expect(Buffer.from(found?.["binary"].buffer).toString("hex")).toBe("0001ff");
			expect([found?.["time"].t, found?.["time"].i]).toEqual([7, 9]);
		},
	},
	{
		name: "a double that is whole stays a double when it is inserted",
		async run(db) {
			await db.collection<Numbered>("c").insertOne({ _id: 1, n: new Double(5) });
			const found = await db.collection<Numbered>("c").findOne({ _id: 1 }, { promoteValues: false });
			expect(found?.["n"]._bsontype).toBe("Double");
		},
	},
	{
		name: "_id becomes the first field and is made when it is missing",
		async run(db) {
			await db.collection("c").insertOne({ a: 1, _id: "x" as unknown as InstanceType<typeof ObjectId> });
			expect(Object.keys((await db.collection("c").findOne()) ?? {})).toEqual(["_id", "a"]);
			await db.command({ insert: "d", documents: [{ a: 1 }] });
			expect((await db.collection("d").findOne())?.["_id"]).toHaveProperty("_bsontype", "ObjectId");
		},
	},
	{
		name: "an ordered batch stops at the first error, an unordered one goes on",
		async run(db) {
			const docs = [{ _id: 1 }, { _id: 1 }, { _id: 2 }];
			expect(await codeOf(db.collection<Numbered>("a").insertMany(docs))).toBe(11000);
			expect(await db.collection("a").countDocuments()).toBe(1);
			expect(await codeOf(db.collection<Numbered>("b").insertMany(docs, { ordered: false }))).toBe(11000);
			expect(await db.collection("b").countDocuments()).toBe(2);
		},
	},
	{
		name: "bulkWrite mixes inserts, updates, upserts, replacements and deletes",
		async run(db) {
			const result = await db
				.collection<{ _id: number; a?: number }>("c")
				.bulkWrite([
					{ insertOne: { document: { _id: 1 } } },
					{ updateOne: { filter: { _id: 2 }, update: { $set: { a: 1 } }, upsert: true } },
					{ updateMany: { filter: {}, update: { $inc: { a: 1 } } } },
					{ replaceOne: { filter: { _id: 1 }, replacement: { a: 9 } } },
					{ deleteOne: { filter: { _id: 2 } } },
				]);
			expect([result.insertedCount, result.upsertedCount, result.modifiedCount, result.deletedCount]).toEqual([
				1, 1, 3, 1,
			]);
			expect(await db.collection("c").find().toArray()).toEqual([{ _id: 1, a: 9 }]);
		},
	},
	{
		name: "a cursor fetches in batches what matched when it was opened",
		async run(db) {
			const c = db.collection<Numbered>("c");
			await c.insertMany(Array.from({ length: 350 }, (_, i) => ({ _id: i })));
			const cursor = c.find({}, { batchSize: 50 }).sort({ _id: -1 });
			expect((await cursor.next())?._id).toBe(349);
			expect((await cursor.toArray()).length).toBe(349);
		},
	},
	{
		name: "a batch stays within 16 MB, and all documents arrive",
		async run(db) {
			const c = db.collection<Numbered>("c");
			const pad = "x".repeat(1_000_000);
			for (let i = 0; i < 80; i += 20) await c.insertMany(Array.from({ length: 20 }, (_, n) => ({ _id: i + n, pad })));
			const { cursor } = await db.command({ find: "c", projection: { _id: 1, pad: 1 } });
			expect([cursor.firstBatch.length < 20, String(cursor.id) === "0"]).toEqual([true, false]);
			expect(await c.find().toArray()).toHaveLength(80);
		},
	},
	{
		name: "a cursor that does not exist is error 43",
		async run(db) {
			expect(await codeOf(db.command({ getMore: Long.fromNumber(123456789), collection: "c" }))).toBe(43);
		},
	},
	{
		name: "limit, skip and singleBatch",
		async run(db) {
			const c = db.collection<Numbered>("c");
			await c.insertMany([1, 2, 3, 4, 5].map(_id => ({ _id })));
			expect(await c.find().sort({ _id: 1 }).skip(1).limit(2).toArray()).toEqual([{ _id: 2 }, { _id: 3 }]);
			expect((await c.find({}, { singleBatch: true, batchSize: 2 }).toArray()).length).toBe(2);
		},
	},
	{
		name: "findOneAndUpdate gives the document before or after, sorted and projected",
		async run(db) {
			const c = db.collection<{ _id: number; n: number }>("c");
			await c.insertMany([
				{ _id: 1, n: 5 },
				{ _id: 2, n: 3 },
			]);
			expect(await c.findOneAndUpdate({}, { $inc: { n: 1 } }, { sort: { n: 1 } })).toEqual({ _id: 2, n: 3 });
			const after = await c.findOneAndUpdate(
				{ _id: 1 },
				{ $inc: { n: 1 } },
				{ returnDocument: "after", projection: { _id: 0 } },
			);
			expect(after).toEqual({ n: 6 });
			expect(await c.findOneAndUpdate({ _id: 9 }, { $inc: { n: 1 } })).toBeNull();
			expect(await c.findOneAndDelete({ _id: 2 })).toEqual({ _id: 2, n: 4 });
			expect(await c.findOneAndReplace({ _id: 1 }, { n: 0 }, { returnDocument: "after" })).toEqual({ _id: 1, n: 0 });
		},
	},
	{
		name: "500 parallel conditional decrements of 100 succeed exactly 100 times",
		async run(db) {
			const c = db.collection<{ _id: string; n: number }>("c");
			await c.insertOne({ _id: "a", n: 100 });
			const all = await Promise.all(
				Array.from({ length: 500 }, () => c.updateOne({ _id: "a", n: { $gte: 1 } }, { $inc: { n: -1 } })),
			);
			expect(all.filter(r => r.modifiedCount === 1)).toHaveLength(100);
			expect(await c.findOne({ _id: "a" })).toEqual({ _id: "a", n: 0 });
		},
	},
	{
		name: "a key in an array guards its own command: 50 parallel, one takes effect",
		async run(db) {
			const c = db.collection<{ _id: string; on: number; log: { key: string }[] }>("c");
			await c.insertOne({ _id: "a", on: 5, log: [] });
			const all = await Promise.all(
				Array.from({ length: 50 }, () =>
					c.updateOne(
						{ _id: "a", on: { $gte: 2 }, "log.key": { $ne: "o1" } },
						{ $inc: { on: -2 }, $push: { log: { $each: [{ key: "o1" }], $slice: -1000 } } },
					),
				),
			);
			expect(all.filter(r => r.modifiedCount === 1)).toHaveLength(1);
		},
	},
	{
		name: "50 parallel upserts of one unique key make one document",
		async run(db) {
			const c = db.collection("c");
			await c.createIndex({ key: 1 }, { unique: true });
			await Promise.allSettled(
				Array.from({ length: 50 }, () => c.updateOne({ key: "k" }, { $inc: { n: 1 } }, { upsert: true })),
			);
			expect(await c.countDocuments({ key: "k" })).toBe(1);
		},
	},
	{
		name: "an upsert takes its fields from the filter's equalities, and $setOnInsert only then",
		async run(db) {
			const c = db.collection<Numbered>("c");
			const update = { $set: { b: 2 }, $setOnInsert: { made: 1 } };
			const filter = { _id: 1, a: { $eq: "x" }, n: { $gt: 5 }, "deep.x": 3, $and: [{ in: { $in: [7] } }] };
			const first = await c.updateOne(filter, update, { upsert: true });
			expect([first.matchedCount, first.upsertedId]).toEqual([0, 1]);
			const made = await c.findOne({ _id: 1 });
			expect(made).toEqual({ _id: 1, a: "x", deep: { x: 3 }, in: 7, b: 2, made: 1 });
			await c.updateOne({ _id: 1 }, { $setOnInsert: { made: 2 }, $set: { b: 3 } }, { upsert: true });
			expect(await c.findOne({ _id: 1 })).toMatchObject({ made: 1, b: 3 });
		},
	},
	{
		name: "an update that changes nothing matches and modifies nothing",
		async run(db) {
			const c = db.collection<Numbered>("c");
			await c.insertOne({ _id: 1, a: { b: 1 } });
			const result = await c.updateOne({ _id: 1 }, { $set: { "a.b": 1 } });
			expect([result.matchedCount, result.modifiedCount]).toEqual([1, 0]);
		},
	},
	{
		name: "_id cannot change: error 66",
		async run(db) {
			const c = db.collection<{ _id: number; a?: number }>("c");
			await c.insertOne({ _id: 1 });
			expect(await codeOf(c.updateOne({ _id: 1 }, { $set: { _id: 2 } }))).toBe(66);
			expect(await codeOf(db.command({ findAndModify: "c", query: { _id: 1 }, update: { _id: 2, a: 1 } }))).toBe(66);
		},
	},
	{
		name: "a document over 16 MB is refused",
		async run(db) {
			const c = db.collection<Numbered>("c");
			await c.insertOne({ _id: 1, text: "x".repeat(9 * 1024 * 1024) });
			expect(await codeOf(c.updateOne({ _id: 1 }, [{ $set: { more: "$text" } }]))).toBeDefined();
			expect(await c.countDocuments({ more: { $exists: true } })).toBe(0);
		},
	},
	{
		name: "find projects by inclusion, exclusion, $slice, $elemMatch and the positional operator",
		async run(db) {
			const c = db.collection<Numbered>("c");
			await c.insertOne({
				_id: 1,
				a: { b: 1, c: 2 },
				l: [
					{ k: 1, v: 1 },
					{ k: 2, v: 2 },
				],
				n: [1, 2, 3, 4],
			});
			const one = async (projection: object, filter: object = {}) => c.findOne(filter, { projection });
			expect(await one({ "a.b": 1 })).toEqual({ _id: 1, a: { b: 1 } });
			expect(await one({ "l.v": 1, _id: 0 })).toEqual({ l: [{ v: 1 }, { v: 2 }] });
			expect(await one({ a: 0, l: 0 })).toEqual({ _id: 1, n: [1, 2, 3, 4] });
			expect(await one({ "l.v": 0, a: 0, n: 0 })).toEqual({ _id: 1, l: [{ k: 1 }, { k: 2 }] });
			expect((await one({ n: { $slice: -2 } }))?.["n"]).toEqual([3, 4]);
			expect((await one({ n: { $slice: [1, 2] } }))?.["n"]).toEqual([2, 3]);
			expect(await one({ l: { $elemMatch: { k: 2 } } })).toEqual({ _id: 1, l: [{ k: 2, v: 2 }] });
			expect(await one({ "l.$": 1 }, { "l.k": 2 })).toEqual({ _id: 1, l: [{ k: 2, v: 2 }] });
			expect(await one({ sum: { $add: ["$a.b", "$a.c"] } })).toEqual({ _id: 1, sum: 3 });
			expect(await codeOf(one({ a: 1, l: 0 }))).toBe(31254);
		},
	},
	{
		name: "count, estimatedDocumentCount and distinct",
		async run(db) {
			const c = db.collection("c");
			await c.insertMany([{ t: ["a", "b"] }, { t: ["b"] }, { t: null }, {}]);
			expect(await c.countDocuments({ t: "b" })).toBe(2);
			expect(await c.countDocuments({ t: "b" }, { limit: 1 })).toBe(1);
			expect(await c.estimatedDocumentCount()).toBe(4);
			expect(await c.distinct("t")).toEqual([null, "a", "b"]);
		},
	},
	{
		name: "deleteOne and deleteMany",
		async run(db) {
			const c = db.collection("c");
			await c.insertMany([{ a: 1 }, { a: 1 }, { a: 2 }]);
			expect((await c.deleteOne({ a: 1 })).deletedCount).toBe(1);
			expect((await c.deleteMany({})).deletedCount).toBe(2);
		},
	},
];
