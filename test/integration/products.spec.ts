import { errorType } from "../../lib/errors.ts";
import type { AdminProduct, Product, ProductFilters, ProductInput } from "../../services/products/products.contract.ts";
import type { ProductsVars } from "../../services/products/products.types.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { until } from "../support/until.ts";

const MANAGER = { meta: { user: { id: "usr_manager", sessionId: "ses_1", roles: ["manager" as const] } } };

let node: TestNode;
let next = 0;

beforeAll(async () => {
	node = await startTestNode({ services: ["products", "inventory"] });
}, 60_000);
afterAll(() => node?.stop(), 60_000);

const call: TestNode["broker"]["call"] = (...args) => node.broker.call(...args);
const eur = (amount: number) => ({ amount, currency: "EUR" });
const sku = () => `SKU-${++next}`;
const create = (input: Partial<ProductInput> = {}): Promise<AdminProduct> =>
	call(
		"products.create",
		{ title: "Reading lamp", status: "published", variants: [{ sku: sku(), price: eur(4_950) }], ...input },
		MANAGER,
	);
const typeOf = (promise: Promise<unknown>) =>
	promise.then(
		() => "done",
		error => errorType(error) ?? String(error),
	);

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

describe("A product", () => {
	it("is found by id and by slug once it is published, and shows what everybody may see", async () => {
		const made = await create({ title: "Café lamp, ünique", brand: "Lumo", attributes: { watts: 9, dimmable: true } });
		expect(made).toMatchObject({ slug: "cafe-lamp-unique", status: "published", version: 1 });
		const shown = await call("products.get", { idOrSlug: made.id });
		expect(shown).toEqual(await call("products.get", { idOrSlug: "cafe-lamp-unique" }));
		expect(shown.variants[0]).toEqual({
			id: expect.stringMatching(/^var_/),
			sku: made.variants[0]?.sku,
			title: "Café lamp, ünique",
			price: eur(4_950),
			options: {},
			available: "out_of_stock",
		});
		expect(Object.keys(shown)).not.toContain("status");
		const draft = await create({ status: "draft" });
		expect(await typeOf(call("products.get", { idOrSlug: draft.id }))).toBe("NOT_FOUND");
		expect(await call("products.adminGet", { id: draft.id }, MANAGER)).toMatchObject({ status: "draft" });
	});

	it("has SKUs of its own, whoever else asks for them at the same time", async () => {
		const wanted = sku();
		const answers = await Promise.all(
			Array.from({ length: 10 }, () => typeOf(create({ variants: [{ sku: wanted, price: eur(1) }] }))),
		);
		expect(answers.sort()).toEqual([...Array(9).fill("CONFLICT"), "done"]);
		const [twice, other] = [sku(), sku()];
		const variants = [
			{ sku: twice, price: eur(1) },
			{ sku: twice, price: eur(2) },
		];
		expect(await typeOf(create({ variants }))).toBe("CONFLICT");
		const { id } = await create({ variants: [{ sku: other, price: eur(1) }] });
		const add = (which: string) => typeOf(call("products.addVariant", { id, sku: which, price: eur(1) }, MANAGER));
		expect(await add(other)).toBe("CONFLICT");
		expect(await add(wanted)).toBe("CONFLICT");
		expect(await typeOf(create({ slug: "reading-lamp" }))).toBe("CONFLICT");
	});

	it("frees its slug and SKUs when it is removed", async () => {
		const one = sku();
		const { id, version } = await create({ slug: "free-me", variants: [{ sku: one, price: eur(1) }] });
		const stale = { meta: { ...MANAGER.meta, ifMatch: version + 1 } };
		expect(await typeOf(call("products.remove", { id }, stale))).toBe("VERSION_MISMATCH");
		await call("products.remove", { id }, { meta: { ...MANAGER.meta, ifMatch: version } });
		expect(await typeOf(call("products.get", { idOrSlug: id }))).toBe("NOT_FOUND");
		expect(await typeOf(call("products.adminGet", { id }, MANAGER))).toBe("NOT_FOUND");
		expect((await call("products.adminList", { q: one }, MANAGER)).items).toEqual([]);
		await create({ slug: "free-me", variants: [{ sku: one, price: eur(1) }] });
	});

	it("loses no change when twenty come at once, and refuses what was decided on an old version", async () => {
		const { id } = await create();
		await Promise.all(
			Array.from({ length: 8 }, (_, i) =>
				call("products.addVariant", { id, sku: sku(), price: eur(100 + i), title: `No ${i}` }, MANAGER),
			),
		);
		const product = await call("products.adminGet", { id }, MANAGER);
		expect(product.variants).toHaveLength(9);
		expect(product.version).toBe(9);
		const old = { meta: { ...MANAGER.meta, ifMatch: 3 } };
		expect(await typeOf(call("products.update", { id, title: "Old" }, old))).toBe("VERSION_MISMATCH");
	});

	it("is read fresh at once after a write, although reads are cached", async () => {
		const made = await create({ title: "Before" });
		for (let i = 0; i < 20; i++) {
			await call("products.get", { idOrSlug: made.id });
			const variantId = made.variants[0]?.id ?? "";
			await call("products.updateVariant", { id: made.id, variantId, price: eur(i) }, MANAGER);
			expect((await call("products.get", { idOrSlug: made.id })).variants[0]?.price).toEqual(eur(i));
		}
	});

	it("says how available it is, also when its stock came before it did", async () => {
		const early = sku();
		await call("inventory.receive", { sku: early, quantity: 3, reason: "opening" }, MANAGER);
		const made = await create({ variants: [{ sku: early, price: eur(1) }] });
		const level = (wanted: string) =>
			until(`${early} to be ${wanted}`, async () => {
				const { variants } = await call("products.get", { idOrSlug: made.id });
				return variants[0]?.available === wanted;
			});
		await level("low_stock");
		await call("inventory.receive", { sku: early, quantity: 30, reason: "delivery" }, MANAGER);
		await level("in_stock");
		await call("inventory.reserve", { reference: "ord_all", lines: [{ sku: early, quantity: 33 }] });
		await level("out_of_stock");
		expect(await all({ q: early, inStock: true })).toEqual([]);
		await call("inventory.giveBack", { reference: "ord_all", lines: [{ sku: early, quantity: 33 }] });
		await level("in_stock");
		expect(await all({ q: early, inStock: true })).toHaveLength(1);
	});

	it("is quoted with its price now, and only when it is on sale", async () => {
		const [a, b, c] = [sku(), sku(), sku()];
		const variants = [
			{ sku: a, price: eur(100) },
			{ sku: b, title: "Red", price: eur(200) },
		];
		const made = await create({ title: "Quoted", variants });
		await create({ status: "draft", variants: [{ sku: c, price: eur(1) }] });
		const { quotes } = await call("products.quote", { skus: [b, c, "NO-SUCH"] });
		expect(quotes).toEqual([
			{ sku: b, productId: made.id, variantId: made.variants[1]?.id, title: "Quoted – Red", price: eur(200) },
		]);
	});

	it("is refused with operators, unknown fields and odd money", async () => {
		const bad: object[] = [
			{ variants: [{ sku: sku(), price: { amount: 1.5, currency: "EUR" } }] },
			{ variants: [{ sku: sku(), price: { amount: -1, currency: "EUR" } }] },
			{ variants: [{ sku: sku(), price: { amount: 1, currency: "eur" } }] },
			{ variants: [{ sku: "two  spaces", price: eur(1) }] },
			{ variants: [] },
			{ attributes: { $where: "1" } },
			{ attributes: { nested: { a: 1 } } },
			{ isAdmin: true },
			{ title: { $ne: null } },
			{ categories: ["no-such-category"] },
		];
		for (const input of bad) expect([input, await typeOf(create(input))]).toEqual([input, "VALIDATION_ERROR"]);
		const guest = call("products.create", { title: "x", variants: [{ sku: sku(), price: eur(1) }] });
		expect(await typeOf(guest)).toBe("UNAUTHENTICATED");
	});
});

