import type { Cart } from "../../services/carts/carts.contract.ts";
import { startTestNode, type TestNode } from "../support/node.ts";

const SERVICES = ["products", "inventory", "carts", "orders", "payments", "test-payments"];
const STAFF = { meta: { user: { id: "usr_manager", sessionId: "ses_1", roles: ["manager" as const] } } };
const ADMIN = { meta: { user: { id: "usr_admin", sessionId: "ses_a", roles: ["admin" as const] } } };
const money = (amount: number, currency = "CHF") => ({ amount, currency });
const ADDRESS = { name: "Ada", line1: "1 Main St", city: "Paris", postalCode: "75001", country: "FR" };

let node: TestNode;
let next = 0;

beforeAll(async () => {
	node = await startTestNode({ services: SERVICES, env: { SHOP_CURRENCY: "CHF", PUBLIC_URL: "http://127.0.0.1:9" } });
}, 60_000);
afterAll(() => node?.stop(), 60_000);

const call: TestNode["broker"]["call"] = (...args) => node.broker.call(...args);

async function goods(price = money(500)) {
	const sku = `CC-${++next}`;
	const made = await call(
		"products.create",
		{ title: `Thing ${sku}`, status: "published", variants: [{ sku, price }] },
		STAFF,
	);
	await call("inventory.receive", { sku, quantity: 10_000, reason: "opening" }, STAFF);
	const variantId = made.variants[0]?.id ?? "";
	return {
		sku,
		reprice: (to: { amount: number; currency: string }) =>
			call("products.updateVariant", { id: made.id, variantId, price: to }, STAFF),
		withdraw: () => call("products.update", { id: made.id, status: "draft" }, STAFF),
	};
}
const cartOf = (...skus: string[]) => call("carts.create", { lines: skus.map(sku => ({ sku, quantity: 2 })) });
const read = (cart: Cart) => call("carts.get", { id: cart.id });
const problems = async (cart: Cart) => (await read(cart)).lines.map(({ sku, problem }) => [sku, problem]);
const lineOf = (cart: Cart, sku: string) => cart.lines.find(line => line.sku === sku)?.id ?? "";
const place = (cart: Cart, expectedTotal = cart.totals.total) =>
	call(
		"orders.place",
		{
			id: cart.id,
			email: "ada@shop.test",
			shippingAddress: ADDRESS,
			payment: { method: "test", token: "tok_ok" },
			expectedTotal,
		},
		{ meta: { idempotencyKey: `key-${++next}` } },
	);

