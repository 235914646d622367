import { Readable } from "node:stream";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { decodeCursor } from "../../lib/cursor.ts";
import { errorType } from "../../lib/errors.ts";
import {
	added,
	type Categories,
	changed,
	pathTo,
	removed,
	subtree,
	treeOf,
} from "../../services/products/domain/categories.ts";
import { productFromRow, updatedByRow } from "../../services/products/domain/import-row.ts";
import {
	derive,
	lowestIn,
	newProduct,
	type VariantChange,
	withChangedVariant,
	withoutVariant,
} from "../../services/products/domain/product.ts";
import { queryTerms, SLUG_PATTERN, slugFor, slugOf, termsOf } from "../../services/products/domain/text.ts";
import { parseRow } from "../../services/products/import/parse-row.ts";
import { spool } from "../../services/products/import/spool.ts";
import { productQuery } from "../../services/products/product-query.ts";
import type { ProductDocument } from "../../services/products/products.model.ts";

const typeOf = (act: () => unknown) => {
	try {
		act();
		return "done";
	} catch (error) {
		return errorType(error);
	}
};
const eur = (amount: number) => ({ amount, currency: "EUR" });

describe("Texts", () => {
	it("make slugs that are addresses, whatever they contain", () => {
		expect(slugOf("Café “Noir”, 250 g")).toBe("cafe-noir-250-g");
		expect(slugOf("日本", "A.1")).toBe("日本-a-1");
		expect([slugOf("???"), slugFor("prd_01ABCDEFGHJK", "???"), slugFor("prd_01ABCDEFGHJK", "?", "S&1")]).toEqual([
			"",
			"abcdefghjk",
			"s-1",
		]);
		fc.assert(
			fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }), (title, sku) => {
				const slug = slugFor("prd_01ABCDEFGHJK", title, sku);
				return SLUG_PATTERN.test(slug) && slug.length <= 150;
			}),
		);
	});

	it.each([
		["Straße der Könige", "strasse-der-konige"],
		["Smørrebrød", "smorrebrod"],
		["Łódź", "lodz"],
		["Œuvre", "oeuvre"],
		["Đặng", "dang"],
		["Þór", "thor"],
		["Iğdır İzmir", "igdir-izmir"],
		["Київ", "київ"],
		["東京", "東京"],
		["한국어", "한국어"],
		["हिन्दी", "हिन्दी"],
		["Ελλάδα", "ελλαδα"],
	])("of %s have the slug %s and are found by its words", (title, slug) => {
		expect(slugOf(title)).toBe(slug);
		expect(termsOf(title)).toEqual(slug.split("-"));
		expect(queryTerms(title.toUpperCase()).sort()).toEqual(slug.split("-").sort());
	});

	it("are found by their words, without accents or case, the longest asked first", () => {
		expect(termsOf("Crème brûlée", null, "X-100", "x")).toEqual(["creme", "brulee", "x", "100"]);
		expect(queryTerms("an ÉCLAIR a")).toEqual(["eclair", "an", "a"]);
	});
});

describe("Categories", () => {
	const tree = ["a", "b", "c"].reduce<Categories>(
		(all, slug, i) =>
			added(all, { id: slug, slug, title: slug, parent: i === 0 ? null : (["a", "b"][i - 1] ?? null), version: 1 }),
		[],
	);

	it("know their path and what is below them", () => {
		expect(pathTo(tree, "c").map(({ slug }) => slug)).toEqual(["a", "b", "c"]);
		expect(subtree(tree, "b")).toEqual(["b", "c"]);
		expect(treeOf(tree)[0]?.children[0]?.children[0]?.slug).toBe("c");
		expect(pathTo(tree, "nowhere")).toEqual([]);
	});

	it("refuse circles, unknown parents, double slugs and the removal of what has children", () => {
		expect(typeOf(() => changed(tree, "a", { parent: "c" }))).toBe("CONFLICT");
		expect(typeOf(() => changed(tree, "a", { parent: "a" }))).toBe("CONFLICT");
		expect(typeOf(() => changed(tree, "c", { parent: "x" }))).toBe("VALIDATION_ERROR");
		expect(typeOf(() => added(tree, { id: "9", slug: "a", title: "A", parent: null, version: 1 }))).toBe("CONFLICT");
		expect(typeOf(() => removed(tree, "b"))).toBe("CONFLICT");
		expect(typeOf(() => removed(tree, "x"))).toBe("NOT_FOUND");
		expect(removed(tree, "c")).toHaveLength(2);
		expect(pathTo(changed(tree, "c", { parent: null }), "c")).toHaveLength(1);
	});
});

