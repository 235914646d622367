import fc from "fast-check";
import { Engine } from "../src/engine.ts";
import { Evaluation } from "../src/expressions.ts";
import { parseParams } from "../src/params.ts";
import { noCosts, planFor, select } from "../src/select.ts";
import type { SortSpec } from "../src/sort.ts";
import { compare, type Doc, valuesAt } from "../src/values.ts";

const inMemory = () =>
	new Engine({
		params: parseParams({}),
		onFatal: error => {
			throw error;
		},
	});

const scalar = fc.oneof(
	fc.integer({ min: 0, max: 4 }),
	fc.constantFrom<unknown>(null, "a", "ab", "b", true, 2.5, new Date(1), new Date(2)),
);
const element = fc.oneof(scalar, fc.record({ b: scalar, c: scalar }, { requiredKeys: [] }));
const value = fc.oneof(
	{ weight: 3, arbitrary: scalar },
	{ weight: 2, arbitrary: fc.array(element, { maxLength: 3 }) },
	{ weight: 1, arbitrary: fc.record({ b: scalar, c: scalar }, { requiredKeys: [] }) },
);
/** Only `a` holds arrays: two fields of one index may not. */
const document = fc.record({ a: value, d: scalar, e: scalar }, { requiredKeys: [] });

const range = fc
	.tuple(fc.subarray(["$gt", "$gte", "$lt", "$lte"], { minLength: 1, maxLength: 2 }), scalar, scalar)
	.map(([ops, x, y]) => Object.fromEntries(ops.map((op, i) => [op, i ? y : x])));
const operators = fc.oneof(
	range,
	fc.array(scalar, { maxLength: 3 }).map($in => ({ $in })),
	fc.array(scalar, { maxLength: 2 }).map($nin => ({ $nin })),
	scalar.map($ne => ({ $ne })),
	fc.boolean().map($exists => ({ $exists })),
	fc.array(scalar, { minLength: 1, maxLength: 2 }).map($all => ({ $all })),
	range.map($elemMatch => ({ $elemMatch })),
	fc.record({ b: fc.oneof(scalar, range), c: scalar }, { requiredKeys: [] }).map($elemMatch => ({ $elemMatch })),
	fc.constantFrom({ $regex: "^a" }, { $size: 1 }, { $type: "string" }),
);
const condition = fc.oneof(scalar, operators);
const simple = fc.dictionary(fc.constantFrom("a", "a.b", "a.c", "d", "e", "_id"), condition, {
	minKeys: 1,
	maxKeys: 3,
});
const filter: fc.Arbitrary<Doc> = fc.oneof(
	{ weight: 3, arbitrary: simple },
	{
		weight: 2,
		arbitrary: fc.tuple(simple, fc.array(simple, { minLength: 1, maxLength: 3 })).map(([f, $or]) => ({ ...f, $or })),
	},
	{ weight: 1, arbitrary: fc.array(simple, { minLength: 1, maxLength: 3 }).map($and => ({ $and })) },
);
const sort: fc.Arbitrary<SortSpec | undefined> = fc.option(
	fc.dictionary(fc.constantFrom("a", "d", "e", "_id"), fc.constantFrom(1, -1), { minKeys: 1, maxKeys: 2 }),
	{ nil: undefined },
);
const indexes = fc.subarray(
	[
		{ key: { a: 1 } },
		{ key: { "a.b": 1, "a.c": -1 } },
		{ key: { d: 1, e: -1 } },
		{ key: { d: -1, a: 1 } },
		{ key: { e: 1, d: 1, _id: 1 } },
		{ key: { e: 1 }, sparse: true },
		{ key: { d: 1 }, partialFilterExpression: { e: { $gte: 1 } } },
		{ key: { a: 1, d: 1, e: 1 } },
	],
	{ minLength: 1, maxLength: 4 },
);