describe("A cart", () => {
	it("is in the shop's currency unless it says otherwise, and takes no price in another one", async () => {
		const [francs, yen] = [await goods(), await goods(money(900, "JPY"))];
		expect(await cartOf(francs.sku)).toMatchObject({ currency: "CHF", totals: { total: money(1_000) } });
		const refused = { type: "CONFLICT", data: { errors: [{ field: yen.sku, code: "currency" }] } };
		await expect(cartOf(yen.sku)).rejects.toMatchObject(refused);
		const cart = await cartOf(francs.sku);
		await expect(call("carts.addLine", { id: cart.id, sku: yen.sku, quantity: 1 })).rejects.toMatchObject(refused);
		const other = await call("carts.create", { currency: "JPY", lines: [{ sku: yen.sku, quantity: 3 }] });
		expect(other.totals.total).toEqual(money(2_700, "JPY"));
		expect((await place(other)).payment.amount).toEqual(money(2_700, "JPY"));
		for (const currency of ["XAU", "HRK", "chf"])
			await expect(call("carts.create", { currency })).rejects.toMatchObject({ type: "VALIDATION_ERROR" });
	});

	it("says of each line what is wrong with it, on every answer", async () => {
		const [kept, dearer, gone, moved] = [await goods(), await goods(), await goods(), await goods()];
		const cart = await cartOf(kept.sku, dearer.sku, gone.sku, moved.sku);
		expect((await problems(cart)).every(([, problem]) => problem === undefined)).toBe(true);
		await dearer.reprice(money(600));
		await gone.withdraw();
		await moved.reprice(money(400, "JPY"));
		const expected = [
			[kept.sku, undefined],
			[dearer.sku, "price_changed"],
			[gone.sku, "withdrawn"],
			[moved.sku, "price_changed"],
		];
		expect(await problems(cart)).toEqual(expected);
		const answer = await call("carts.addLine", { id: cart.id, sku: kept.sku, quantity: 1 });
		expect(answer.lines.map(({ sku, problem }) => [sku, problem])).toEqual(expected);
		// What it adds up is still what it showed, all in its own currency.
		expect(answer.totals.total).toEqual(money(9 * 500));
	});

	it("takes the price of now when its line is changed or added to", async () => {
		const { sku, reprice } = await goods();
		const cart = await cartOf(sku);
		await reprice(money(700));
		const changed = await call("carts.updateLine", { id: cart.id, lineId: lineOf(cart, sku), quantity: 3 });
		expect(changed).toMatchObject({ lines: [{ unitPrice: money(700) }], totals: { total: money(2_100) } });
		expect(changed.lines[0]).not.toHaveProperty("problem");
		await reprice(money(800));
		const added = await call("carts.addLine", { id: cart.id, sku, quantity: 1 });
		expect(added).toMatchObject({ lines: [{ quantity: 4, unitPrice: money(800) }], totals: { total: money(3_200) } });
		expect((await place(added)).totals.total).toEqual(money(3_200));
	});

	it("whose line is priced in another currency now is refused by name, keeps its own, and sells without it", async () => {
		const [moved, dearer] = [await goods(), await goods()];
		const cart = await cartOf(moved.sku, dearer.sku);
		await moved.reprice(money(500, "JPY"));
		await dearer.reprice(money(600));
		const error = await place(cart).catch(problem => problem);
		expect(error).toMatchObject({ type: "PRICE_CHANGED", code: 409 });
		expect(error.data.errors).toEqual([
			expect.objectContaining({ field: moved.sku, code: "currency" }),
			expect.objectContaining({ field: dearer.sku, code: "price_changed" }),
		]);
		expect(error.data.details.lines).toEqual([
			{ lineId: lineOf(cart, moved.sku), sku: moved.sku, old: money(500), new: money(500, "JPY") },
			{ lineId: lineOf(cart, dearer.sku), sku: dearer.sku, old: money(500), new: money(600) },
		]);
		const after = await read(cart);
		expect(after.lines.map(({ unitPrice }) => unitPrice)).toEqual([money(500), money(600)]);
		expect(after.totals.total).toEqual(money(2_200));
		expect(after.lines.map(({ problem }) => problem)).toEqual(["price_changed", undefined]);
		const lineId = lineOf(cart, moved.sku);
		await expect(call("carts.updateLine", { id: cart.id, lineId, quantity: 1 })).rejects.toMatchObject({
			type: "CONFLICT",
			data: { errors: [{ field: moved.sku, code: "currency" }] },
		});
		const healed = await call("carts.removeLine", { id: cart.id, lineId });
		expect((await place(healed)).totals.total).toEqual(money(1_200));
	});

	it("whose line was withdrawn is refused by name, and sells without it", async () => {
		const [gone, kept] = [await goods(), await goods()];
		const cart = await cartOf(gone.sku, kept.sku);
		await gone.withdraw();
		const withdrawn = { type: "CONFLICT", data: { errors: [{ field: gone.sku, code: "withdrawn" }] } };
		await expect(place(cart)).rejects.toMatchObject(withdrawn);
		expect((await read(cart)).status).toBe("open");
		const lineId = lineOf(cart, gone.sku);
		await expect(call("carts.updateLine", { id: cart.id, lineId, quantity: 1 })).rejects.toMatchObject(withdrawn);
		const healed = await call("carts.updateLine", { id: cart.id, lineId, quantity: 0 });
		expect((await place(healed)).totals.total).toEqual(money(1_000));
	});

	it("never gets a foreign price from the checkout that frees it", async () => {
		const { sku } = await goods();
		const cart = await cartOf(sku);
		const claim = { id: cart.id, orderId: "ord_foreign", keyHash: "foreign" };
		await call("carts.claim", claim);
		const prices = [{ sku, title: "Renamed", unitPrice: money(9, "JPY") }];
		await call("carts.free", { id: cart.id, orderId: claim.orderId, prices });
		expect(await read(cart)).toMatchObject({ currency: "CHF", lines: [{ unitPrice: money(500) }] });
	});

	it("is not opened with fewer pieces of a thing than were asked for", async () => {
		const { sku } = await goods(money(1_000));
		const twice = (quantity: number) => ({
			lines: [
				{ sku, quantity },
				{ sku, quantity },
			],
		});
		expect((await call("carts.create", twice(499))).lines.map(({ quantity }) => quantity)).toEqual([998]);
		await expect(call("carts.create", twice(500))).rejects.toMatchObject({ type: "VALIDATION_ERROR" });
	});

	it("holds no more than a number can add up exactly, at whatever price", async () => {
		const dear: string[] = [];
		for (let i = 0; i < 91; i++) dear.push((await goods(money(100_000_000_000))).sku);
		const full = dear.slice(0, 90).map(sku => ({ sku, quantity: 999 }));
		const cart = await call("carts.create", { lines: full });
		expect(cart.totals.total).toEqual(money(90 * 999 * 100_000_000_000));
		const more = { id: cart.id, sku: dear[90] ?? "", quantity: 999 };
		await expect(call("carts.addLine", more)).rejects.toMatchObject({ type: "VALIDATION_ERROR" });
		const lines = [...full, { sku: more.sku, quantity: 999 }];
		await expect(call("carts.create", { lines })).rejects.toMatchObject({ type: "VALIDATION_ERROR" });
		const one = await call("carts.addLine", { ...more, quantity: 1 });
		const lineId = lineOf(one, more.sku);
		await expect(call("carts.updateLine", { id: cart.id, lineId, quantity: 999 })).rejects.toMatchObject({
			type: "VALIDATION_ERROR",
		});
		expect((await read(cart)).totals.total.amount).toBe((90 * 999 + 1) * 100_000_000_000);
	});
});

