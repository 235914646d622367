import { BSONRegExp, Decimal128, Double, deserialize, Int32, Long, serialize } from "bson";
import fc from "fast-check";
import { decode } from "../src/bson-read.ts";
import { encode } from "../src/bson-write.ts";
import { dispatch } from "../src/dispatch.ts";
import { Engine } from "../src/engine.ts";
import { compareNumbers, numberKey } from "../src/numbers.ts";
import { parseParams } from "../src/params.ts";
import { compileRegex } from "../src/regex.ts";
import type { Doc } from "../src/values.ts";

function start() {
	const engine = new Engine({
		params: parseParams({}),
		onFatal: error => {
			throw error;
		},
	});
	const run = (command: Doc): Promise<Doc> =>
		dispatch(engine, { id: 1 }, decode(serialize({ ...command, $db: "d" }))) as Promise<Doc>;
	const bytes = () => [...engine.need("d", "c").docs.values()].map(s => s.bytes);
	/** With each number as an object of its kind. */
	const kinds = () => bytes().map(b => deserialize(b, { promoteValues: false }));
	return { run, bytes, kinds };
}

const decimals = [
	"0.1",
	"0.10",
	"-3",
	"1E+3",
	"1000",
	"5.0",
	"12345678901234567890.1",
	"12345678901234567890.2",
	"1E-6000",
	"1E+6000",
];
const number = fc.oneof(
	fc.integer().map(n => new Int32(n)),
	fc.oneof(fc.double(), fc.integer(), fc.constantFrom(5, 0.1, -3, 2 ** 53, 2 ** 60)).map(n => new Double(n)),
	fc
		.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.constantFrom(5n, 2n ** 53n + 1n))
		.map(n => Long.fromBigInt(n)),
	fc.constantFrom(...decimals, "NaN", "Infinity", "-Infinity").map(text => Decimal128.fromString(text)),
);
const value = fc.oneof(
	number,
	fc.string({ unit: "binary" }).filter(s => s.isWellFormed()),
	fc.constantFrom<unknown>(null, true, new Date(-1), new BSONRegExp("(?i)a/b", "imx"), Buffer.from("abc")),
);
const names = fc.constantFrom("a", "10", "9", "b", "01", "constructor", "ä", "__proto__", "4294967295");
const { tree } = fc.letrec<{ tree: unknown }>(tie => ({
	tree: fc.oneof(
		{ maxDepth: 4 },
		value,
		fc.array(tie("tree"), { maxLength: 3 }),
		fc.array(fc.tuple(names, tie("tree")), { maxLength: 5 }).map(list => new Map(list)),
	),
}));

describe("A document", () => {
	it("is written byte for byte as it was read", () => {
		fc.assert(
			fc.property(fc.array(fc.tuple(names, tree), { maxLength: 5 }), fields => {
				const bytes = Buffer.from(serialize(new Map(fields) as never));
				expect(encode(decode(bytes)).toString("hex")).toBe(bytes.toString("hex"));
			}),
			{ numRuns: 2_000 },
		);
	});

	it("keeps the kinds of its numbers and the order of its fields under an unrelated update", async () => {
		const { run, kinds } = start();
		const doc = new Map<string, unknown>([
			["_id", 1],
			["b", new Double(5)],
			["10", new Long(7)],
			["9", Decimal128.fromString("1.10")],
			["a", { z: new Double(2), "1": [new Long(3)] }],
		]);
		await run({ insert: "c", documents: [doc] });
		await run({ update: "c", updates: [{ q: { _id: 1 }, u: { $set: { x: 1 }, $inc: { n: new Double(2) } } }] });
		await run({
			update: "c",
			updates: [{ q: { _id: 1 }, u: [{ $set: { y: { $add: ["$b", 1] }, 7: { $divide: [4, 2] } } }] }],
		});
		const [found] = kinds();
		expect(found).toMatchObject({ b: new Double(5), "10": new Long(7), a: { z: new Double(2), "1": [new Long(3)] } });
		expect(found).toMatchObject({ x: new Int32(1), n: new Double(2), y: new Double(6), "7": new Double(2) });
		expect(String(found?.["9"])).toBe("1.10");
		const { run: again, bytes } = start();
		await again({ insert: "c", documents: [doc] });
		await again({ update: "c", updates: [{ q: { _id: 1 }, u: { $set: { 5: 1 } } }] });
		const places = ["_id", "b", "10", "9", "a", "5"].map(name => bytes()[0]?.indexOf(`${name}\0`));
		expect(places).toEqual(places.toSorted((x, y) => Number(x) - Number(y)));
	});
});

