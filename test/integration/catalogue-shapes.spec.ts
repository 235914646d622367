import { Client, type Json } from "../support/client.ts";
import { rawRequest } from "../support/gateway.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { ADMIN, adminToken, eur } from "../support/shop.ts";
import { until } from "../support/until.ts";

/** What real catalogues hold: codes, names and titles in any script, the same through the API and through a file. */
let node: TestNode;
let client: Client;
let token: string;

beforeAll(async () => {
	node = await startTestNode({ env: { STOA_ADMIN_EMAIL: ADMIN.email, STOA_ADMIN_PASSWORD: ADMIN.password } });
	client = new Client(node.broker.stoa.publicUrl);
	token = await adminToken(client);
}, 60_000);
afterAll(() => node?.stop(), 60_000);

async function imported(lines: string, stock = 0): Promise<Json> {
	const { status, body } = await client.request("POST", `/admin/products/import?stock=${stock}`, {
		body: lines,
		token,
		headers: { "content-type": "application/x-ndjson" },
	});
	expect(status).toBe(202);
	return until("the end of the import", async () => {
		const job = (await client.get(`/admin/jobs/${body.jobId}`, { token })).body;
		return job.status !== "running" && job;
	});
}

describe("A SKU of any shape", () => {
	const SKUS = [
		"4759/104/OS",
		"AB 12 XS",
		"S&M.10",
		"Ķ5А",
		"AB#12(3)",
		"_100",
		"$100",
		"50%",
		"a@b",
		"靴+25",
		"ab 12 xs",
	];

	it("comes by a file, is stocked, sold and found by its encoded path, and is nobody else's", async () => {
		const rows = SKUS.map((sku, i) => JSON.stringify({ sku, title: `Shape ${i}`, price: eur(100 + i) }));
		expect(await imported(rows.join("\n"), 5)).toMatchObject({ created: SKUS.length, failed: 0 });
		const cart = (await client.post("/carts", { currency: "EUR", lines: [] })).body;
		for (const [i, sku] of SKUS.entries()) {
			const path = encodeURIComponent(sku);
			const stock = await client.get(`/admin/inventory/${path}`, { token });
			expect([sku, stock.status, stock.body.sku, stock.body.totals?.available]).toEqual([sku, 200, sku, 5]);
			const put = await client.post(`/carts/${cart.id}/lines`, { sku, quantity: i + 1 });
			expect([sku, put.status < 300]).toEqual([sku, true]);
			expect(put.body.lines.at(-1)).toMatchObject({ sku, quantity: i + 1, unitPrice: eur(100 + i) });
		}
		const { body } = await client.get(`/carts/${cart.id}`);
		expect(body.lines.map((line: Json) => line.sku)).toEqual(SKUS);
		const more = await client.post(`/carts/${cart.id}/lines`, { sku: "$100", quantity: 1 });
		expect(more.body.lines.filter((line: Json) => line.sku === "$100")).toMatchObject([{ quantity: 8 }]);
	});

	it("tells its product whether it is in stock", async () => {
		const receipt = { quantity: 3, reason: "opening" };
		const input = { title: "Dollar", status: "published", variants: [{ sku: "$version", price: eur(1) }] };
		const made = await client.post("/admin/products", input, { token });
		expect((await client.post("/admin/inventory/%24version/receipts", receipt, { token })).status).toBeLessThan(300);
		await until("the level", async () => {
			const { body } = await client.get(`/products/${made.body.id}`);
			return body.variants[0].available !== "out_of_stock";
		});
	});
});

it("Attributes and codes are the same by each door", async () => {
	const attributes = { "size.eu": 42, "Größe (cm)": ["S", "M"], tested: [true, 5, "x"], dots: "a.b" };
	const told = { mpn: "M/1", ean: ["4006381333931"], releasedAt: "2024-02-29", brand: "B" };
	const row = { sku: "DOOR-1", title: "By file", price: eur(5), attributes, ...told, ean: "4006381333931" };
	expect(await imported(JSON.stringify(row))).toMatchObject({ created: 1, failed: 0 });
	const filed = (await client.get("/admin/products?q=DOOR-1", { token })).body.items[0];
	expect(filed).toMatchObject({ attributes, ...told });
	const variants = [{ sku: "DOOR-2", price: eur(5) }];
	const made = await client.post("/admin/products", { title: "By hand", variants, attributes, ...told }, { token });
	expect(made).toMatchObject({ status: 201, body: { attributes, ...told } });
	// What one door let in goes through the other again.
	const again = await client.patch(`/admin/products/${filed.id}`, { attributes, ean: "4006381333931" }, { token });
	expect(again).toMatchObject({ status: 200, body: { attributes, ean: ["4006381333931"] } });
	const number = {
		token,
		body: `{"attributes":{"id":12345678901234567890}}`,
		headers: { "content-type": "application/json" },
	};
	expect((await client.request("PATCH", `/admin/products/${filed.id}`, number)).status).toBe(422);
});

describe("A slug", () => {
	const create = async (title: string, sku: string): Promise<Json> =>
		(
			await client.post(
				"/admin/products",
				{ title, status: "published", variants: [{ sku, price: eur(1) }] },
				{ token },
			)
		).body;

	it("is made of any script, is found encoded, and is never a word for nothing", async () => {
		for (const [title, slug] of [
			["Київ", "київ"],
			["東京 靴", "東京-靴"],
			["Þór & Œuvre", "thor-oeuvre"],
		] as const) {
			const made = await create(title, `SLUG-${title}`);
			expect(made["slug"]).toBe(slug);
			expect((await client.get(`/products/${encodeURIComponent(slug)}`)).body).toMatchObject({ id: made["id"], title });
			expect((await client.get(`/products?q=${encodeURIComponent(title.toUpperCase())}`)).body.items).toMatchObject([
				{ id: made["id"] },
			]);
		}
		const [one, two] = [await create("!!!", "?!"), await create("!!!", "!?")];
		expect(one["slug"]).toBe(one["id"].slice(-10).toLowerCase());
		expect(two["slug"]).not.toBe(one["slug"]);
	});

	it("that a product had leads to where it is now, until another product takes it", async () => {
		const { id } = await create("Moving lamp", "MOVE-1");
		for (const slug of ["second", "straße-3"])
			expect((await client.patch(`/admin/products/${id}`, { slug }, { token })).status).toBe(200);
		for (const old of ["moving-lamp", "second"]) {
			const answer = await rawRequest(`${client.url}/api/v1/products/${old}`, {});
			expect([answer.status, answer.headers["location"]]).toEqual([
				301,
				`/api/v1/products/${encodeURIComponent("straße-3")}`,
			]);
		}
		// A client that follows finds it.
		expect((await client.get("/products/second")).body).toMatchObject({ id, slug: "straße-3" });
		const taken = await create("Second", "MOVE-2");
		expect((await client.get("/products/second")).body).toMatchObject({ id: taken["id"] });
		await client.patch(`/admin/products/${id}`, { slug: "moving-lamp" }, { token });
		expect((await client.get("/products/moving-lamp")).body).toMatchObject({ id, slug: "moving-lamp" });
		await client.request("DELETE", `/admin/products/${id}`, { token });
		expect((await client.get(`/products/${encodeURIComponent("straße-3")}`)).status).toBe(404);
	});
});