describe("The test provider", () => {
	it("pays nothing back in another currency, however much less that is as a number", async () => {
		const of = { orderId: "ord_provider", amount: money(1_000) };
		const { chargeId } = await call("test-payments.authorize", { ...of, token: "tok_ok", idempotencyKey: "p-a" });
		const charge = { ...of, chargeId: chargeId ?? "" };
		await call("test-payments.capture", { ...charge, idempotencyKey: "p-c" });
		const refund = (amount: { amount: number; currency: string }) =>
			call("test-payments.refund", { ...charge, amount, idempotencyKey: `r-${++next}` });
		await expect(refund(money(1, "JPY"))).rejects.toMatchObject({ type: "CONFLICT" });
		await refund(money(400));
		const { items } = await call("test-payments.ledger", { orderId: of.orderId });
		expect(items.filter(({ kind }) => kind === "refund").map(({ amount }) => amount)).toEqual([money(400)]);
	});
});

describe("A refund", () => {
	it("is in the currency that was paid", async () => {
		const { sku } = await goods();
		const { id } = await place(await cartOf(sku));
		const refund = { id, amount: money(1, "JPY"), reason: "gift" };
		const meta = { ...ADMIN.meta, idempotencyKey: "no" };
		await expect(call("orders.refund", refund, { meta })).rejects.toMatchObject({ type: "VALIDATION_ERROR" });
	});
});
