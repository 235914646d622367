import { type Case, codeOf } from "../support/cases.ts";

export const indexCases: Case[] = [
	{
		name: "a unique key taken twice is 11000 with keyPattern and keyValue",
		async run(db) {
			const c = db.collection("c");
			await c.createIndex({ email: 1 }, { unique: true });
			await c.insertOne({ email: "a" });
			const error = await c.insertOne({ email: "a" }).catch(e => e);
			expect([error.code, error.keyPattern, error.keyValue]).toEqual([11000, { email: 1 }, { email: "a" }]);
			expect(error.message).toContain("index: email_1 dup key");
		},
	},
	{
		name: "two documents without a unique field collide, unless the index is sparse or partial",
		async run(db) {
			await db.collection("plain").createIndex({ a: 1 }, { unique: true });
			await db.collection("sparse").createIndex({ a: 1 }, { unique: true, sparse: true });
			await db
				.collection("partial")
				.createIndex({ a: 1 }, { unique: true, partialFilterExpression: { a: { $exists: true } } });
			for (const name of ["plain", "sparse", "partial"]) {
				await db.collection(name).insertOne({ x: 1 });
				expect([name, await codeOf(db.collection(name).insertOne({ x: 2 }))]).toEqual([
					name,
					name === "plain" ? 11000 : undefined,
				]);
				await db.collection(name).insertOne({ a: "t" });
				expect([name, await codeOf(db.collection(name).insertOne({ a: "t" }))]).toEqual([name, 11000]);
			}
		},
	},
	{
		name: "a document may leave and enter a partial unique index",
		async run(db) {
			const c = db.collection<{ _id: number; open: boolean; user: string }>("c");
			await c.createIndex({ user: 1 }, { unique: true, partialFilterExpression: { open: true } });
			await c.insertMany([
				{ _id: 1, open: true, user: "u" },
				{ _id: 2, open: false, user: "u" },
			]);
			expect(await codeOf(c.updateOne({ _id: 2 }, { $set: { open: true } }))).toBe(11000);
			await c.updateOne({ _id: 1 }, { $set: { open: false } });
			await c.updateOne({ _id: 2 }, { $set: { open: true } });
			expect((await db.command({ validate: "c" }))["valid"]).toBe(true);
		},
	},
	{
		name: "a unique multikey index compares elements across documents, not within one",
		async run(db) {
			const c = db.collection("c");
			await c.createIndex({ "variants.sku": 1 }, { unique: true });
			await c.insertOne({ variants: [{ sku: "a" }, { sku: "a" }, { sku: "b" }] });
			expect(await codeOf(c.insertOne({ variants: [{ sku: "b" }] }))).toBe(11000);
		},
	},
	{
		name: "parallel arrays cannot be indexed: error 171",
		async run(db) {
			await db.collection("c").createIndex({ a: 1, b: 1 });
			expect(await codeOf(db.collection("c").insertOne({ a: [1], b: [2] }))).toBe(171);
		},
	},
	{
		name: "making the same index again is fine, another under its name or for its key is not",
		async run(db) {
			const c = db.collection("c");
			await c.createIndex({ a: 1 }, { name: "x" });
			await c.createIndex({ a: 1 }, { name: "x" });
			expect(await codeOf(c.createIndex({ b: 1 }, { name: "x" }))).toBe(86);
			expect(await codeOf(c.createIndex({ a: 1 }, { name: "y" }))).toBe(85);
			expect((await c.indexes()).map(i => i["name"])).toEqual(["_id_", "x"]);
		},
	},
	{
		name: "an index that existing documents do not allow is not made",
		async run(db) {
			const c = db.collection("c");
			await c.insertMany([{ a: 1 }, { a: 1 }]);
			expect(await codeOf(c.createIndex({ a: 1 }, { unique: true }))).toBe(11000);
			expect(await c.indexes()).toHaveLength(1);
		},
	},
	{
		name: "indexes are dropped by name and by key; the one on _id is not",
		async run(db) {
			const c = db.collection("c");
			await c.createIndex({ a: 1 });
			await c.createIndex({ b: -1 });
			await c.dropIndex("a_1");
			await db.command({ dropIndexes: "c", index: { b: -1 } });
			expect(await codeOf(c.dropIndex("a_1"))).toBe(27);
			expect(await codeOf(c.dropIndex("_id_"))).toBe(72);
			expect(await c.indexes()).toHaveLength(1);
		},
	},
	{
		name: "collMod changes when documents expire",
		async run(db) {
			const c = db.collection("c");
			await c.createIndex({ at: 1 }, { expireAfterSeconds: 60 });
			await db.command({ collMod: "c", index: { name: "at_1", expireAfterSeconds: 30 } });
			expect((await c.indexes()).find(i => i["name"] === "at_1")?.["expireAfterSeconds"]).toBe(30);
		},
	},
	{
		name: "validate finds every document in every index",
		async run(db) {
			const c = db.collection<{ a: number; b: string; l: { x: number }[]; s?: number }>("c");
			await c.createIndexes([{ key: { a: 1, b: -1 } }, { key: { "l.x": 1 } }, { key: { s: 1 }, sparse: true }]);
			await c.insertMany(
				Array.from({ length: 100 }, (_, i) => ({
					a: i % 7,
					b: `t${i % 5}`,
					l: [{ x: i }, { x: i % 3 }],
					...(i % 2 ? { s: i } : {}),
				})),
			);
			await c.updateMany({ a: 3 }, { $set: { b: "z" }, $push: { l: { x: -1 } } });
			await c.deleteMany({ a: 5 });
			const { valid, nrecords, keysPerIndex } = await db.command({ validate: "c" });
			expect([valid, nrecords]).toEqual([true, await c.countDocuments()]);
			expect(keysPerIndex["s_1"]).toBe(await c.countDocuments({ s: { $exists: true } }));
		},
	},
];
