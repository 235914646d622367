import { type Case, codeOf } from "../support/cases.ts";
import type { Db, Document, Numbered } from "../support/servers.ts";

async function updated(db: Db, before: object, pipeline: Document[], options: object = {}): Promise<Document | null> {
	const c = db.collection("c");
	await c.deleteMany({});
	await c.insertOne({ ...before });
	await c.updateOne({}, pipeline, options);
	return c.findOne({}, { projection: { _id: 0 } });
}
type Row = [before: object, pipeline: Document[], after: object];
const table = (name: string, rows: Row[]): Case => ({
	name,
	async run(db) {
		for (const [before, pipeline, after] of rows) {
			expect([pipeline, await updated(db, before, pipeline)]).toEqual([pipeline, after]);
		}
	},
});
/** What an expression gives for one document; a missing value leaves no field. */
const expressions = (name: string, before: object, rows: [expression: unknown, value: unknown][]): Case => ({
	name,
	async run(db) {
		for (const [expression, value] of rows) {
			const out = await updated(db, before, [{ $replaceWith: { v: expression } }]);
			expect([expression, out]).toEqual([expression, value === MISSING ? {} : { v: value }]);
		}
	},
});
const MISSING = Symbol("missing");

export const pipelineUpdateCases: Case[] = [
	table("$set replaces values, adds to documents, reaches into arrays; missing removes", [
		[{ a: 2, b: 3 }, [{ $set: { c: { $add: ["$a", "$b"] } } }], { a: 2, b: 3, c: 5 }],
		[{ a: { x: 1 } }, [{ $set: { a: { y: 2 } } }], { a: { x: 1, y: 2 } }],
		[{ a: { x: 1 } }, [{ $set: { a: { $literal: { y: 2 } } } }], { a: { y: 2 } }],
		[{ a: { x: 1 } }, [{ $set: { "a.y": 2 } }], { a: { x: 1, y: 2 } }],
		[
			{ l: [{ x: 1 }, { x: 2 }] },
			[{ $set: { "l.y": 0 } }],
			{
				l: [
					{ x: 1, y: 0 },
					{ x: 2, y: 0 },
				],
			},
		],
		[{ a: 1 }, [{ $set: { a: "$nothing" } }], {}],
		[{ a: 1 }, [{ $set: { a: "$$REMOVE", b: 1 } }], { b: 1 }],
		[{ a: 1, b: 2 }, [{ $set: { a: "$b", b: "$a" } }], { a: 2, b: 1 }],
		[{ a: 1 }, [{ $set: { b: "$a" } }, { $set: { c: { $add: ["$b", 1] } } }, { $unset: "a" }], { b: 1, c: 2 }],
		[{ a: 1, b: { c: 1, d: 2 } }, [{ $unset: ["a", "b.c"] }], { b: { d: 2 } }],
		[{ a: 1, b: 2 }, [{ $project: { b: 1 } }], { b: 2 }],
		[{ a: { b: 1 } }, [{ $replaceRoot: { newRoot: "$a" } }], { b: 1 }],
	]),
	expressions("missing and null in expressions", { n: null, zero: 0, empty: "", list: [1, null], doc: { x: 1 } }, [
		["$nothing", MISSING],
		["$n", null],
		[{ $ifNull: ["$nothing", "$n", 7] }, 7],
		[{ $ifNull: ["$nothing", "$alsoNothing"] }, MISSING],
		[{ $eq: ["$nothing", null] }, false],
		[{ $eq: ["$n", null] }, true],
		[{ $lt: ["$nothing", "$n"] }, true],
		[{ $lte: ["$nothing", new Date(0)] }, true],
		[{ $gt: ["$nothing", 0] }, false],
		[{ $add: ["$zero", "$nothing"] }, null],
		[{ $add: [1, null] }, null],
		[{ $concatArrays: ["$list", "$nothing"] }, null],
		[{ $concatArrays: ["$list", { $ifNull: ["$nothing", []] }] }, [1, null]],
		[{ $mergeObjects: ["$doc", null, "$nothing", { y: "$nothing", z: 1 }] }, { x: 1, z: 1 }],
		[{ $map: { input: "$nothing", in: "$$this" } }, null],
		[{ $map: { input: [1, 2], as: "v", in: { $cond: [{ $eq: ["$$v", 1] }, "$nothing", "$$v"] } } }, [null, 2]],
		[{ $filter: { input: "$nothing", cond: true } }, null],
		[{ $reduce: { input: "$nothing", initialValue: 0, in: 1 } }, null],
		[{ $reduce: { input: [], initialValue: 5, in: 1 } }, 5],
		[{ $arrayElemAt: ["$list", 9] }, MISSING],
		[{ $arrayElemAt: ["$nothing", 0] }, null],
		[{ $first: "$list" }, 1],
		[{ $last: "$nothing" }, null],
		[{ $sum: "$list" }, 1],
		[{ $sum: ["$nothing", 2, "x"] }, 2],
		[{ $max: ["$nothing", 3, null] }, 3],
		[{ $min: ["$nothing", "$n"] }, null],
		[{ $avg: [] }, null],
		[
			["$nothing", 1],
			[null, 1],
		],
		[{ a: "$nothing", b: "$n" }, { b: null }],
		[{ $concat: ["a", "$n"] }, null],
		[{ $toUpper: "$nothing" }, ""],
		[{ $size: "$list" }, 2],
		[{ $isArray: "$nothing" }, false],
		[{ $type: "$nothing" }, "missing"],
		[{ $setField: { field: "y", input: "$doc", value: 2 } }, { x: 1, y: 2 }],
		[{ $setField: { field: "x", input: "$doc", value: "$$REMOVE" } }, {}],
		[{ $setField: { field: "x", input: "$nothing", value: 1 } }, null],
		[{ $getField: { field: "x", input: "$doc" } }, 1],
		[{ $unsetField: { field: "x", input: "$doc" } }, {}],
	]),
	expressions("truth: only false, 0, null and missing are false", { n: null, zero: 0, empty: "", list: [] }, [
		[{ $cond: ["$empty", 1, 2] }, 1],
		[{ $cond: ["$list", 1, 2] }, 1],
		[{ $cond: ["$zero", 1, 2] }, 2],
		// biome-ignore lint/suspicious/noThenProperty: the operator names it so.
		[{ $cond: { if: "$n", then: 1, else: 2 } }, 2],
		[{ $cond: ["$nothing", 1, 2] }, 2],
		[{ $not: ["$empty"] }, false],
		[{ $and: [1, "x"] }, true],
		[{ $or: ["$zero", "$nothing"] }, false],
		[{ $and: [] }, true],
		[{ $or: [] }, false],
		// biome-ignore lint/suspicious/noThenProperty: the operator names it so.
		[{ $switch: { branches: [{ case: "$zero", then: 1 }], default: 9 } }, 9],
	]),
	expressions(
		"arrays, documents and numbers",
		{
			l: [3, 1, 2],
			lines: [
				{ q: 1, p: 2.5 },
				{ q: 2, p: 1 },
			],
			d: new Date(1000),
		},
		[
			[{ $in: [2, "$l"] }, true],
			[{ $in: [[1], ["$l", [1]]] }, true],
			[{ $eq: ["$l", 3] }, false],
			[{ $slice: ["$l", -2] }, [1, 2]],
			[{ $slice: ["$l", 1, 1] }, [1]],
			[{ $indexOfArray: ["$l", 2] }, 2],
			[{ $sortArray: { input: "$l", sortBy: 1 } }, [1, 2, 3]],
			[
				{ $sortArray: { input: "$lines", sortBy: { p: 1 } } },
				[
					{ q: 2, p: 1 },
					{ q: 1, p: 2.5 },
				],
			],
			["$lines.q", [1, 2]],
			["$lines.0.q", []],
			[{ $sum: "$lines.q" }, 3],
			[{ $sum: { $map: { input: "$lines", as: "x", in: { $multiply: ["$$x.q", "$$x.p"] } } } }, 4.5],
			[
				{
					$reduce: {
						input: "$l",
						initialValue: { n: 0, s: "" },
						in: { n: { $add: ["$$value.n", "$$this"] }, s: { $concat: ["$$value.s", { $toString: "$$this" }] } },
					},
				},
				{ n: 6, s: "312" },
			],
			[{ $filter: { input: "$lines", as: "x", cond: { $gt: ["$$x.q", 1] } } }, [{ q: 2, p: 1 }]],
			[{ $filter: { input: "$l", cond: { $gt: ["$$this", 0] }, limit: 2 } }, [3, 1]],
			[{ $let: { vars: { a: 2 }, in: { $multiply: ["$$a", "$$a"] } } }, 4],
			[{ $objectToArray: { a: 1 } }, [{ k: "a", v: 1 }]],
			[
				{
					$arrayToObject: [
						[
							["a", 1],
							["b", 2],
						],
					],
				},
				{ a: 1, b: 2 },
			],
			[
				{ $arrayToObject: { $map: { input: "$lines", in: { k: { $toString: "$$this.q" }, v: "$$this.p" } } } },
				{ 1: 2.5, 2: 1 },
			],
			[{ $subtract: [new Date(5000), "$d"] }, 4000],
			[{ $add: ["$d", 500] }, new Date(1500)],
			[{ $subtract: ["$d", 400] }, new Date(600)],
			[{ $divide: [7, 2] }, 3.5],
			[{ $mod: [7, 2] }, 1],
			[{ $cmp: [1, 2] }, -1],
			[
				{
					$setUnion: [
						[1, 2],
						[2, 3],
					],
				},
				[1, 2, 3],
			],
			[{ $setDifference: [[1, 2], [2]] }, [1]],
			[{ $range: [0, 3] }, [0, 1, 2]],
			[{ $reverseArray: "$l" }, [2, 1, 3]],
			[{ $dateToString: { date: "$d", format: "%Y-%m-%d" } }, "1970-01-01"],
			[{ $trunc: [2.57, 1] }, 2.5],
			[{ $round: [2.5] }, 2],
			[{ $literal: "$l" }, "$l"],
		],
	),
	{
		name: "what cannot be computed is an error, and nothing changes",
		async run(db) {
			const fails = (expression: object) => codeOf(updated(db, { a: "x" }, [{ $set: { v: expression } }]));
			expect(await fails({ $add: ["$a", 1] })).toBe(14);
			expect(await fails({ $size: "$nothing" })).toBe(17124);
			expect(await fails({ $in: [1, "$nothing"] })).toBe(40081);
			expect(await fails({ $divide: [1, 0] })).toBe(2);
			expect(await fails({ $foo: 1 })).toBe(168);
			expect(await fails({ $add: ["$$nope", 1] })).toBe(17276);
			expect(await db.collection("c").findOne({}, { projection: { _id: 0 } })).toEqual({ a: "x" });
		},
	},
	{
		name: "adding to a cart is one update: a line is merged or appended, 20 in parallel lose nothing",
		async run(db) {
			const c = db.collection<{ _id: string; lines: { sku: string; qty: number }[] }>("c");
			await c.insertOne({ _id: "cart", lines: [] });
			const add = (sku: string) =>
				c.updateOne({ _id: "cart" }, [
					{
						$set: {
							lines: {
								$cond: [
									{ $in: [sku, "$lines.sku"] },
									{
										$map: {
											input: "$lines",
											as: "line",
											in: {
												$cond: [
													{ $eq: ["$$line.sku", sku] },
													{ $mergeObjects: ["$$line", { qty: { $add: ["$$line.qty", 1] } }] },
													"$$line",
												],
											},
										},
									},
									{ $concatArrays: ["$lines", [{ sku, qty: 1 }]] },
								],
							},
						},
					},
				]);
			await Promise.all(Array.from({ length: 20 }, (_, i) => add(i % 2 ? "a" : "b")));
			const lines = (await c.findOne())?.lines.toSorted((x, y) => x.sku.localeCompare(y.sku));
			expect(lines).toEqual([
				{ sku: "a", qty: 10 },
				{ sku: "b", qty: 10 },
			]);
		},
	},
	{
		name: "a lease is taken and refused by the server's clock",
		async run(db) {
			const c = db.collection<{ _id: string; owner?: string; leaseUntil?: Date }>("c");
			await c.insertOne({ _id: "job" });
			const take = (owner: string, ms: number) =>
				c.findOneAndUpdate(
					{ _id: "job", $expr: { $lt: ["$leaseUntil", "$$NOW"] } },
					[{ $set: { owner, leaseUntil: { $add: ["$$NOW", ms] } } }],
					{ returnDocument: "after" },
				);
			expect((await take("one", 60_000))?.owner).toBe("one");
			expect(await take("two", 60_000)).toBeNull();
			await c.updateOne({ _id: "job" }, [{ $set: { leaseUntil: { $subtract: ["$$NOW", 1] } } }]);
			expect((await take("three", 60_000))?.owner).toBe("three");
		},
	},
	{
		name: "$$NOW is one moment for all of a command",
		async run(db) {
			await db.collection<Numbered>("c").insertMany(Array.from({ length: 200 }, (_, i) => ({ _id: i })));
			await db.collection("c").updateMany({}, [{ $set: { at: "$$NOW", again: "$$NOW" } }]);
			expect(await db.collection("c").distinct("at")).toHaveLength(1);
			expect(await db.collection("c").countDocuments({ $expr: { $ne: ["$at", "$again"] } })).toBe(0);
		},
	},
	{
		name: "an upsert by a pipeline starts from the filter, and let gives it variables",
		async run(db) {
			const c = db.collection<{ _id: string; n?: number }>("c");
			const update = [{ $set: { n: { $add: [{ $ifNull: ["$n", 0] }, "$$by"] } } }];
			await c.updateOne({ _id: "x" }, update, { upsert: true, let: { by: 2 } });
			await c.updateOne({ _id: "x" }, update, { upsert: true, let: { by: 3 } });
			expect(await c.findOne()).toEqual({ _id: "x", n: 5 });
		},
	},
	{
		name: "only stages that change one document are allowed",
		async run(db) {
			expect(await codeOf(updated(db, {}, [{ $match: {} }]))).toBe(72);
		},
	},
];