describe("Numbers of any kind", () => {
	it("are compared to the last digit, in one order, and equal ones have one key", () => {
		fc.assert(
			fc.property(fc.array(number, { minLength: 3, maxLength: 12 }), list => {
				const sorted = list.toSorted(compareNumbers);
				for (const [i, a] of sorted.entries()) {
					for (const b of sorted.slice(i)) {
						expect(compareNumbers(a, b)).toBeLessThanOrEqual(0);
						expect(compareNumbers(b, a) === 0).toBe(numberKey(a) === numberKey(b));
					}
				}
			}),
			{ numRuns: 1_000 },
		);
	});

	it("Decimals that differ in their last digit are two", async () => {
		const { run, kinds } = start();
		const [a, b] = ["12345678901234567890.1", "12345678901234567890.2"].map(t => Decimal128.fromString(t));
		await run({ createIndexes: "c", indexes: [{ key: { price: 1 }, name: "price", unique: true }] });
		await run({
			insert: "c",
			documents: [
				{ _id: 1, price: a },
				{ _id: 2, price: b },
			],
		});
		expect(await run({ delete: "c", deletes: [{ q: { price: a }, limit: 0 }] })).toMatchObject({ n: 1 });
		await run({ update: "c", updates: [{ q: {}, u: { $inc: { price: Decimal128.fromString("0.1") } } }] });
		expect(String(kinds()[0]?.["price"])).toBe("12345678901234567890.3");
		const divide = { update: "c", updates: [{ q: {}, u: [{ $set: { price: { $divide: ["$price", 3] } } }] }] };
		expect((await run(divide))["writeErrors"]).toMatchObject([{ code: 238 }]);
	});

	it("sums go from int to long, and no further", async () => {
		const { run, kinds } = start();
		await run({ insert: "c", documents: [{ _id: 1, n: 2 ** 31 - 1, m: Long.MAX_VALUE }] });
		await run({ update: "c", updates: [{ q: {}, u: { $inc: { n: 1 } } }] });
		expect(kinds()[0]?.["n"]).toEqual(Long.fromNumber(2 ** 31));
		const reply = await run({ update: "c", updates: [{ q: {}, u: { $inc: { m: 1 } } }] });
		expect(reply["writeErrors"]).toMatchObject([{ code: 2 }]);
	});
});

describe("Patterns", () => {
	it.each<[pattern: string, options: string, hits: string[], misses: string[]]>([
		["\\Aab", "m", ["abc"], ["x\nab"]],
		["ab\\Z", "", ["ab", "ab\n"], ["ab\n\n", "abc"]],
		["ab\\z", "", ["ab"], ["ab\n"]],
		["ab$", "", ["ab", "ab\n"], ["ab\nc"]],
		["ab$", "m", ["ab\nc"], ["abc"]],
		["^[[:alpha:]]+$", "", ["abc"], ["ab1"]],
		["^\\p{Lu}", "", ["Éa"], ["éa"]],
		["(?i)straße", "", ["STRAßE"], ["strasse"]],
		["a(?i:b)c", "", ["aBc"], ["aBC"]],
		["a.b", "", ["a\rb", "a💶b"], ["a\nb"]],
		["a b # words", "x", ["ab"], ["a b"]],
		["\\Qa.b\\E", "", ["a.b"], ["axb"]],
		["a\\hb", "", ["a b"], ["a\nb"]],
		["foo|b\\.r", "i", ["FOO", "b.r"], ["bar"]],
		["^a-b_c", "", ["a-b_cd"], ["xa-b_c"]],
	])("%s %s means what it means to PCRE", (pattern, options, hits, misses) => {
		const regex = compileRegex(pattern, options);
		expect(hits.filter(text => !regex.test(text))).toEqual([]);
		expect(misses.filter(text => regex.test(text))).toEqual([]);
	});

	it.each([
		"(?=a)",
		"(?<!a)b",
		"(a)\\1",
		"(?>a)",
		"a++",
		"(?R)",
		"(",
		"[a",
		"\\u0041",
		"(?z)a",
	])("%s is refused, not misunderstood", pattern => {
		expect(() => compileRegex(pattern)).toThrow("Regular expression is invalid");
	});

	it("that would take for ever elsewhere end", () => {
		// By backtracking, the first takes 2^3000 steps.
		for (const pattern of ["(a+)+$", "^(a|aa)*$", "(.*a){12}b", "^(([a-z])+.)+[A-Z]([a-z])+$"]) {
			expect(compileRegex(pattern).test(`${"a".repeat(3_000)}!`)).toBe(false);
		}
	});
});
