import type { CategoryTree } from "../../services/products/products.contract.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { until } from "../support/until.ts";

const MANAGER = { meta: { user: { id: "usr_manager", sessionId: "ses_1", roles: ["manager" as const] } } };

describe("The demo catalogue", () => {
	let database: TestNode;
	const nodes: TestNode[] = [];
	const start = async () => {
		const env = { DEMO_DATA: "1", MONGODB_URI: database.mongodbUri };
		const node = await startTestNode({ services: ["products", "inventory"], env });
		nodes.push(node);
		return node;
	};

	beforeAll(async () => {
		database = await startTestNode({ services: ["inventory"] });
	}, 60_000);
	afterAll(async () => {
		for (const node of [...nodes, database]) await node?.stop();
	}, 60_000);

	const total = async ({ broker }: TestNode) => (await broker.call("products.list", { count: true })).total ?? 0;

	it("fills an empty shop once, though two nodes start at the same time", async () => {
		const [node] = await Promise.all([start(), start()]);
		const products = await total(node);
		expect(products).toBeGreaterThanOrEqual(60);
		const { items } = await node.broker.call("products.listCategories");
		const leaves = (tree: CategoryTree[]): string[] =>
			tree.flatMap(({ slug, children }) => (children.length > 0 ? leaves(children) : [slug]));
		expect(leaves(items).length).toBeGreaterThanOrEqual(12);
		for (const category of leaves(items)) {
			expect([category, (await node.broker.call("products.list", { category })).items.length]).toEqual([
				category,
				expect.any(Number),
			]);
		}
		await until("the stock", async () => {
			const { total: inStock = 0 } = await node.broker.call("products.list", { inStock: true, count: true });
			return inStock >= products - 5;
		});
		const skillet = await node.broker.call("products.get", { idOrSlug: "cast-iron-skillet" });
		expect(skillet.variants).toHaveLength(3);
		const stock = await node.broker.call("inventory.get", { sku: skillet.variants[0]?.sku ?? "" }, MANAGER);
		expect(stock.totals).toMatchObject({ available: 34, received: 34 });
	});

	it("is there once after another start", async () => {
		const before = await total(nodes[0] as TestNode);
		const third = await start();
		expect(await total(third)).toBe(before);
	});

	it.each([
		["CHF", 1],
		["JPY", 1],
		["KWD", 10],
	])("is priced in %s when the shop is, so that its lists by price are full", async (currency, times) => {
		const [euros] = (await (nodes[0] as TestNode).broker.call("products.get", { idOrSlug: "cast-iron-skillet" }))
			.variants;
		const env = { DEMO_DATA: "1", SHOP_CURRENCY: currency, MONGODB_URI: "" };
		const node = await startTestNode({ services: ["products"], env });
		nodes.push(node);
		const [variant] = (await node.broker.call("products.get", { idOrSlug: "cast-iron-skillet" })).variants;
		expect(variant?.price).toEqual({ amount: (euros?.price.amount ?? 0) * times, currency });
		const byPrice = await node.broker.call("products.list", { sort: "price", count: true });
		expect(byPrice.total).toBe(await total(node));
	});
});