/** The order two documents have to be in; 0 when either will do. */
function orderOf(a: Doc, b: Doc, by: SortSpec): number {
	for (const [path, direction] of Object.entries(by)) {
		const sign = Number(direction);
		const best = (doc: Doc) => valuesAt(doc, path).values.reduce((x, y) => (sign * compare(y, x) < 0 ? y : x));
		const c = sign * compare(best(a), best(b));
		if (c) return c;
	}
	return 0;
}

describe("The planner", () => {
	it("Whatever the indexes, a query finds what a scan finds, in the wanted order", () => {
		fc.assert(
			fc.property(
				fc.array(document, { maxLength: 25 }),
				indexes,
				fc.array(fc.tuple(filter, sort), { minLength: 5, maxLength: 5 }),
				(docs, specs, queries) => {
					const engine = inMemory();
					const plain = engine.ensure("d", "plain");
					const indexed = engine.ensure("d", "indexed");
					for (const [i, spec] of specs.entries()) engine.createIndex(indexed, { ...spec, name: `i${i}` } as never);
					for (const [_id, doc] of docs.entries()) {
						engine.insert(plain, { _id, ...doc });
						engine.insert(indexed, { _id, ...doc });
					}
					for (const [f, by] of queries) {
						const evaluation = new Evaluation();
						const found = select(indexed, { filter: f, sort: by, evaluation }, noCosts()).map(s => indexed.doc(s));
						const wanted = select(plain, { filter: f, hint: { $natural: 1 }, evaluation }, noCosts()).map(s =>
							plain.doc(s),
						);
						const ids = (list: Doc[]) => list.map(d => Number(d["_id"])).sort((x, y) => x - y);
						expect([f, by, ids(found)]).toEqual([f, by, ids(wanted)]);
						for (let i = 1; by && i < found.length; i++) {
							expect([f, by, orderOf(found[i - 1] as Doc, found[i] as Doc, by) <= 0]).toEqual([f, by, true]);
						}
					}
				},
			),
			{ numRuns: 1500 },
		);
	});

	it("Indexes and documents agree after any changes", () => {
		const change = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.option(document, { nil: undefined }));
		fc.assert(
			fc.property(indexes, fc.array(change, { maxLength: 60 }), (specs, changes) => {
				const engine = inMemory();
				const c = engine.ensure("d", "c");
				for (const [i, spec] of specs.entries()) engine.createIndex(c, { ...spec, name: `i${i}` } as never);
				for (const [_id, doc] of changes) {
					const before = c.docs.get(`n${_id}`);
					if (!before && doc) engine.insert(c, { _id, ...doc });
					else if (before && doc) engine.replace(c, before, { _id, ...doc });
					else if (before) engine.remove(c, before);
				}
				expect(c.validate().errors).toEqual([]);
			}),
			{ numRuns: 200 },
		);
	});

	it("Of several indexes it takes the one that bounds most, and a unique one before all", () => {
		const c = inMemory().ensure("d", "c");
		for (const key of [{ a: 1 }, { a: 1, b: 1 }, { b: 1 }]) c.createIndex({ key, name: Object.keys(key).join("_") });
		c.createIndex({ key: { u: 1 }, name: "u", unique: true });
		const chosen = (f: Doc, by?: SortSpec) => {
			const plan = planFor(c, { filter: f, sort: by, evaluation: new Evaluation() });
			return plan.stage === "IXSCAN" ? plan.index.name : plan.stage;
		};
		expect(chosen({ a: 1, b: 2 })).toBe("a_b");
		expect(chosen({ a: 1 })).toBe("a");
		expect(chosen({ a: 1, b: 2, u: 3 })).toBe("u");
		expect(chosen({ a: 1 }, { b: 1 })).toBe("a_b");
		expect(chosen({}, { b: -1 })).toBe("b");
		expect(chosen({ _id: 1 })).toBe("IDHACK");
		expect(chosen({ _id: 1, a: 1 })).toBe("_id_");
		expect(chosen({ z: 1 })).toBe("COLLSCAN");
	});
});
