import { type Case, planOf } from "../support/cases.ts";
import type { Db } from "../support/servers.ts";

interface Item {
	_id: number;
	status: string;
	price: number;
	tags: string[];
	lines: { sku: string; qty: number }[];
	rare?: number;
}
async function seeded(db: Db, indexes: Record<string, 1 | -1>[], options: object = {}) {
	const c = db.collection<Item>("c");
	for (const key of indexes) await c.createIndex(key, options);
	await c.insertMany(
		Array.from({ length: 1000 }, (_, i) => ({
			_id: i,
			status: i % 2 ? "open" : "done",
			price: i % 100,
			tags: [`t${i % 10}`, `u${i % 7}`],
			lines: [
				{ sku: `s${i}`, qty: 1 },
				{ sku: `s${i + 1000}`, qty: 5 },
			],
			...(i % 100 === 0 ? { rare: i } : {}),
		})),
	);
	return c;
}

export const plannerCases: Case[] = [
	{
		name: "equality and range read only their part of a compound index",
		async run(db) {
			const c = await seeded(db, [{ status: 1, price: 1 }]);
			const plan = await planOf(c.find({ status: "open", price: { $gt: 90, $lt: 95 } }));
			expect(plan.stages).toEqual(["FETCH", "IXSCAN"]);
			expect([plan.returned, plan.docs]).toEqual([20, 20]);
		},
	},
	{
		name: "several points before further fields are several short stretches",
		async run(db) {
			const c = await seeded(db, [{ status: 1, price: 1 }]);
			const plan = await planOf(c.find({ status: { $in: ["open", "done"] }, price: { $in: [3, 4, 95] } }));
			expect(plan.stages).toContain("IXSCAN");
			expect([plan.returned, plan.docs]).toEqual([30, 30]);
		},
	},
	{
		name: "$or uses an index for each branch and gives each document once",
		async run(db) {
			const c = await seeded(db, [{ price: 1 }, { "lines.sku": 1 }]);
			const filter = { $or: [{ price: 5 }, { "lines.sku": "s5" }, { _id: 7 }] };
			const plan = await planOf(c.find(filter));
			expect(plan.stages).not.toContain("COLLSCAN");
			expect(plan.stages).toContain("OR");
			expect(plan.docs).toBeLessThan(20);
			expect(await c.countDocuments(filter)).toBe(11);
		},
	},
	{
		name: "an $or with a branch no index serves is a scan",
		async run(db) {
			const c = await seeded(db, [{ price: 1 }]);
			expect((await planOf(c.find({ $or: [{ price: 5 }, { status: "open" }] }))).stages).toEqual(["COLLSCAN"]);
		},
	},
	{
		name: "$elemMatch bounds a multikey index, and different elements are not confused",
		async run(db) {
			const c = await seeded(db, [{ "lines.sku": 1, "lines.qty": 1 }]);
			const filter = { lines: { $elemMatch: { sku: "s10", qty: 1 } } };
			const plan = await planOf(c.find(filter));
			expect([plan.stages.includes("IXSCAN"), plan.returned, plan.docs]).toEqual([true, 1, 1]);
			expect(await c.countDocuments({ lines: { $elemMatch: { sku: "s10", qty: 5 } } })).toBe(0);
			expect(await c.countDocuments({ "lines.sku": "s10", "lines.qty": 5 })).toBe(1);
		},
	},
	{
		name: "two bounds on an array field may be met by two elements",
		async run(db) {
			const c = db.collection<{ _id: number; a: number[] }>("c");
			await c.createIndex({ a: 1 });
			await c.insertMany([
				{ _id: 1, a: [1, 10] },
				{ _id: 2, a: [5] },
				{ _id: 3, a: [20] },
			]);
			expect((await c.find({ a: { $gt: 4, $lt: 8 } }).toArray()).map(d => d._id).sort()).toEqual([1, 2]);
			expect((await c.find({ a: { $elemMatch: { $gt: 4, $lt: 8 } } }).toArray()).map(d => d._id)).toEqual([2]);
			expect((await c.find({ $and: [{ a: 1 }, { a: 10 }] }).toArray()).map(d => d._id)).toEqual([1]);
		},
	},
	{
		name: "$all reads the index by one of its values",
		async run(db) {
			const c = await seeded(db, [{ tags: 1 }]);
			const plan = await planOf(c.find({ tags: { $all: ["t3", "u3"] } }));
			expect(plan.stages).toContain("IXSCAN");
			expect(plan.docs).toBeLessThan(200);
		},
	},
	{
		name: "$exists reads a sparse index, which holds nothing else",
		async run(db) {
			const c = await seeded(db, [{ rare: 1 }], { sparse: true });
			const plan = await planOf(c.find({ rare: { $exists: true } }));
			expect([plan.stages.includes("IXSCAN"), plan.docs]).toEqual([true, 10]);
		},
	},
	{
		name: "a sparse index serves no query that could match a document it lacks",
		async run(db) {
			const c = await seeded(db, [{ rare: 1 }], { sparse: true });
			expect((await planOf(c.find({ rare: { $eq: null } } as object))).stages).toContain("COLLSCAN");
			expect((await planOf(c.find().sort({ rare: 1 }))).stages).toContain("COLLSCAN");
			expect(await c.countDocuments({ rare: { $lte: 500 } })).toBe(6);
		},
	},
	{
		name: "a partial index serves only queries that imply its filter",
		async run(db) {
			const c = await seeded(db, [{ price: 1 }], { partialFilterExpression: { status: "open" } });
			expect((await planOf(c.find({ price: 3, status: "open" }))).stages).toContain("IXSCAN");
			expect((await planOf(c.find({ price: 3 }))).stages).toContain("COLLSCAN");
			expect((await planOf(c.find({ price: 3, status: "done" }))).stages).toContain("COLLSCAN");
		},
	},
	{
		name: "a range is enough to imply a partial filter's wider range",
		async run(db) {
			const c = await seeded(db, [{ price: 1 }], { partialFilterExpression: { price: { $gt: 50 } } });
			expect((await planOf(c.find({ price: { $gt: 60 } }))).stages).toContain("IXSCAN");
			expect((await planOf(c.find({ price: { $gt: 40 } }))).stages).toContain("COLLSCAN");
		},
	},
	{
		name: "a sort comes from the index, forwards and backwards, behind equalities",
		async run(db) {
			const c = await seeded(db, [{ status: 1, price: 1, _id: 1 }]);
			for (const direction of [1, -1] as const) {
				const cursor = () => c.find({ status: "open" }).sort({ price: direction, _id: direction }).limit(5);
				const plan = await planOf(cursor());
				expect(plan.stages).not.toContain("SORT");
				expect(plan.docs).toBe(5);
				const found = await cursor().toArray();
				expect(found.map(d => d._id)).toEqual(direction === 1 ? [1, 101, 201, 301, 401] : [999, 899, 799, 699, 599]);
			}
			expect((await planOf(c.find({ status: "open" }).sort({ price: 1, _id: -1 }))).stages).toContain("SORT");
		},
	},
	{
		name: "a sort behind several points is merged from the stretches",
		async run(db) {
			const c = await seeded(db, [{ status: 1, price: 1, _id: 1 }]);
			const cursor = () =>
				c
					.find({ status: { $in: ["open", "done"] } })
					.sort({ price: -1, _id: -1 })
					.limit(4);
			const plan = await planOf(cursor());
			expect(plan.stages).not.toContain("SORT");
			expect(plan.docs).toBeLessThan(20);
			expect((await cursor().toArray()).map(d => d._id)).toEqual([999, 899, 799, 699]);
		},
	},
	{
		name: "a keyset page is read from where it begins",
		async run(db) {
			const c = await seeded(db, [{ status: 1, price: 1, _id: 1 }]);
			const filter = { status: "open", $or: [{ price: { $gt: 51 } }, { price: 51, _id: { $gt: 351 } }] };
			const plan = await planOf(c.find(filter).sort({ price: 1, _id: 1 }).limit(20));
			expect(plan.stages).not.toContain("SORT");
			expect(plan.stages).not.toContain("COLLSCAN");
			const page = await c.find(filter).sort({ price: 1, _id: 1 }).limit(8).toArray();
			expect(page.map(d => d._id)).toEqual([451, 551, 651, 751, 851, 951, 53, 153]);
		},
	},
	{
		name: "what an index does not sort is sorted in memory",
		async run(db) {
			const c = await seeded(db, [{ price: 1 }, { tags: 1 }]);
			expect((await planOf(c.find({ price: 5 }).sort({ status: 1 }))).stages).toContain("SORT");
			expect((await planOf(c.find({ tags: "t1" }).sort({ tags: 1 }))).stages).toContain("SORT");
		},
	},
	{
		name: "an array field bound to one value leaves the order of the fields behind it, and has none itself",
		async run(db) {
			const c = await seeded(db, [{ tags: 1, price: 1, _id: 1 }]);
			const page = () => c.find({ tags: "t1" }).sort({ price: 1, _id: 1 }).limit(3);
			expect((await planOf(page())).stages).not.toContain("SORT");
			expect((await page().toArray()).map(d => d._id)).toEqual([1, 101, 201]);
			const several = c.find({ tags: { $in: ["t1", "u1"] } }).sort({ price: 1, _id: 1 });
			expect((await several.toArray()).map(d => d.price)).toEqual(
				(await c.find({ tags: { $in: ["t1", "u1"] } }).toArray()).map(d => d.price).sort((a, b) => a - b),
			);
		},
	},
	{
		name: "$expr beside an equality leaves the index in use",
		async run(db) {
			const c = await seeded(db, [{ price: 1 }]);
			const plan = await planOf(c.find({ price: 5, $expr: { $lt: ["$_id", 500] } }));
			expect([plan.stages.includes("IXSCAN"), plan.docs, plan.returned]).toEqual([true, 10, 5]);
		},
	},
	{
		name: "an anchored regular expression reads only keys with that beginning",
		async run(db) {
			const c = await seeded(db, [{ "lines.sku": 1 }]);
			const plan = await planOf(c.find({ "lines.sku": /^s99/ }));
			expect(plan.stages).toContain("IXSCAN");
			expect(plan.keys).toBeLessThan(20);
		},
	},
	{
		name: "a hint is followed, and one for no index is an error",
		async run(db) {
			const c = await seeded(db, [{ price: 1 }]);
			expect((await planOf(c.find({ _id: 5 }).hint({ price: 1 }))).stages).toContain("IXSCAN");
			expect((await planOf(c.find({ price: 5 }).hint({ $natural: 1 }))).stages).toEqual(["COLLSCAN"]);
			await expect(c.find({}).hint("nope").toArray()).rejects.toMatchObject({ code: 2 });
		},
	},
	{
		name: "ranges and sorts on _id use its index",
		async run(db) {
			const c = await seeded(db, []);
			const plan = await planOf(c.find({ _id: { $gte: 990 } }).sort({ _id: -1 }));
			expect(plan.stages).not.toContain("SORT");
			expect([plan.stages.includes("IXSCAN"), plan.docs]).toEqual([true, 10]);
		},
	},
	{
		name: "an index in descending order is read with its own bounds",
		async run(db) {
			const c = await seeded(db, [{ price: -1, _id: 1 }]);
			const cursor = () =>
				c
					.find({ price: { $gte: 10, $lt: 12 } })
					.sort({ price: -1, _id: 1 })
					.limit(11);
			expect((await planOf(cursor())).docs).toBe(11);
			expect((await cursor().toArray()).map(d => d.price)).toEqual([...Array.from({ length: 10 }, () => 11), 10]);
		},
	},
];