describe("Lists", () => {
	const brand = "Pagers";

	beforeAll(async () => {
		for (let i = 0; i < 23; i++) {
			await create({
				title: `${"abcdefgh"[i % 8]} pager ${i}`,
				brand,
				variants: [{ sku: sku(), price: eur(100 * (i % 5)) }],
			});
		}
	});

	it.each([
		"title",
		"-title",
		"price",
		"-price",
		"createdAt",
		"-createdAt",
	])("page by %s, each item once", async sort => {
		const found = await all({ brand, sort, limit: 4 });
		expect(new Set(found.map(({ id }) => id)).size).toBe(23);
		const values = found.map(({ title, variants, createdAt }) =>
			sort.includes("title") ? title : sort.includes("price") ? variants[0]?.price.amount : createdAt,
		);
		const ordered = [...values].sort((a, b) => (String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0));
		expect(values).toEqual(sort.startsWith("-") ? ordered.reverse() : ordered);
	});

	it("stay stable while products are added and removed between pages", async () => {
		const before = await all({ brand, sort: "title" });
		const first = await call("products.list", { brand, sort: "title", limit: 10 });
		await create({ title: "a pager 0 first", brand });
		const late = await create({ title: "zz pager", brand });
		const rest: Product[] = [];
		let cursor = first.nextCursor;
		while (cursor) {
			const page: Awaited<ReturnType<typeof read>> = await read(cursor);
			rest.push(...page.items);
			cursor = page.nextCursor;
		}
		function read(from: string) {
			return call("products.list", { brand, sort: "title", limit: 10, cursor: from });
		}
		expect([...first.items, ...rest].map(({ id }) => id)).toEqual([...before.map(({ id }) => id), late.id]);
	});

	it("are narrowed by words, brand and price, and counted when asked", async () => {
		const page = await call("products.list", { brand, priceMin: 100, priceMax: 200, count: true, limit: 3 });
		expect(page.total).toBeGreaterThanOrEqual(10);
		expect(page.items).toHaveLength(3);
		expect((await all({ q: "PAGER 7" })).map(({ title }) => title)).toEqual(["h pager 7"]);
		expect(await all({ q: "pager nothing" })).toEqual([]);
		expect(await all({ q: "!!!" })).toEqual([]);
	});

	it("refuse a cursor that is not theirs, a sort nobody offers and a page of 101", async () => {
		const { nextCursor } = await call("products.list", { sort: "price", limit: 1 });
		const odd = [
			{ sort: "title", cursor: nextCursor ?? "" },
			{ cursor: "garbage" },
			{ cursor: Buffer.from('["-createdAt",8e99,"x"]').toString("base64url") },
			{ sort: "minPrice" },
			{ limit: 101 },
			{ limit: 0 },
		];
		for (const filters of odd) {
			expect([filters, await typeOf(call("products.list", filters))]).toEqual([filters, "VALIDATION_ERROR"]);
		}
	});
});

