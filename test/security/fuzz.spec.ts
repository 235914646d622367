import { Client } from "../support/client.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { exampleOf, type Operation, operationsOf } from "../support/operations.ts";
import { ADMIN, adminToken, cartWith, checkoutBody, stockProduct } from "../support/shop.ts";

/** What clients send by mistake, and on purpose. */
const VALUES: readonly unknown[] = [
	"",
	" ",
	"\u0000",
	"a\u0000b",
	"\ud800",
	"x".repeat(16_000),
	" ".repeat(16_000),
	"__proto__",
	"constructor",
	"$where",
	"../../etc/passwd",
	"9999-99-99T99:99:99Z",
	"%E0%A4%A",
	"＠，a@b.test",
	"👩‍👩‍👧‍👦 \u202e\u0301",
	'"',
	"(((((a+)+)+)+)+$",
	"null",
	"NaN",
	"-0",
	"1e999",
	-1,
	0,
	1.5,
	2 ** 53,
	1e308,
	null,
	true,
	[],
	[null],
	[[[]]],
	{},
	{ $gt: "" },
	{ amount: -1, currency: "XXX" },
	{ amount: 1e15, currency: "EUR" },
];
/** A hash of a password costs a tenth of a second: these routes get fewer values. */
const DEAR = /\/auth\//;

describe("Whatever stands in a field", () => {
	let node: TestNode;
	let client: Client;
	let token: string;
	let ids: Record<string, string>;
	let operations: Operation[];

	beforeAll(async () => {
		const env = { STOA_ADMIN_EMAIL: ADMIN.email, STOA_ADMIN_PASSWORD: ADMIN.password };
		node = await startTestNode({ env });
		client = new Client(node.broker.stoa.publicUrl);
		token = await adminToken(client);
		const goods = await stockProduct(client, token, { sku: "LAMP", stock: 500 });
		const bought = await cartWith(client, "LAMP");
		const order = await client.post(`/carts/${bought.id}/checkout`, checkoutBody(bought), { key: "order-of-the-test" });
		const cart = await cartWith(client, "LAMP");
		ids = {
			carts: cart.id,
			lines: cart.lines[0].id,
			orders: order.body.id,
			products: goods.productId,
			inventory: goods.sku,
			categories: "lamps",
			webhooks: "test",
		};
		operations = operationsOf((await client.get("/openapi.json")).body);
	}, 60_000);
	afterAll(() => node?.stop(), 60_000);

	/** The path with ids that exist, so that a request gets as far as it can. */
	const at = (path: string, changes: Record<string, string> = {}): string => {
		const words = path.split("/");
		return words
			.map((word, i) => {
				if (!word.startsWith("{")) return word;
				const name = word.slice(1, -1);
				return encodeURIComponent(changes[name] ?? ids[words[i - 1] ?? ""] ?? "nobody");
			})
			.join("/");
	};
	const send = async ({ method }: Operation, path: string, body: unknown) => {
		const options = { token, key: `fuzz-${Math.random()}`, ...(body === undefined ? {} : { body }) };
		return (await client.request(method.toUpperCase(), `/${path}`, options)).status;
	};

	it("is never answered with a 500", async () => {
		expect(operations.length).toBeGreaterThan(40);
		const failures: string[] = [];
		for (const operation of operations) {
			const values = DEAR.test(operation.path) ? VALUES.slice(0, 8) : VALUES;
			const full = exampleOf(operation.body);
			const look = async (what: string, path: string, body: unknown) => {
				const status = await send(operation, path, body);
				if (status === 500) failures.push(`${operation.method} ${operation.path} ${what}`);
			};
			for (const [n, value] of values.entries()) {
				const text = typeof value === "string" ? value.slice(0, 8_000).toWellFormed() : JSON.stringify(value);
				for (const name of operation.inPath)
					await look(`path ${name} ${n}`, at(operation.path, { [name]: text || "%" }), full);
				for (const name of operation.inQuery)
					await look(`query ${name} ${n}`, `${at(operation.path)}?${name}=${encodeURIComponent(text)}`, undefined);
				for (const name of Object.keys(full ?? {})) {
					await look(`field ${name} ${n}`, at(operation.path), { ...full, [name]: value });
					const inner = full?.[name];
					if (typeof inner !== "object" || inner === null || Array.isArray(inner)) continue;
					for (const key of Object.keys(inner))
						await look(`field ${name}.${key} ${n}`, at(operation.path), {
							...full,
							[name]: { ...inner, [key]: value },
						});
				}
			}
		}
		expect(failures).toEqual([]);
		expect((await node.broker.stoa.metrics.page()).body).not.toMatch(/^stoa_unhandled_errors_total\{.*\} /m);
	}, 600_000);
});