describe("A product", () => {
	const state = newProduct(
		{
			title: "Lamp",
			categories: ["lamps", "lamps"],
			variants: [
				{ sku: "L-1", price: eur(300) },
				{ sku: "L-2", price: eur(200) },
			],
		},
		"lamp",
		0,
	);

	it("costs what its cheapest variant costs and stands under all categories above its own", () => {
		expect(derive(state, slug => ["home", slug])).toMatchObject({
			prices: { a: { currency: "EUR", min: 200 } },
			isInStock: false,
			path: ["home", "lamps"],
			terms: ["lamp", "l", "1", "2"],
		});
		expect(derive({ ...state, categories: [] }, () => [])).not.toHaveProperty("path");
	});

	const priced = (...prices: [number, string][]) =>
		newProduct(
			{
				title: "x",
				variants: prices.map(([amount, currency], i) => ({ sku: `P-${i}`, price: { amount, currency } })),
			},
			"x",
			0,
		);

	it("has a lowest price in each currency of its variants, in four at most", () => {
		const { prices } = derive(priced([900, "EUR"], [300, "JPY"], [700, "EUR"], [400, "JPY"]), () => []);
		expect(prices).toEqual({ a: { currency: "EUR", min: 700 }, b: { currency: "JPY", min: 300 } });
		expect([lowestIn(prices, "JPY"), lowestIn(prices, "USD")]).toEqual([300, undefined]);
		const five = ["EUR", "USD", "JPY", "KWD", "CHF"].map((code): [number, string] => [1, code]);
		expect(Object.keys(derive(priced(...five.slice(1)), () => []).prices)).toEqual(["a", "b", "c", "d"]);
		expect(typeOf(() => derive(priced(...five), () => []))).toBe("VALIDATION_ERROR");
	});

	it("was dearer before, in the same currency, or says nothing of before", () => {
		const usd = (amount: number) => ({ amount, currency: "USD" });
		for (const compareAtPrice of [eur(300), eur(299), usd(500)]) {
			const variants = [{ sku: "C-1", price: eur(300), compareAtPrice }];
			expect(typeOf(() => newProduct({ title: "x", variants }, "x", 0))).toBe("VALIDATION_ERROR");
		}
		const reduced = newProduct(
			{ title: "x", variants: [{ sku: "C-1", price: eur(300), compareAtPrice: eur(500) }] },
			"x",
			0,
		);
		const id = reduced.variants[0]?.id ?? "";
		const formerOf = (change: VariantChange) => withChangedVariant(reduced, id, change).variants[0]?.compareAtPrice;
		expect(formerOf({ price: eur(499) })).toEqual(eur(500));
		expect(formerOf({ title: "y" })).toEqual(eur(500));
		// A new price overtakes it, or is in another currency: it would be a lie from then on.
		expect([formerOf({ price: eur(500) }), formerOf({ price: usd(1) }), formerOf({ compareAtPrice: null })]).toEqual([
			undefined,
			undefined,
			undefined,
		]);
		expect(formerOf({ price: usd(1), compareAtPrice: usd(2) })).toEqual(usd(2));
		expect(typeOf(() => formerOf({ compareAtPrice: eur(300) }))).toBe("VALIDATION_ERROR");
		expect(typeOf(() => formerOf({ price: usd(1), compareAtPrice: eur(500) }))).toBe("VALIDATION_ERROR");
		const row = parseRow(JSON.stringify({ sku: "C-1", title: "x", price: usd(1) }));
		if (!("row" in row)) throw new Error("The row is fine");
		expect(updatedByRow(reduced, row.row).variants[0]).not.toHaveProperty("compareAtPrice");
	});

	it("keeps its last variant and takes no SKU twice", () => {
		const [first, second] = state.variants;
		const single = withoutVariant(state, first?.id ?? "");
		expect(typeOf(() => withoutVariant(single, second?.id ?? ""))).toBe("CONFLICT");
		const twice = [state.variants[0], state.variants[0]].map(() => ({ sku: "L-1", price: eur(1) }));
		expect(typeOf(() => newProduct({ title: "x", variants: twice }, "x", 0))).toBe("CONFLICT");
	});
});

