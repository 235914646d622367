import fc from "fast-check";
import { dispatch } from "../src/dispatch.ts";
import { Engine } from "../src/engine.ts";
import { Evaluation } from "../src/expressions.ts";
import { parseParams } from "../src/params.ts";
import { noCosts, select } from "../src/select.ts";
import { compare, type Doc, EMPTY } from "../src/values.ts";

const inMemory = () =>
	new Engine({
		params: parseParams({}),
		onFatal: error => {
			throw error;
		},
	});

/** Few values, so that they meet; arrays, arrays in arrays, nulls and gaps in every field. */
const scalar = fc.constantFrom<unknown>(0, 1, 2, 3, null, "a", "ab");
const leaf = fc.oneof(
	{ weight: 3, arbitrary: scalar },
	{ weight: 2, arbitrary: fc.array(fc.oneof(scalar, fc.array(scalar, { maxLength: 2 })), { maxLength: 3 }) },
);
const inner = fc.record(
	{ b: fc.oneof(leaf, fc.record({ x: leaf, y: leaf }, { requiredKeys: [] })), c: leaf },
	{ requiredKeys: [] },
);
const deep = fc.record(
	{ b: fc.oneof(leaf, fc.array(fc.record({ x: leaf, y: leaf }, { requiredKeys: [] }), { maxLength: 3 })), c: leaf },
	{ requiredKeys: [] },
);
const value = fc.oneof(
	{ weight: 2, arbitrary: leaf },
	{ weight: 1, arbitrary: inner },
	{
		weight: 3,
		arbitrary: fc.array(fc.oneof(scalar, inner, deep, fc.array(inner, { maxLength: 2 })), { maxLength: 3 }),
	},
);
const document: fc.Arbitrary<Doc> = fc.record({ a: value, d: value, e: leaf }, { requiredKeys: [] });

const range = fc
	.tuple(fc.subarray(["$gt", "$gte", "$lt", "$lte"], { minLength: 1, maxLength: 2 }), scalar, scalar)
	.map(([ops, x, y]) => Object.fromEntries(ops.map((op, i) => [op, i ? y : x])));
const plain = fc.oneof(
	scalar,
	range,
	fc.array(scalar, { maxLength: 3 }).map($in => ({ $in })),
	fc.array(scalar, { maxLength: 2 }).map($nin => ({ $nin })),
	scalar.map($ne => ({ $ne })),
	fc.boolean().map($exists => ({ $exists })),
	fc.array(scalar, { minLength: 1, maxLength: 2 }).map($all => ({ $all })),
);
const elemMatch = fc.oneof(
	range,
	range.map($elemMatch => ({ $elemMatch })),
	fc.dictionary(fc.constantFrom("b", "c", "b.x", "b.y"), plain, { minKeys: 1, maxKeys: 3 }),
	fc
		.tuple(fc.dictionary(fc.constantFrom("x", "y"), plain, { minKeys: 1 }), plain)
		.map(([$elemMatch, c]) => ({ b: { $elemMatch }, c })),
);
const condition = fc.oneof(
	plain,
	elemMatch.map($elemMatch => ({ $elemMatch })),
	fc.array(elemMatch, { minLength: 1, maxLength: 2 }).map(list => ({ $all: list.map($elemMatch => ({ $elemMatch })) })),
);
const paths = ["a", "a.b", "a.c", "a.b.x", "a.b.y", "a.0", "a.0.b", "d", "d.b", "d.c", "e"] as const;
const simple: fc.Arbitrary<Doc> = fc.dictionary(fc.constantFrom(...paths), condition, { minKeys: 1, maxKeys: 3 });
const filter: fc.Arbitrary<Doc> = fc.oneof(
	{ weight: 4, arbitrary: simple },
	{
		weight: 1,
		arbitrary: fc.tuple(simple, fc.array(simple, { minLength: 2, maxLength: 2 })).map(([f, $or]) => ({ ...f, $or })),
	},
);
const keys = [
	["a"],
	["a.b", "a.c"],
	["a.b.x", "a.b.y", "a.c"],
	["a.c", "a.b"],
	["d.b", "a"],
	["e", "a.b"],
	["a.0", "e"],
	["a", "a.b"],
	["e", "d"],
	["d.b", "d.c", "e"],
];
const indexes = fc.subarray(
	[
		...keys.map(fields => ({ key: Object.fromEntries(fields.map((f, i) => [f, i % 2 ? -1 : 1])) })),
		{ key: { "d.b": 1 }, sparse: true },
		{ key: { "a.b": 1 }, partialFilterExpression: { "d.b": { $gte: 1 } } },
	],
	{ minLength: 1, maxLength: 3 },
);

const connection = { id: 1 };
/** The same documents with and without indexes; what an index refuses is in neither. */
function twins(docs: Doc[], specs: object[]) {
	const engine = inMemory();
	const plainly = engine.ensure("d", "plain");
	const indexed = engine.ensure("d", "indexed");
	for (const [i, spec] of specs.entries()) engine.createIndex(indexed, { ...spec, name: `i${i}` } as never);
	for (const [_id, doc] of docs.entries()) {
		try {
			engine.insert(indexed, { _id, ...doc });
			engine.insert(plainly, { _id, ...doc });
		} catch (error) {
			expect((error as { code?: number }).code).toBe(171);
		}
	}
	return { engine, plainly, indexed };
}

