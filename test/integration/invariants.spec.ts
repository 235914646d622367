import { checkAcknowledged } from "../../invariants/acknowledged.ts";
import { checkInvariants } from "../../invariants/index.ts";
import { type At, CORRUPTIONS, type Record_ } from "../support/corruptions/index.ts";
import { makeWholeShop, type WholeShop } from "../support/whole-shop.ts";

describe("The checker of the invariants", () => {
	let shop: WholeShop;
	/** Collections that a test changed, with what was in them. */
	const before = new Map<string, { at: ReturnType<At>; documents: Record_[] }>();

	beforeAll(async () => {
		shop = await makeWholeShop();
	}, 120_000);
	afterAll(() => shop?.stop());
	afterEach(async () => {
		for (const { at, documents } of before.values()) {
			await at.deleteMany({});
			if (documents.length > 0) await at.insertMany(documents);
		}
		before.clear();
	});

	const raw: At = (service, collection) =>
		shop.connection.useDb(service, { useCache: true }).collection(collection) as never;

	/** Reaches all collections, and remembers what was in them when they are first asked for. */
	async function remembering(): Promise<At> {
		for (const [service, collections] of Object.entries(KEPT)) {
			for (const collection of collections) {
				const at = raw(service, collection);
				before.set(`${service}.${collection}`, { at, documents: await at.find().toArray() });
			}
		}
		return raw;
	}
	const KEPT = {
		orders: ["orders", "events", "inbox"],
		payments: ["payments"],
		"test-payments": ["charges"],
		inventory: ["stock", "ledger", "levels"],
		carts: ["carts"],
		notifications: ["deliveries", "dead_letters"],
		products: ["products", "levels"],
	};

	it("finds nothing in a shop that its services made", async () => {
		const report = await checkInvariants(shop.mongodbUri);
		expect(report).toEqual({
			ok: true,
			checked: { skus: 3, orders: 7, payments: 6, charges: 6 },
			violations: [],
			found: 0,
		});
	});

	it.each(
		CORRUPTIONS.map(corruption => [corruption.what, corruption] as const),
	)("notices that %s", async (_what, corruption) => {
		await corruption.corrupt(await remembering(), shop);
		// Small pages, so that what belongs together lies on both sides of their edges.
		const { violations } = await checkInvariants(shop.mongodbUri, { page: 2 });
		const subject = corruption.subject(shop);
		const told = violations.map(violation => ({
			invariant: violation.invariant,
			subject: subject && violation.subject,
		}));
		expect(told).toContainEqual({ invariant: corruption.invariant, subject });
	});

	it("finds nothing again when all that is undone", async () => {
		for (const page of [1, 2, 500]) expect((await checkInvariants(shop.mongodbUri, { page })).violations).toEqual([]);
	});

	it("finds what was acknowledged again, whatever became of it, and misses what is gone", async () => {
		const { orders, cartId, mongodbUri } = shop;
		const answers = [
			{
				kind: "order",
				id: orders.paid,
				expected: { status: "paid", totals: { total: { amount: 2_500, currency: "EUR" } } },
			},
			{ kind: "order", id: orders.cancelled, expected: { status: "paid" } },
			{ kind: "cart", id: cartId, expected: { status: "open", lines: [{ sku: "A", quantity: 3 }] } },
			{ kind: "payment", id: orders.refunded, expected: { status: "partially_refunded", refunded: 700 } },
		] as const;
		expect(await checkAcknowledged(mongodbUri, answers)).toEqual([]);
		const [refund] = (await raw("orders", "orders").findOne({ _id: orders.refunded }))?.["refunds"] ?? [];
		const told = { orderId: orders.refunded, amount: { amount: 300, currency: "EUR" }, status: "done" };
		expect(await checkAcknowledged(mongodbUri, [{ kind: "refund", id: refund.id, expected: told }])).toEqual([]);
		const lost = await checkAcknowledged(mongodbUri, [
			{ kind: "order", id: "ord_of_nobody" },
			{ kind: "order", id: orders.paid, expected: { totals: { total: { amount: 2_400 } } } },
			{ kind: "cart", id: cartId, expected: { lines: [{ sku: "A", quantity: 4 }] } },
		]);
		expect(lost.map(({ subject }) => subject)).toEqual(["ord_of_nobody", orders.paid, cartId]);
	});
});
