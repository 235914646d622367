import type { AdminProduct } from "../../services/products/products.contract.ts";
import type { ProductsVars } from "../../services/products/products.types.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { eur } from "../support/shop.ts";
import { until } from "../support/until.ts";

const MANAGER = { meta: { user: { id: "usr_manager", sessionId: "ses_1", roles: ["manager" as const] } } };

/** A version is what an editor decided on: only edits raise it. */
let node: TestNode;
let next = 0;
beforeAll(async () => {
	node = await startTestNode({ services: ["products", "inventory", "users"] });
}, 60_000);
afterAll(() => node?.stop(), 60_000);

const call: TestNode["broker"]["call"] = (...args) => node.broker.call(...args);
const ifMatch = (version: number) => ({ meta: { ...MANAGER.meta, ifMatch: version } });
const read = (id: string): Promise<AdminProduct> => call("products.adminGet", { id }, MANAGER);
const models = () => (node.broker.getLocalService("products") as unknown as ProductsVars).models;

async function create(): Promise<AdminProduct> {
	const sku = `VER-${++next}`;
	const variants = [{ sku, price: eur(100) }];
	return call("products.create", { title: `Versioned ${sku}`, status: "published", brand: "B", variants }, MANAGER);
}

const stocked = async ({ id, variants }: AdminProduct, level: string) => {
	const sku = variants[0]?.sku ?? "";
	await call("inventory.receive", { sku, quantity: 100, reason: "opening" }, MANAGER);
	await until("the level", async () => (await read(id)).variants[0]?.available === level);
};

describe("What is not an edit is not a version", () => {
	it("so an editor may save although somebody bought meanwhile", async () => {
		const seen = await create();
		await stocked(seen, "in_stock");
		expect((await read(seen.id)).version).toBe(seen.version);
		const saved = await call("products.update", { id: seen.id, title: "Saved" }, ifMatch(seen.version));
		expect(saved).toMatchObject({ title: "Saved", version: 2, variants: [{ available: "in_stock" }] });
		expect(saved.variants[0]).not.toHaveProperty("compareAtPrice");
		const stored = await models().products.findById(seen.id).lean();
		expect(stored?.variants[0]).not.toHaveProperty("compareAtPrice");
	});

	it("and no edit writes over a level that came after it was read", async () => {
		const { products } = node.broker.getLocalService("products") as unknown as ProductsVars;
		const { id, variants } = await create();
		const sku = variants[0]?.sku ?? "";
		const old = await products.find({ _id: id });
		if (!old) throw new Error("The product is gone");
		expect(await products.setLevels([{ sku, level: "low_stock", sequence: 5 }])).toBe(true);
		const event = { _id: "evt_x" } as never;
		expect(await products.replace(old, { title: "Late" } as never, new Date(), event)).toBe(false);
		expect(await read(id)).toMatchObject({ version: 1, variants: [{ available: "low_stock" }] });
		const edits = Array.from({ length: 5 }, (_, i) => call("products.update", { id, title: `T${i}` }, MANAGER));
		const levels = [6, 7, 8].map(sequence => products.setLevels([{ sku, level: "in_stock", sequence }]));
		await Promise.all([...edits, ...levels]);
		expect(await read(id)).toMatchObject({ version: 6, variants: [{ available: "in_stock" }] });
	});

	it("nor is a change to what is there already: it is no event either, and an event names what changed", async () => {
		const { products } = node.broker.getLocalService("products") as unknown as ProductsVars;
		const events: unknown[] = [];
		const replace = products.replace.bind(products);
		products.replace = (seen, next, now, event) => {
			events.push(event.data);
			return replace(seen, next, now, event);
		};
		const { id, title, variants } = await create();
		const variantId = variants[0]?.id ?? "";
		for (const same of [{ title }, { brand: "B", title, images: [] }, {}])
			expect(await call("products.update", { id, ...same }, ifMatch(1))).toMatchObject({ version: 1 });
		expect(await call("products.updateVariant", { id, variantId, price: eur(100) }, MANAGER)).toMatchObject({
			version: 1,
		});
		expect(await call("products.update", { id, title, brand: "C" }, MANAGER)).toMatchObject({ version: 2 });
		expect(events).toEqual([{ productId: id, changed: ["brand"] }]);
		products.replace = replace;
	});

	it("in categories and profiles, too", async () => {
		await call("products.createCategory", { slug: "versions", title: "Versions" }, MANAGER);
		const same = { slug: "versions", title: "Versions", parent: null };
		expect(await call("products.updateCategory", same, ifMatch(1))).toMatchObject({ version: 1 });
		expect(await call("products.updateCategory", { ...same, title: "V" }, MANAGER)).toMatchObject({ version: 2 });
		await call("users.create", { id: "usr_manager", email: "m@shop.test", name: "M" });
		expect(await call("users.updateMe", { name: "M", locale: "en" }, ifMatch(1))).toMatchObject({ version: 1 });
		expect(await call("users.updateMe", { name: "N" }, ifMatch(1))).toMatchObject({ version: 2 });
	});
});
