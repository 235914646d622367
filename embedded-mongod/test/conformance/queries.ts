import { type Case, codeOf } from "../support/cases.ts";
import { type Db, Decimal128, Long, ObjectId } from "../support/servers.ts";

/** The ids a filter finds, sorted. */
async function ids(db: Db, filter: object): Promise<unknown[]> {
	const found = await db.collection("c").find(filter).sort({ _id: 1 }).toArray();
	return found.map(d => d._id);
}
const insert = (db: Db, docs: object[]) => db.collection("c").insertMany(docs);

/** Filters over one set of documents, with the ids they find. */
function table(name: string, docs: object[], rows: [filter: object, ids: unknown[]][]): Case[] {
	return [
		{
			name,
			async run(db) {
				await insert(db, docs);
				for (const [filter, expected] of rows) expect([filter, await ids(db, filter)]).toEqual([filter, expected]);
			},
		},
		{
			name: `${name}, and an index finds the same`,
			async run(db) {
				await insert(db, docs);
				for (const field of ["a", "a.b", "b"]) await db.collection("c").createIndex({ [field]: 1 });
				for (const [filter, expected] of rows) expect([filter, await ids(db, filter)]).toEqual([filter, expected]);
			},
		},
	];
}

export const queryCases: Case[] = [
	...table(
		"null matches a missing field, and $exists tells them apart",
		[{ _id: 1, a: null }, { _id: 2 }, { _id: 3, a: 0 }, { _id: 4, a: [] }, { _id: 5, a: [null] }, { _id: 6, a: "" }],
		[
			[{ a: null }, [1, 2, 5]],
			[{ a: { $ne: null } }, [3, 4, 6]],
			[{ a: { $in: [null, 0] } }, [1, 2, 3, 5]],
			[{ a: { $nin: [null, 0] } }, [4, 6]],
			[{ a: { $exists: true } }, [1, 3, 4, 5, 6]],
			[{ a: { $exists: false } }, [2]],
			[{ a: { $exists: true, $ne: null } }, [3, 4, 6]],
			[{ a: { $gte: null } }, [1, 2, 5]],
			[{ a: { $not: { $gt: 0 } } }, [1, 2, 3, 4, 5, 6]],
			[{ a: [] }, [4]],
			[{ a: { $size: 0 } }, [4]],
			[{ a: { $type: "null" } }, [1, 5]],
		],
	),
	...table(
		"comparisons stay within their type",
		[
			{ _id: 1, a: 1 },
			{ _id: 2, a: "1" },
			{ _id: 3, a: new Date(5) },
			{ _id: 4, a: true },
			{ _id: 5, a: Long.fromNumber(3) },
			{ _id: 6, a: Decimal128.fromString("2.5") },
			{ _id: 7, a: new ObjectId("0123456789abcdef01234567") },
			{ _id: 8, a: { b: 1 } },
			{ _id: 9, a: -7.5 },
		],
		[
			[{ a: { $gt: 0 } }, [1, 5, 6]],
			[{ a: { $gte: 2.5, $lt: 3 } }, [6]],
			[{ a: { $lt: 100 } }, [1, 5, 6, 9]],
			[{ a: { $gt: "" } }, [2]],
			[{ a: { $gte: new Date(0) } }, [3]],
			[{ a: 3 }, [5]],
			[{ a: true }, [4]],
			[{ a: { $ne: 1 } }, [2, 3, 4, 5, 6, 7, 8, 9]],
			[{ a: { b: 1 } }, [8]],
			[{ a: { $type: "number" } }, [1, 5, 6, 9]],
			[{ a: { $type: ["string", "bool"] } }, [2, 4]],
			[{ a: new ObjectId("0123456789abcdef01234567") }, [7]],
		],
	),
	...table(
		"arrays match by element, by whole, and by $elemMatch",
		[
			{ _id: 1, a: [1, 5] },
			{ _id: 2, a: [3] },
			{ _id: 3, a: 3 },
			{ _id: 4, a: [[3]] },
			{
				_id: 5,
				a: [
					{ b: 1, c: 2 },
					{ b: 2, c: 1 },
				],
			},
			{ _id: 6, a: [{ b: 2, c: 2 }] },
			{ _id: 7, a: [] },
		],
		[
			[{ a: 3 }, [2, 3]],
			[{ a: [3] }, [2, 4]],
			[{ a: [1, 5] }, [1]],
			[{ a: { $gt: 2, $lt: 4 } }, [1, 2, 3]],
			[{ a: { $elemMatch: { $gt: 2, $lt: 4 } } }, [2]],
			[{ a: { $all: [1, 5] } }, [1]],
			[{ a: { $size: 1 } }, [2, 4, 6]],
			[{ "a.b": 2, "a.c": 2 }, [5, 6]],
			[{ a: { $elemMatch: { b: 2, c: 2 } } }, [6]],
			[{ "a.b": { $ne: 1 } }, [1, 2, 3, 4, 6, 7]],
			[{ "a.0.b": 2 }, [6]],
			[{ a: { $in: [5, 3] } }, [1, 2, 3]],
			[{ a: { $nin: [5, 3] } }, [4, 5, 6, 7]],
			[{ a: { $not: { $elemMatch: { b: 2 } } } }, [1, 2, 3, 4, 7]],
			[{ a: { $all: [{ $elemMatch: { b: 2 } }, { $elemMatch: { c: 1 } }] } }, [5]],
		],
	),
	...table(
		"logic, regular expressions, $mod and $expr",
		[
			{ _id: 1, a: "Apple pie", b: 4 },
			{ _id: 2, a: "apple", b: 3 },
			{ _id: 3, a: "banana\nsplit", b: 12 },
			{ _id: 4, a: ["pear", "apple"], b: null },
			{ _id: 5 },
		],
		[
			[{ a: /^apple/ }, [2, 4]],
			[{ a: /^apple/i }, [1, 2, 4]],
			[{ a: { $regex: "^SPLIT", $options: "im" } }, [3]],
			[{ a: { $regex: "a.s", $options: "s" } }, [3]],
			[{ a: { $in: [/^b/, "apple"] } }, [2, 3, 4]],
			[{ a: { $not: /apple/ } }, [1, 3, 5]],
			[{ a: /^ap?ple|^ban/ }, [2, 3, 4]],
			[{ $or: [{ b: 3 }, { a: "pear" }] }, [2, 4]],
			[{ $nor: [{ b: 3 }, { a: "pear" }] }, [1, 3, 5]],
			[{ $and: [{ b: { $gt: 2 } }, { b: { $lt: 10 } }] }, [1, 2]],
			[{ b: { $mod: [4, 0] } }, [1, 3]],
			[{ $expr: { $gt: ["$b", 3] } }, [1, 3]],
			[{ $expr: { $eq: ["$b", null] } }, [4]],
			[{ $expr: { $lt: ["$b", 4] } }, [2, 4, 5]],
		],
	),
	{
		name: "numbers sort before text before documents before booleans before dates; null and missing come first",
		async run(db) {
			await insert(db, [
				{ _id: 1, a: new Date(0) },
				{ _id: 2, a: true },
				{ _id: 3, a: {} },
				{ _id: 4, a: "x" },
				{ _id: 5, a: 5 },
				{ _id: 6, a: null },
				{ _id: 8, a: /x/ },
			]);
			const sorted = async () =>
				(await db.collection("c").find().sort({ a: 1, _id: 1 }).toArray()).map(d => Number(d._id));
			expect(await sorted()).toEqual([6, 5, 4, 3, 2, 1, 8]);
			await db.collection("c").createIndex({ a: 1, _id: 1 });
			expect(await sorted()).toEqual([6, 5, 4, 3, 2, 1, 8]);
		},
	},
	{
		name: "an array sorts by its least element ascending and by its greatest descending",
		async run(db) {
			await insert(db, [
				{ _id: 1, a: [1, 9] },
				{ _id: 2, a: [4, 5] },
				{ _id: 3, a: 3 },
			]);
			const by = async (direction: 1 | -1) =>
				(await db.collection("c").find().sort({ a: direction }).toArray()).map(d => Number(d._id));
			expect([await by(1), await by(-1)]).toEqual([
				[1, 3, 2],
				[1, 2, 3],
			]);
			await db.collection("c").createIndex({ a: 1 });
			expect([await by(1), await by(-1)]).toEqual([
				[1, 3, 2],
				[1, 2, 3],
			]);
		},
	},
	{
		name: "what is no filter is an error, not an empty result",
		async run(db) {
			await insert(db, [{ _id: 1, a: 1 }]);
			expect(await codeOf(ids(db, { a: { $foo: 1 } }))).toBe(2);
			expect(await codeOf(ids(db, { $foo: 1 }))).toBe(2);
			expect(await codeOf(ids(db, { a: { $in: 1 } }))).toBe(2);
			expect(await codeOf(ids(db, { $or: [] }))).toBe(2);
			expect(await codeOf(ids(db, { $expr: { $foo: 1 } }))).toBe(168);
		},
	},
	{
		name: "sorting under a collation follows the language",
		async run(db) {
			await insert(db, [
				{ _id: 1, a: "b" },
				{ _id: 2, a: "A" },
				{ _id: 3, a: "ä" },
			]);
			const sorted = await db.collection("c").find().sort({ a: 1 }).collation({ locale: "de", strength: 1 }).toArray();
			expect(sorted.map(d => Number(d._id))).toEqual([2, 3, 1]);
		},
	},
];