describe("A row of a file", () => {
	const row = { sku: "R-1", title: "Row", price: eur(100), brand: "B", attributes: { watts: 9 } };
	const read = (fields: object) => parseRow(JSON.stringify({ ...row, ...fields }));

	it("is a product on sale, and again leaves it as it is", () => {
		const result = read({});
		if (!("row" in result)) throw new Error("refused");
		const product = productFromRow(result.row, 0);
		expect(product).toMatchObject({ slug: "row-r-1", status: "published", brand: "B", attributes: { watts: 9 } });
		expect(updatedByRow(product, result.row)).toEqual(product);
		const { brand: _, ...without } = result.row;
		expect(updatedByRow(product, { ...without, price: eur(5) })).toMatchObject({
			brand: "B",
			variants: [{ price: eur(5) }],
		});
	});

	it.each<object>([
		{ sku: undefined },
		{ sku: "" },
		...["a  b", " a", "a ", "a\u200Bb", "a\tb", ".", "..", "\u2800", "x".repeat(65)].map(sku => ({ sku })),
		{ sku: { $ne: 1 } },
		{ title: "  " },
		{ price: 5 },
		{ price: { amount: "5", currency: "EUR" } },
		{ price: { amount: 5, currency: "EURO" } },
		{ price: { amount: 5, currency: "EUR", tax: 1 } },
		{ ean: "1".repeat(33) },
		{ attributes: { sizes: [["S"]] } },
		{ attributes: { fits: "x".repeat(20_001) } },
		{ attributes: { sizes: Array(101).fill(1) } },
		{ attributes: Object.fromEntries(Array.from({ length: 1_001 }, (_, i) => [`n${i}`, 1])) },
		{ imageUrl: "javascript:alert(1)" },
		{ title: "\u200B\u3164\u2800\u00AD" },
		{ brand: "\u3164" },
		{ releasedAt: "soon" },
		{ releasedAt: "1" },
		{ releasedAt: "2024-02-30" },
		{ releasedAt: "2023-02-29" },
		{ releasedAt: "Model 2024" },
		{ releasedAt: "01/02/2024" },
		{ releasedAt: "2024-02-29T25:00:00Z" },
		{ attributes: { id: 2 ** 60 } },
		{ attributes: [] },
		{ attributes: { constructor: 1 } },
		{ unknown: 1 },
	])("is refused with %j", fields => {
		expect(read(fields)).toMatchObject({ error: { code: "VALIDATION_ERROR" } });
	});

	it("is kept as it was sent, but for what stands around a title", () => {
		for (const releasedAt of ["2024-02-29", "2024-02-29T23:59:59.5+01:00"])
			expect(read({ releasedAt })).toMatchObject({ row: { releasedAt } });
		expect(read({ title: " \u200BRow\uFEFF ", brand: " B " })).toMatchObject({ row: { title: "Row", brand: "B" } });
		expect(read({ description: "\ud83d" })).toMatchObject({ error: { code: "INVALID_ENCODING" } });
		expect(parseRow(undefined)).toMatchObject({ error: { code: "INVALID_ENCODING" } });
	});

	it("has SKUs, names, lists and codes as shops have them", () => {
		for (const sku of ["4759/104/OS", "AB 12 XS", "S&M.10", "Ķ5А", "AB#12(3)", "_100", "$100", "a@b", "靴-25"])
			expect(read({ sku })).toMatchObject({ row: { sku } });
		const attributes = { "size.eu": 42, "Größe (cm)": ["S", "M"], tested: [true, 5], fits: "x, ".repeat(6_000) };
		expect(read({ attributes, ean: "4006381333931" })).toMatchObject({ row: { attributes, ean: ["4006381333931"] } });
	});

	it("says with an empty text that there is nothing", () => {
		const empty = Object.fromEntries(
			["mpn", "ean", "brand", "description", "releasedAt", "imageUrl", "categories", "attributes"].map(name => [
				name,
				"",
			]),
		);
		expect(read(empty)).toEqual({ row: { sku: "R-1", title: "Row", price: eur(100) } });
		for (const name of ["sku", "title", "price"])
			expect(read({ [name]: "" })).toMatchObject({ error: { message: expect.stringContaining(name) } });
	});

	it("never throws, whatever it is", () => {
		fc.assert(fc.property(fc.string(), line => parseRow(line) !== undefined));
		fc.assert(fc.property(fc.json(), line => parseRow(line) !== undefined));
	});
});