describe("Categories", () => {
	const add = (slug: string, parent?: string) =>
		call("products.createCategory", { slug, title: slug.toUpperCase(), ...(parent ? { parent } : {}) }, MANAGER);

	it("make a tree in which a category lists the products of those below it, also after a move", async () => {
		await add("home");
		await add("lamps", "home");
		await add("desk-lamps", "lamps");
		await add("office");
		const { id } = await create({ categories: ["desk-lamps"] });
		expect((await all({ category: "home" })).map(product => product.id)).toEqual([id]);
		expect((await call("products.getCategory", { slug: "desk-lamps" })).path.map(({ slug }) => slug)).toEqual([
			"home",
			"lamps",
			"desk-lamps",
		]);
		await call("products.updateCategory", { slug: "lamps", parent: "office" }, MANAGER);
		expect(await all({ category: "home" })).toEqual([]);
		expect((await all({ category: "office" })).map(product => product.id)).toEqual([id]);
		const { items } = await call("products.listCategories");
		expect(items.map(({ slug }) => slug)).toEqual(["home", "office"]);
		expect(items[1]?.children[0]?.children[0]?.slug).toBe("desk-lamps");
	});

	it("keep products where the newest tree has them, whatever a mover that was held up with an older one does", async () => {
		const service = node.broker.getLocalService("products") as unknown as ProductsVars;
		const { products, models } = service;
		await add("fence-leaf");
		const { id } = await create({ categories: ["fence-leaf"] });
		const stored = () => models.products.findById(id, { path: 1, version: 1 }).lean();
		await products.repath("fence-leaf", () => ["fence-leaf", "new"], 1_000);
		const moved = await stored();
		expect(moved?.path).toEqual(["fence-leaf", "new"]);
		await products.repath("fence-leaf", () => ["fence-leaf", "old"], 999);
		expect(await stored()).toEqual(moved);
		await products.repath("fence-leaf", () => ["fence-leaf", "newer"], 1_001);
		expect((await stored())?.path).toEqual(["fence-leaf", "newer"]);
	});

	it("never form a circle, even when two moves that would make one race", async () => {
		for (let round = 0; round < 5; round++) {
			const [a, b] = [`a-${round}`, `b-${round}`];
			await add(a);
			await add(b);
			const answers = await Promise.all([
				typeOf(call("products.updateCategory", { slug: a, parent: b }, MANAGER)),
				typeOf(call("products.updateCategory", { slug: b, parent: a }, MANAGER)),
			]);
			expect(answers.sort()).toEqual(["CONFLICT", "done"]);
		}
	});

	it("have slugs of their own and cannot go while something hangs on them", async () => {
		expect(await typeOf(add("home"))).toBe("CONFLICT");
		expect(await typeOf(add("orphan", "no-such"))).toBe("VALIDATION_ERROR");
		const remove = (slug: string) => typeOf(call("products.removeCategory", { slug }, MANAGER));
		expect(await remove("lamps")).toBe("CONFLICT");
		expect(await remove("desk-lamps")).toBe("CONFLICT");
		expect(await remove("home")).toBe("done");
		expect(await remove("home")).toBe("NOT_FOUND");
	});
});
