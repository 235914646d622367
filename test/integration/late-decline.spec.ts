import type { InventoryVars } from "../../services/inventory/inventory.types.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { ADDRESS, eur } from "../support/shop.ts";
import { until } from "../support/until.ts";

const STAFF = { user: { id: "usr_staff", sessionId: "ses_staff", roles: ["admin" as const] } };
const SERVICES = ["products", "inventory", "carts", "orders", "payments", "test-payments"];

describe("A confirmed checkout whose hold has ended", () => {
	let node: TestNode;
	let inventory: InventoryVars;

	beforeAll(async () => {
		node = await startTestNode({ services: SERVICES, env: { RESERVATION_TTL_MS: "900000" } });
		inventory = node.broker.getLocalService("inventory") as unknown as InventoryVars;
		for (const sku of ["KEPT", "LOST"]) {
			const variants = [{ sku, price: eur(700) }];
			await node.broker.call("products.create", { title: sku, status: "published", variants }, { meta: STAFF });
			await node.broker.call("inventory.receive", { sku, quantity: 5, reason: "opening" }, { meta: STAFF });
		}
	}, 60_000);
	afterAll(() => node?.stop(), 60_000);

	const stockOf = async (sku: string) => (await node.broker.call("inventory.get", { sku }, { meta: STAFF })).totals;

	/** Between the point of no return and the sale the hold of LOST ends; then `meanwhile` happens. */
	function beforeTheSale(meanwhile: () => Promise<unknown>): void {
		const commit = inventory.holds.commit.bind(inventory.holds);
		inventory.holds.commit = async (...args) => {
			inventory.holds.commit = commit;
			for (const stock of await inventory.models.stock.find({ sku: "LOST" }).lean()) {
				for (const hold of stock.reservations) await inventory.stock.expire(stock, hold, node.broker.stoa.clock.now());
			}
			await meanwhile();
			return commit(...args);
		};
	}

	async function place(key: string) {
		const lines = ["KEPT", "LOST"].map(sku => ({ sku, quantity: 2 }));
		const cart = await node.broker.call("carts.create", { lines });
		const params = {
			id: cart.id,
			email: "ada@shop.test",
			shippingAddress: ADDRESS,
			payment: { method: "test", token: "tok_ok" },
			expectedTotal: cart.totals.total,
		};
		return node.broker.call("orders.place", params, { meta: { idempotencyKey: key } });
	}

	it("sells the goods all the same when they are still there", async () => {
		beforeTheSale(() => Promise.resolve());
		expect((await place("still there")).status).toBe("paid");
		for (const sku of ["KEPT", "LOST"])
			expect(await stockOf(sku)).toMatchObject({ available: 3, reserved: 0, sold: 2 });
	});

	it("is undone when they are gone: the lines that were sold come back, and so does the money", async () => {
		const take = { sku: "LOST", delta: -2, reason: "sold over the counter" };
		beforeTheSale(() => node.broker.call("inventory.adjust", take, { meta: STAFF }));
		await expect(place("gone")).rejects.toMatchObject({ type: "SERVICE_UNAVAILABLE" });
		const { items } = await node.broker.call("orders.adminList", { status: "failed" }, { meta: STAFF });
		expect(items).toHaveLength(1);
		const orderId = items[0]?.id ?? "";
		expect(await stockOf("KEPT")).toMatchObject({ available: 3, reserved: 0, sold: 4, returned: 2 });
		expect(await stockOf("LOST")).toMatchObject({ available: 1, reserved: 0, sold: 2, returned: 0 });
		const kinds = await until("what the provider says", async () => {
			const ledger = await node.broker.call("payments.testLedger", { orderId }, { meta: STAFF });
			return ledger.items.map(({ kind }) => kind);
		});
		expect(kinds).toEqual(["authorize", "void"]);
	});

	it("pays back what was captured meanwhile", async () => {
		let orderId = "";
		beforeTheSale(async () => {
			const [held] = await inventory.models.stock.find({ sku: "KEPT" }).lean();
			orderId = held?.reservations[0]?.ref ?? "";
			const { chargeId, method, amount } = await node.broker.call("payments.get", { orderId });
			await node.broker.call("payments.capture", { orderId, chargeId: chargeId ?? "", method, amount });
			const take = { sku: "LOST", delta: -1, reason: "sold over the counter" };
			await node.broker.call("inventory.adjust", take, { meta: STAFF });
		});
		await node.broker.call("inventory.receive", { sku: "LOST", quantity: 1, reason: "found" }, { meta: STAFF });
		await expect(place("captured")).rejects.toMatchObject({ type: "SERVICE_UNAVAILABLE" });
		const moved = await until("the money to come back", async () => {
			const { items } = await node.broker.call("payments.testLedger", { orderId }, { meta: STAFF });
			return items.some(({ kind }) => kind === "refund") && items.map(({ kind, amount }) => [kind, amount.amount]);
		});
		expect(moved).toEqual([
			["authorize", 2_800],
			["capture", 2_800],
			["refund", 2_800],
		]);
	});
});
