import { pruneFields } from "../../services/api/http/absent.ts";

const RULES = {
	name: "string",
	note: "string|optional",
	locale: "string|optional|nullable",
	address: {
		type: "object",
		props: {
			line1: { type: "string" },
			line2: { type: "string", optional: true },
			geo: { type: "object", optional: true, properties: { at: { type: "string", optional: true } } },
			nickname: { type: "string", optional: true, nullable: true },
		},
	},
	lines: {
		type: "array",
		optional: true,
		items: { type: "object", props: { sku: "string", amount: { type: "object", optional: true } } },
	},
	byName: { type: "record", value: { type: "object", props: { a: { type: "string", optional: true } } } },
	either: [{ type: "string" }, { type: "object", props: { b: { type: "string", optional: true } } }],
};

describe("A null in a body", () => {
	const pruned = (value: object) => {
		const copy = structuredClone(value);
		pruneFields(RULES)(copy);
		return copy;
	};

	it.each([
		["at the top", { note: null }, {}],
		["where null means something", { locale: null }, { locale: null }],
		["where a value is needed", { name: null }, { name: null }],
		["in an object", { address: { line1: "a", line2: null } }, { address: { line1: "a" } }],
		["where null means something, in an object", { address: { nickname: null } }, { address: { nickname: null } }],
		["where a value is needed, in an object", { address: { line1: null } }, { address: { line1: null } }],
		["two levels down", { address: { geo: { at: null } } }, { address: { geo: {} } }],
		["for a whole object", { address: { geo: null } }, { address: {} }],
		["in a list", { lines: [{ sku: "A", amount: null }, null] }, { lines: [{ sku: "A" }, null] }],
		["under a name of the client's", { byName: { x: { a: null }, y: null } }, { byName: { x: {}, y: null } }],
		["in one of two forms", { either: { b: null } }, { either: {} }],
		[
			"as an empty text",
			{ note: " ", address: { line2: "", geo: "" }, lines: [{ sku: "A", amount: "" }] },
			{ address: {}, lines: [{ sku: "A" }] },
		],
		[
			"as an empty text where null means something",
			{ locale: "", address: { nickname: "" } },
			{ locale: null, address: { nickname: null } },
		],
		["as an empty text where a value is needed", { name: "", address: { line1: "" } }, undefined],
		["of an object that is something else", { address: "x", lines: { 0: 1 }, byName: 3 }, undefined],
	])("%s is left out where it says nothing: %j", (_, body, expected) => {
		expect(pruned(body)).toEqual(expected ?? body);
	});
});

describe("A list in a body", () => {
	const lists = { lines: { type: "array", max: 2, items: { type: "array", max: 1 } }, byName: { type: "record" } };
	it.each([
		[{ lines: [1, 2, 3] }, "lines"],
		[{ lines: [[], [1, 2]] }, "lines[1]"],
		[{ byName: Object.fromEntries(Array.from({ length: 1_001 }, (_, i) => [`k${i}`, 1])) }, "byName"],
	])("that is too long is refused before its items are looked at", (body, field) => {
		expect(() => pruneFields(lists)(body)).toThrow(
			expect.objectContaining({ data: { errors: [{ field, code: "arrayMax", message: expect.any(String) }] } }),
		);
	});
});