describe("A spooled file", () => {
	it("is cut into whole lines, however its bytes arrive", async () => {
		const lines = Array.from({ length: 5_000 }, (_, i) => `${i} ${"é".repeat(i % 400)}`);
		const bytes = Buffer.from(`${lines.join("\n")}\n\n`);
		const parts = Array.from({ length: Math.ceil(bytes.length / 7_001) }, (_, i) =>
			bytes.subarray(i * 7_001, (i + 1) * 7_001),
		);
		const stored: string[] = [];
		const firstLines: number[] = [];
		const result = await spool(Readable.from(parts), async ({ data, firstLine }) => {
			firstLines.push(firstLine);
			stored.push(gunzipSync(data).toString());
			await Promise.resolve();
		});
		expect(result).toEqual({ chunks: stored.length, rows: 5_000 });
		expect(stored.length).toBeGreaterThan(1);
		expect(stored.join("")).toBe(bytes.toString());
		expect(stored.every(chunk => Buffer.byteLength(chunk) <= 1_048_576)).toBe(true);
		const counted = stored.map(chunk => chunk.split("\n").length - 1);
		expect(firstLines).toEqual(counted.map((_, i) => counted.slice(0, i).reduce((a, b) => a + b, 0)));
	});
});

describe("A list's query", () => {
	it("names the index that narrows and sorts it", () => {
		const query = productQuery({ q: "red lamp", category: "x", sort: "-price", priceMin: 5 }, "published", "EUR");
		expect(query?.branches).toHaveLength(4);
		expect(query?.branches[1]).toEqual({
			filter: {
				terms: "lamp",
				$and: [{ terms: "red" }],
				path: "x",
				status: "published",
				"prices.b.currency": "EUR",
				"prices.b.min": { $gte: 5 },
			},
			after: {},
			sort: { "prices.b.min": -1, _id: -1 },
			hint: { terms: 1, "prices.b.currency": 1, "prices.b.min": 1, _id: 1 },
		});
		const [plain, ...others] = productQuery({}, "published", "EUR")?.branches ?? [];
		expect([plain?.hint, others]).toEqual([{ status: 1, createdAt: 1, _id: 1 }, []]);
		// Without a word about prices nothing is left out.
		expect(plain?.filter).toEqual({ status: "published" });
		expect(productQuery({ q: " - " }, "published", "EUR")).toBeUndefined();
	});

	it("takes its own cursors back and nobody else's, nor those of another currency", () => {
		const prices = { a: { currency: "USD", min: 1 }, b: { currency: "EUR", min: 5 } };
		const last = { _id: "prd_1", titleKey: "lamp", prices, createdAt: new Date(7) } as unknown as ProductDocument;
		for (const sort of ["title", "-title", "price", "createdAt", "-createdAt"]) {
			const cursor = productQuery({ sort }, undefined, "EUR")?.cursorOf(last) ?? "";
			expect(productQuery({ sort, cursor }, undefined, "EUR")?.branches[0]?.after).not.toEqual({});
			for (const other of ["-price", "x".repeat(3)]) {
				const taken = { sort: "-price", cursor: other === "-price" ? cursor : other };
				expect([sort, typeOf(() => productQuery(taken, undefined, "EUR"))]).toEqual([sort, "VALIDATION_ERROR"]);
			}
		}
		const cursor = productQuery({ sort: "price" }, undefined, "EUR")?.cursorOf(last) ?? "";
		expect(decodeCursor(cursor, ["string", "number", "string"])[1]).toBe(5);
		for (const how of [{ currency: "USD" }, { currency: "EUR" }]) {
			expect(typeOf(() => productQuery({ sort: "price", cursor, ...how }, undefined, "EUR"))).toBe(
				how.currency === "EUR" ? "done" : "VALIDATION_ERROR",
			);
		}
	});
});
