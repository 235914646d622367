import { type CartDocument, MAX_APPLIED } from "../../services/carts/carts.model.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { eur } from "../support/shop.ts";

const STAFF = { user: { id: "usr_staff", sessionId: "ses_staff", roles: ["admin" as const] } };
const DAY_MS = 86_400_000;

/** A key's effect stands in the cart itself, so that a repeat after a crash adds nothing. */
describe("The keys of a cart", () => {
	let node: TestNode;

	beforeAll(async () => {
		node = await startTestNode({ services: ["products", "carts"] });
		await node.broker.call(
			"products.create",
			{ title: "Thing", status: "published", variants: [{ sku: "K-1", price: eur(100) }] },
			{ meta: STAFF },
		);
	}, 30_000);
	afterAll(() => node?.stop());

	const carts = () => node.broker.stoa.database.of("carts").collection<CartDocument>("carts");
	const add = (id: string, key: string) =>
		node.broker.call("carts.addLine", { id, sku: "K-1", quantity: 1 }, { meta: { idempotencyKey: key } });
	/** As the process of every command leaves its record that dies between its effect and its outcome. */
	const forgetOutcomes = () =>
		node.broker.stoa.database
			.of("carts")
			.collection("commands")
			.updateMany({}, { $set: { outcome: null, leaseUntil: new Date(0) } });

	it("are remembered for a day, whatever their number, and add once", async () => {
		const { id } = await node.broker.call("carts.create", {});
		for (let i = 0; i < 60; i++) await add(id, `key-${i}`);
		await forgetOutcomes();
		for (const i of [0, 1, 30, 59]) expect((await add(id, `key-${i}`)).lines[0]?.quantity).toBe(60);
		expect((await carts().findOne({ _id: id }))?.applied).toHaveLength(60);
	}, 30_000);

	it("go after a day, and only then", async () => {
		const { id } = await node.broker.call("carts.create", {});
		await add(id, "old");
		await add(id, "young");
		const at = (i: number, ms: number) =>
			carts().updateOne({ _id: id }, { $set: { [`applied.${i}.at`]: new Date(Date.now() - ms) } });
		await at(0, DAY_MS + 60_000);
		await at(1, DAY_MS - 60_000);
		const [, young] = (await carts().findOne({ _id: id }))?.applied ?? [];
		await add(id, "new");
		expect((await carts().findOne({ _id: id }))?.applied.map(({ seed }) => seed)).toEqual([
			young?.seed,
			expect.any(String),
		]);
	});

	it("are refused, not forgotten, beyond what a cart can keep", async () => {
		const { id } = await node.broker.call("carts.create", {});
		await add(id, "first");
		const applied = Array.from({ length: MAX_APPLIED - 1 }, (_, i) => ({ seed: `seed-${i}`, at: new Date() }));
		await carts().updateOne({ _id: id }, { $push: { applied: { $each: applied } } });
		await expect(add(id, "one too many")).rejects.toMatchObject({ type: "RATE_LIMITED" });
		await forgetOutcomes();
		expect((await add(id, "first")).lines[0]?.quantity).toBe(1);
		// Without a key the cart changes as ever.
		const changed = await node.broker.call("carts.addLine", { id, sku: "K-1", quantity: 1 });
		expect(changed.lines[0]?.quantity).toBe(2);
		await carts().updateOne({ _id: id }, { $set: { "applied.0.at": new Date(Date.now() - DAY_MS - 1_000) } });
		expect((await add(id, "one too many")).lines[0]?.quantity).toBe(3);
	});

	it("that were told 'not now' by a checkout under way work afterwards", async () => {
		const { id } = await node.broker.call("carts.create", { lines: [{ sku: "K-1", quantity: 1 }] });
		const orderId = "ord_00000000000000000000000001";
		await node.broker.call("carts.claim", { id, orderId, keyHash: "another" });
		await expect(add(id, "waits")).rejects.toMatchObject({ type: "CART_NOT_OPEN" });
		await node.broker.call("carts.free", { id, orderId });
		expect((await add(id, "waits")).lines[0]?.quantity).toBe(2);
	});
});
