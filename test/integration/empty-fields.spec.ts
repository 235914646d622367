import { Client, type Json } from "../support/client.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { ADMIN, adminToken, cartWith, checkoutBody, eur, stockProduct } from "../support/shop.ts";

/** What forms and exports send where there is nothing. */
let node: TestNode;
let client: Client;
let token: string;

beforeAll(async () => {
	node = await startTestNode({ env: { STOA_ADMIN_EMAIL: ADMIN.email, STOA_ADMIN_PASSWORD: ADMIN.password } });
	client = new Client(node.broker.stoa.publicUrl);
	token = await adminToken(client);
	await stockProduct(client, token, { sku: "FORM-1", stock: 50 });
}, 60_000);
afterAll(() => node?.stop(), 60_000);

describe("An empty text", () => {
	it("in a query is a filter that nobody set", async () => {
		const { total } = (await client.get("/products?count=true")).body;
		expect(total).toBeGreaterThan(0);
		const empty = "q=&brand=&category=&priceMin=&priceMax=&inStock=&sort=&cursor=&limit=&currency=%20";
		expect((await client.get(`/products?count=true&${empty}`)).body.total).toBe(total);
		expect((await client.get("/products?priceMax=0&count=true")).body.total).toBe(0);
		expect((await client.get("/products?nonsense=")).status).toBe(422);
		expect((await client.get("/products?q=&q=x")).status).toBe(422);
	});

	it("in a body is a field that nobody filled in, and takes away what a change may", async () => {
		const variants = [{ sku: "FORM-2", price: eur(5), title: "", compareAtPrice: "", options: "" }];
		const filled = { brand: "B", description: "D", mpn: "M", releasedAt: "2024-02-29" };
		const empty = { brand: "", description: "", mpn: "", releasedAt: "" };
		const gone = { brand: null, description: "", mpn: null, releasedAt: null };
		const made = await client.post("/admin/products", { title: "Form", slug: "", ...empty, variants }, { token });
		expect(made).toMatchObject({ status: 201, body: { slug: "form", ...gone } });
		const path = `/admin/products/${made.body.id}`;
		expect((await client.patch(path, filled, { token })).body).toMatchObject(filled);
		expect((await client.patch(path, { ...empty, slug: "" }, { token })).body).toMatchObject({ slug: "form", ...gone });
		expect((await client.post("/admin/products", { title: "", variants }, { token })).status).toBe(422);
	});
});

describe("A checkout's address", () => {
	const base: Json = { name: "Buyer", line1: "1 Example St", city: "Town" };
	const place = async (address: Json) => {
		const cart = await cartWith(client, "FORM-1");
		const body = { ...checkoutBody(cart), shippingAddress: { ...base, ...address } };
		return client.post(`/carts/${cart.id}/checkout`, body, { key: `key-${cart.id}` });
	};

	it.each([
		[{ country: "HK" }],
		[{ country: "QA", postalCode: "" }],
		[{ country: "DE", postalCode: "10115", line2: "", company: "", phone: "", region: "" }],
	])("%j is taken, without what is empty, and is written as its country has it", async address => {
		const { status, body } = await place(address);
		expect([status, body.shippingAddress]).toEqual([
			201,
			{ ...base, ...Object.fromEntries(Object.entries(address).filter(([, text]) => text !== "")) },
		]);
		expect(body.shippingLabel).toEqual(
			address.country === "DE"
				? ["Buyer", "1 Example St", "10115 Town", "GERMANY"]
				: ["Buyer", "1 Example St", "Town", address.country === "HK" ? "HONG KONG SAR CHINA" : "QATAR"],
		);
	});

	it.each([
		[{ country: "UK", postalCode: "1" }, "shippingAddress.country"],
		[{ country: "ZZ", postalCode: "1" }, "shippingAddress.country"],
		[{ country: "", postalCode: "1" }, "shippingAddress.country"],
		[{ country: "DE" }, "shippingAddress.postalCode"],
		[{ country: "GB", postalCode: "" }, "shippingAddress.postalCode"],
	])("%j is refused in %s", async (address, field) => {
		const { status, body } = await place(address);
		expect([status, body.errors[0].field]).toEqual([422, field]);
	});
});