/** What an index has of a document, written down anew: one value per path for every choice of elements. */
function reference(doc: Doc, fields: string[], chosen = new Map<unknown[], number>()): unknown[][] {
	const key: unknown[] = [];
	for (const field of fields) {
		let v: unknown = doc;
		const parts = field.split(".");
		for (let i = 0; i <= parts.length; i++) {
			if (Array.isArray(v)) {
				const list = v;
				const at = chosen.get(list);
				if (at === undefined) {
					const choices = Math.max(1, list.length);
					return Array.from({ length: choices }, (_, n) => reference(doc, fields, new Map(chosen).set(list, n))).flat();
				}
				v = i === parts.length && !list.length ? EMPTY : list[at];
				if (i < parts.length && Array.isArray(v)) v = undefined;
				if (i === parts.length) break;
			}
			const part = parts[i];
			if (part !== undefined) v = typeof v === "object" && v !== null ? (v as Doc)[part] : undefined;
		}
		key.push(v ?? null);
	}
	return [key];
}
const isEqual = (a: unknown[], b: unknown[]) => a.every((v, i) => compare(v, b[i]) === 0);

describe("With arrays in every field", () => {
	it("find, update and delete touch by an index what they touch by a scan", async () => {
		await fc.assert(
			fc.asyncProperty(
				fc.array(document, { minLength: 5, maxLength: 25 }),
				indexes,
				fc.array(filter, { minLength: 8, maxLength: 8 }),
				async (docs, specs, filters) => {
					const { engine, plainly, indexed } = twins(docs, specs);
					const run = (command: Doc) => dispatch(engine, connection, { ...command, $db: "d" });
					const marked = (c: typeof indexed, mark: string) =>
						[...c.docs.values()]
							.map(s => c.doc(s))
							.filter(d => d[mark] !== undefined)
							.map(d => d["_id"]);
					for (const [n, f] of filters.entries()) {
						const evaluation = new Evaluation();
						const ids = (c: typeof indexed, hint?: unknown) =>
							select(c, { filter: f, hint, evaluation }, noCosts())
								.map(s => c.doc(s)["_id"])
								.sort();
						const wanted = ids(plainly, { $natural: 1 });
						expect([f, ids(indexed)]).toEqual([f, wanted]);
						for (const c of ["plain", "indexed"]) {
							await run({ update: c, updates: [{ q: f, u: { $set: { [`m${n}`]: 1 } }, multi: true }] });
						}
						expect([f, marked(indexed, `m${n}`)]).toEqual([f, marked(plainly, `m${n}`)]);
					}
					for (const q of filters.slice(0, 2)) {
						for (const c of ["plain", "indexed"]) await run({ delete: c, deletes: [{ q, limit: 0 }] });
						expect([q, [...indexed.docs.keys()]]).toEqual([q, [...plainly.docs.keys()]]);
					}
					expect(indexed.validate().errors).toEqual([]);
				},
			),
			{ numRuns: 300 },
		);
	}, 120_000);

	it("a unique index refuses exactly the documents that share a key with another", () => {
		const fieldsOf = fc.constantFrom(...keys.filter(fields => !fields.includes("a.0")));
		fc.assert(
			fc.property(fc.array(document, { minLength: 4, maxLength: 15 }), fieldsOf, (docs, fields) => {
				const engine = inMemory();
				const c = engine.ensure("d", "c");
				engine.createIndex(c, { key: Object.fromEntries(fields.map(f => [f, 1])), name: "u", unique: true });
				const taken: unknown[][] = [];
				for (const [_id, doc] of docs.entries()) {
					const mine = reference(doc, fields);
					const isTaken = mine.some(key => taken.some(other => isEqual(key, other)));
					let code = 0;
					try {
						engine.insert(c, { _id, ...doc });
						taken.push(...mine);
					} catch (error) {
						code = (error as { code: number }).code;
						if (code === 171) continue;
					}
					expect([fields, doc, code]).toEqual([fields, doc, isTaken ? 11000 : 0]);
				}
			}),
			{ numRuns: 1_000 },
		);
	}, 60_000);

	it.each([
		{
			doc: {
				a: [
					{ b: [1, 2], c: 3 },
					{ b: 5, c: 6 },
				],
			},
			find: { a: { $elemMatch: { b: 2, c: 3 } } },
		},
		{ doc: { a: [{ b: [0, 5], c: 1 }] }, find: { a: { $elemMatch: { b: { $gte: 1, $lte: 2 }, c: 1 } } } },
		{ doc: { a: [[1, 2]] }, find: { a: { $elemMatch: { $elemMatch: { $gt: 1 } } } } },
	])("an index of a.b and a.c finds $doc", ({ doc, find }) => {
		const { indexed } = twins([doc], [{ key: { "a.b": 1, "a.c": 1 } }, { key: { a: 1 } }]);
		expect(select(indexed, { filter: find, evaluation: new Evaluation() }, noCosts())).toHaveLength(1);
	});
});
