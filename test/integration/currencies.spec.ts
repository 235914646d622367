import { errorType } from "../../lib/errors.ts";
import type { AdminProduct, Product, ProductFilters, VariantInput } from "../../services/products/products.contract.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { type Profiler, startProfiler } from "../support/profiler.ts";

const STAFF = { meta: { user: { id: "usr_manager", sessionId: "ses_1", roles: ["manager" as const] } } };
const money = (amount: number, currency: string) => ({ amount, currency });

let node: TestNode;
let profiler: Profiler;
let next = 0;

beforeAll(async () => {
	node = await startTestNode({ services: ["products"], env: { SHOP_CURRENCY: "CHF" } });
	profiler = await startProfiler(node.mongodbUri);
}, 60_000);
afterAll(async () => {
	await profiler?.stop();
	await node?.stop();
}, 60_000);

const call: TestNode["broker"]["call"] = (...args) => node.broker.call(...args);
const typeOf = (promise: Promise<unknown>) =>
	promise.then(
		() => "done",
		error => errorType(error) ?? String(error),
	);

const create = (
	title: string,
	prices: [number, string][],
	also: Partial<VariantInput> & { categories?: string[] } = {},
): Promise<AdminProduct> => {
	const { categories = [], ...variant } = also;
	return call(
		"products.create",
		{
			title,
			brand: "Mixed",
			categories,
			status: "published",
			variants: prices.map(([amount, currency]) => ({
				sku: `CUR-${++next}`,
				price: money(amount, currency),
				...variant,
			})),
		},
		STAFF,
	);
};

async function all(filters: ProductFilters): Promise<Product[]> {
	const found: Product[] = [];
	let cursor: string | null = null;
	do {
		const page: { items: Product[]; nextCursor: string | null } = await call("products.list", {
			...filters,
			...(cursor ? { cursor } : {}),
		});
		found.push(...page.items);
		cursor = page.nextCursor;
	} while (cursor);
	return found;
}
const titles = async (filters: ProductFilters) => (await all(filters)).map(({ title }) => title);

describe("A catalogue in several currencies", () => {
	beforeAll(async () => {
		await call("products.createCategory", { slug: "mixed", title: "Mixed" }, STAFF);
		const categories = ["mixed"];
		// Yen are cheap as numbers: in a list of one currency they are nowhere.
		await create("Francs five", [[500, "CHF"]], { categories });
		await create("Francs one", [[100, "CHF"]], { categories });
		await create(
			"Yen first",
			[
				[3, "JPY"],
				[300, "CHF"],
				[200, "CHF"],
			],
			{ categories },
		);
		await create("Euro only", [[150, "EUR"]], { categories });
		await create(
			"Everything",
			[
				[1, "JPY"],
				[2, "KWD"],
				[3, "EUR"],
				[400, "CHF"],
			],
			{ categories },
		);
		for (let i = 0; i < 9; i++)
			await create(`Tie ${i}`, [
				[250, i % 2 ? "JPY" : "CHF"],
				[250, i % 2 ? "CHF" : "JPY"],
			]);
	});

	it.each([
		{ brand: "Mixed" },
		{ q: "francs" },
		{ category: "mixed" },
		{},
	])("sorts by price within the shop's currency, behind %j too", async narrowed => {
		const up = await all({ sort: "price", limit: 2, ...narrowed });
		const lowest = ({ variants }: Product) =>
			Math.min(...variants.filter(({ price }) => price.currency === "CHF").map(({ price }) => price.amount));
		const amounts = up.map(lowest);
		expect(amounts).toEqual([...amounts].sort((a, b) => a - b));
		expect(new Set(up.map(({ id }) => id)).size).toBe(up.length);
		expect(up.map(({ title }) => title)).not.toContain("Euro only");
		const down = await all({ sort: "-price", limit: 3, ...narrowed });
		expect(down.map(({ id }) => id)).toEqual(up.map(({ id }) => id).reverse());
	});

	it("compares a price range with prices of its currency only, whatever the list is sorted by", async () => {
		for (const sort of ["price", "-price", "title", "-createdAt"]) {
			const range = { priceMin: 100, priceMax: 300, sort, category: "mixed" };
			expect((await titles(range)).sort()).toEqual(["Francs one", "Yen first"]);
			expect(await titles({ ...range, currency: "EUR" })).toEqual(["Euro only"]);
			expect((await titles({ priceMax: 3, sort, currency: "JPY" })).sort()).toEqual(["Everything", "Yen first"]);
			expect((await call("products.list", { ...range, count: true })).total).toBe(2);
		}
	});

	it("leaves out what is not sold in a currency that was asked for, and nothing when none was", async () => {
		expect((await titles({ currency: "EUR" })).sort()).toEqual(["Euro only", "Everything"]);
		expect((await titles({ currency: "KWD", sort: "title" })).sort()).toEqual(["Everything"]);
		expect(await titles({ currency: "USD" })).toEqual([]);
		expect(await titles({ category: "mixed" })).toHaveLength(5);
		const counted = await call("products.list", { currency: "JPY", sort: "price", count: true, limit: 1 });
		expect(counted.total).toBe(11);
		const staff = await call("products.adminList", { currency: "EUR", sort: "price" }, STAFF);
		expect(staff.items.map(({ title }) => title)).toEqual(["Everything", "Euro only"]);
	});

	it("does not go on in another currency", async () => {
		const { nextCursor } = await call("products.list", { sort: "price", limit: 1 });
		const cursor = nextCursor ?? "";
		expect(await typeOf(call("products.list", { sort: "price", currency: "JPY", cursor }))).toBe("VALIDATION_ERROR");
		expect(await typeOf(call("products.list", { sort: "price", currency: "CHF", cursor }))).toBe("done");
	});

	it("follows a variant that changes its currency", async () => {
		const made = await create("Wanderer", [[77, "CHF"]]);
		const change = { id: made.id, variantId: made.variants[0]?.id ?? "" };
		await call("products.updateVariant", { ...change, price: money(77, "SEK") }, STAFF);
		expect(await titles({ currency: "SEK", sort: "price" })).toEqual(["Wanderer"]);
		expect(await titles({ priceMin: 77, priceMax: 77, sort: "price" })).toEqual([]);
		await call("products.remove", { id: made.id }, STAFF);
		expect(await titles({ currency: "SEK", sort: "price" })).toEqual([]);
	});

	it("takes no price in a currency that is none, was one, or is a metal, nor a filter", async () => {
		for (const currency of ["XAU", "XXX", "XTS", "XDR", "HRK", "BGN", "EURO", "eur", ""]) {
			expect([currency, await typeOf(create("No", [[1, currency]]))]).toEqual([currency, "VALIDATION_ERROR"]);
			expect(await typeOf(call("products.list", { currency }))).toBe("VALIDATION_ERROR");
		}
		const five: [number, string][] = ["CHF", "EUR", "USD", "JPY", "SEK"].map(code => [1, code]);
		expect(await typeOf(create("Too many", five))).toBe("VALIDATION_ERROR");
		expect(await typeOf(create("No", [[100, "EUR"]], { compareAtPrice: money(200, "USD") }))).toBe("VALIDATION_ERROR");
		expect(await typeOf(create("No", [[100, "EUR"]], { compareAtPrice: money(100, "EUR") }))).toBe("VALIDATION_ERROR");
	});

	it("scans no collection for it and sorts nothing in memory", async () => {
		await profiler.collect();
		expect(profiler.counts().get("products.products query") ?? 0).toBeGreaterThan(50);
		expect(profiler.offences()).toEqual([]);
	});
});
