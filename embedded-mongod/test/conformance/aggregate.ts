import { type Case, codeOf } from "../support/cases.ts";
import { type Db, type Document, type Named, type Numbered, ObjectId } from "../support/servers.ts";

async function orders(db: Db) {
	const c = db.collection<Document & { _id: number }>("orders");
	await c.insertMany([
		{
			_id: 1,
			user: "a",
			total: 10,
			at: new Date("2026-01-01T10:00:00Z"),
			lines: [
				{ sku: "x", q: 1 },
				{ sku: "y", q: 2 },
			],
		},
		{ _id: 2, user: "b", total: 20, at: new Date("2026-01-01T23:00:00Z"), lines: [{ sku: "x", q: 3 }] },
		{ _id: 3, user: "a", total: 5, at: new Date("2026-02-03T00:00:00Z"), lines: [] },
		{ _id: 4, user: null, at: new Date("2026-02-04T00:00:00Z") },
	]);
	return c;
}
const table = (name: string, rows: [pipeline: Document[], result: Document[]][]): Case => ({
	name,
	async run(db) {
		const c = await orders(db);
		await db.collection<Named>("users").insertMany([
			{ _id: "a", name: "Ann" },
			{ _id: "b", name: "Bob" },
		]);
		for (const [pipeline, result] of rows) {
			expect([pipeline, await c.aggregate(pipeline).toArray()]).toEqual([pipeline, result]);
		}
	},
});

export const aggregateCases: Case[] = [
	table("$group sums, averages, lists and counts", [
		[
			[
				{
					$group: {
						_id: "$user",
						n: { $sum: 1 },
						sum: { $sum: "$total" },
						avg: { $avg: "$total" },
						max: { $max: "$total" },
					},
				},
				{ $sort: { _id: 1 } },
			],
			[
				{ _id: null, n: 1, sum: 0, avg: null, max: null },
				{ _id: "a", n: 2, sum: 15, avg: 7.5, max: 10 },
				{ _id: "b", n: 1, sum: 20, avg: 20, max: 20 },
			],
		],
		[
			[
				{ $match: { user: "a" } },
				{ $group: { _id: null, ids: { $push: "$_id" }, first: { $first: "$total" }, last: { $last: "$total" } } },
			],
			[{ _id: null, ids: [1, 3], first: 10, last: 5 }],
		],
		[
			[{ $group: { _id: { m: { $month: "$at" } }, n: { $count: {} } } }, { $sort: { _id: 1 } }],
			[
				{ _id: { m: 1 }, n: 2 },
				{ _id: { m: 2 }, n: 2 },
			],
		],
		[[{ $match: { _id: 99 } }, { $group: { _id: null, n: { $sum: 1 } } }], []],
		[[{ $match: { user: "a" } }, { $count: "n" }], [{ n: 2 }]],
		[[{ $sortByCount: "$user" }, { $limit: 1 }], [{ _id: "a", count: 2 }]],
	]),
	table("$unwind, with and without what is empty", [
		[
			[{ $unwind: "$lines" }, { $group: { _id: "$lines.sku", q: { $sum: "$lines.q" } } }, { $sort: { _id: 1 } }],
			[
				{ _id: "x", q: 4 },
				{ _id: "y", q: 2 },
			],
		],
		[
			[
				{ $unwind: { path: "$lines", preserveNullAndEmptyArrays: true, includeArrayIndex: "i" } },
				{ $project: { i: 1 } },
				{ $sort: { _id: 1, i: 1 } },
			],
			[
				{ _id: 1, i: 0 },
				{ _id: 1, i: 1 },
				{ _id: 2, i: 0 },
				{ _id: 3, i: null },
				{ _id: 4, i: null },
			],
		],
	]),
	table("$project, $addFields, $replaceRoot and $unset", [
		[[{ $match: { _id: 1 } }, { $project: { _id: 0, user: 1, n: { $size: "$lines" } } }], [{ user: "a", n: 2 }]],
		[[{ $match: { _id: 2 } }, { $project: { "lines.q": 1 } }], [{ _id: 2, lines: [{ q: 3 }] }]],
		[[{ $match: { _id: 2 } }, { $project: { at: 0, lines: 0 } }], [{ _id: 2, user: "b", total: 20 }]],
		[
			[{ $match: { _id: 2 } }, { $project: { label: { $concat: ["$user", "-", { $toString: "$_id" }] } } }],
			[{ _id: 2, label: "b-2" }],
		],
		[
			[{ $match: { _id: 2 } }, { $replaceRoot: { newRoot: { $mergeObjects: [{ x: 1 }, { u: "$user" }] } } }],
			[{ x: 1, u: "b" }],
		],
		[
			[{ $match: { _id: 2 } }, { $addFields: { double: { $multiply: ["$total", 2] } } }, { $unset: ["lines", "at"] }],
			[{ _id: 2, user: "b", total: 20, double: 40 }],
		],
	]),
	table("$lookup by fields and by a pipeline", [
		[
			[
				{ $match: { _id: { $lte: 2 } } },
				{ $lookup: { from: "users", localField: "user", foreignField: "_id", as: "u" } },
				{ $project: { u: 1 } },
			],
			[
				{ _id: 1, u: [{ _id: "a", name: "Ann" }] },
				{ _id: 2, u: [{ _id: "b", name: "Bob" }] },
			],
		],
		[
			[
				{ $match: { _id: 1 } },
				{
					$lookup: {
						from: "users",
						let: { who: "$user" },
						pipeline: [{ $match: { $expr: { $ne: ["$_id", "$$who"] } } }, { $project: { name: 1 } }],
						as: "others",
					},
				},
				{ $project: { others: 1 } },
			],
			[{ _id: 1, others: [{ _id: "b", name: "Bob" }] }],
		],
	]),
	table("$facet, $bucket, $unionWith, $sort and $skip", [
		[
			[
				{
					$facet: {
						all: [{ $count: "n" }],
						top: [{ $sort: { total: -1 } }, { $limit: 1 }, { $project: { total: 1 } }],
					},
				},
			],
			[{ all: [{ n: 4 }], top: [{ _id: 2, total: 20 }] }],
		],
		[
			[
				{ $match: { total: { $exists: true } } },
				{ $bucket: { groupBy: "$total", boundaries: [0, 10, 30], output: { n: { $sum: 1 } } } },
			],
			[
				{ _id: 0, n: 1 },
				{ _id: 10, n: 2 },
			],
		],
		[
			[
				{ $match: { _id: 1 } },
				{ $unionWith: { coll: "users", pipeline: [{ $match: { _id: "a" } }] } },
				{ $project: { _id: 1 } },
			],
			[{ _id: 1 }, { _id: "a" }],
		],
		[
			[{ $sort: { _id: -1 } }, { $skip: 1 }, { $limit: 2 }, { $project: { _id: 1 } }],
			[{ _id: 3 }, { _id: 2 }],
		],
	]),
	table("dates are truncated and written", [
		[
			[
				{ $group: { _id: { $dateTrunc: { date: "$at", unit: "day" } }, n: { $sum: 1 } } },
				{ $sort: { _id: 1 } },
				{ $limit: 1 },
			],
			[{ _id: new Date("2026-01-01T00:00:00Z"), n: 2 }],
		],
		[
			[{ $match: { _id: 3 } }, { $project: { d: { $dateToString: { date: "$at", format: "%Y-%m" } } } }],
			[{ _id: 3, d: "2026-02" }],
		],
	]),
	{
		name: "$out that fails leaves its target as it was; one that works keeps the target's indexes",
		async run(db) {
			await db.collection<Numbered>("source").insertMany([
				{ _id: 1, n: 1 },
				{ _id: 2, n: 1 },
			]);
			const target = db.collection<Numbered>("target");
			await target.insertOne({ _id: 9, n: 9 });
			await target.createIndex({ n: 1 }, { unique: true });
			const copy = (filter: Document) =>
				db
					.collection("source")
					.aggregate([{ $match: filter }, { $out: "target" }])
					.toArray();
			expect(await codeOf(copy({}))).toBe(11000);
			expect(await target.find().toArray()).toEqual([{ _id: 9, n: 9 }]);
			await copy({ _id: 1 });
			expect(await target.find().toArray()).toEqual([{ _id: 1, n: 1 }]);
			expect((await target.indexes()).map(index => index["key"])).toEqual([{ _id: 1 }, { n: 1 }]);
			expect((await db.listCollections().toArray()).map(({ name }) => name).sort()).toEqual(["source", "target"]);
		},
	},
	{
		name: "a collection renamed to itself is refused and keeps what it holds",
		async run(db) {
			const c = db.collection<Numbered>("mine");
			await c.insertOne({ _id: 1 });
			const rename = { renameCollection: `${db.databaseName}.mine`, to: `${db.databaseName}.mine`, dropTarget: true };
			expect(await codeOf(db.admin().command(rename))).toBe(20);
			expect(await c.countDocuments()).toBe(1);
		},
	},
	{
		name: "$merge adds to another collection, $out replaces it",
		async run(db) {
			const c = await orders(db);
			const sums = [{ $match: { user: { $ne: null } } }, { $group: { _id: "$user", sum: { $sum: "$total" } } }];
			await db.collection<Named>("sums").insertOne({ _id: "a", kept: true });
			await c.aggregate([...sums, { $merge: { into: "sums" } }]).toArray();
			const after = await db.collection("sums").find().sort({ _id: 1 }).toArray();
			expect(after).toEqual([
				{ _id: "a", kept: true, sum: 15 },
				{ _id: "b", sum: 20 },
			]);
			await c.aggregate([{ $match: { _id: 1 } }, { $project: { _id: 1 } }, { $out: "sums" }]).toArray();
			expect(await db.collection("sums").find().toArray()).toEqual([{ _id: 1 }]);
		},
	},
	{
		name: "$graphLookup follows references and says how deep it went",
		async run(db) {
			const c = db.collection<Numbered>("c");
			await c.insertMany([
				{ _id: 1, up: null },
				{ _id: 2, up: 1 },
				{ _id: 3, up: 2 },
				{ _id: 4, up: 4 },
			]);
			const graph = {
				from: "c",
				startWith: "$up",
				connectFromField: "up",
				connectToField: "_id",
				as: "above",
				depthField: "d",
			};
			const found = await c.aggregate([{ $match: { _id: 3 } }, { $graphLookup: graph }]).toArray();
			expect(found[0]?.["above"].toSorted((a: Document, b: Document) => a["d"] - b["d"])).toEqual([
				{ _id: 2, up: 1, d: 0 },
				{ _id: 1, up: null, d: 1 },
			]);
		},
	},
	{
		name: "ids, dates and numbers are written as text",
		async run(db) {
			const id = new ObjectId("0123456789abcdef01234567");
			await db.collection("c").insertOne({ _id: id, d: new Date(0), n: 1.5 });
			const text = (v: string) => ({ $toString: v });
			const stage = { $project: { _id: 0, id: text("$_id"), d: text("$d"), n: text("$n"), none: text("$x") } };
			expect(await db.collection("c").aggregate([stage]).toArray()).toEqual([
				{ id: "0123456789abcdef01234567", d: "1970-01-01T00:00:00.000Z", n: "1.5", none: null },
			]);
		},
	},
	{
		name: "$setWindowFields runs along the documents",
		async run(db) {
			const c = await orders(db);
			const running = { $sum: "$total", window: { documents: ["unbounded", "current"] } };
			const found = await c
				.aggregate([
					{ $match: { total: { $exists: true } } },
					{ $setWindowFields: { sortBy: { _id: 1 }, output: { running } } },
					{ $project: { running: 1 } },
				])
				.toArray();
			expect(found).toEqual([
				{ _id: 1, running: 10 },
				{ _id: 2, running: 30 },
				{ _id: 3, running: 35 },
			]);
		},
	},
	{
		name: "aggregating changes no stored document",
		async run(db) {
			const c = await orders(db);
			const before = await c.find().sort({ _id: 1 }).toArray();
			await c
				.aggregate([{ $addFields: { "lines.z": 1 } }, { $unwind: "$lines" }, { $set: { "lines.q": 0 } }])
				.toArray();
			await c.aggregate([{ $fill: { output: { total: { value: 0 } } } }]).toArray();
			expect(await c.find().sort({ _id: 1 }).toArray()).toEqual(before);
		},
	},
	{
		name: "unknown stages and accumulators are errors",
		async run(db) {
			const c = await orders(db);
			expect(await codeOf(c.aggregate([{ $foo: 1 }]).toArray())).toBe(40324);
			expect(await codeOf(c.aggregate([{ $group: { _id: null, x: { $foo: 1 } } }]).toArray())).toBe(15952);
			expect(await codeOf(c.aggregate([{ $group: { x: { $sum: 1 } } }]).toArray())).toBe(15955);
		},
	},
];
