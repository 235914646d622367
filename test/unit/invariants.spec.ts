import { checkState } from "../../invariants/index.ts";
import type { ShopState } from "../../invariants/shop-state.ts";

const eur = (amount: number) => ({ amount, currency: "EUR" });

/** A shop in which one order of two pieces was paid, and all is as it should be. */
function rightShop(): ShopState {
	const total = eur(2_000);
	return {
		stock: [
			{
				_id: "A@main",
				sku: "A",
				available: 8,
				reserved: 0,
				sold: 2,
				received: 10,
				returned: 0,
				adjusted: 0,
				reservations: [],
				journal: [],
			},
		],
		ledger: [
			{ _id: "1", sku: "A", location: "main", kind: "receive", quantity: 10 },
			{ _id: "2", sku: "A", location: "main", kind: "reserve", quantity: -2 },
			{ _id: "3", sku: "A", location: "main", kind: "commit", quantity: 2 },
		],
		orders: [
			{
				_id: "ord_1",
				number: "N1",
				status: "paid",
				position: "done",
				lease: null,
				lines: [{ sku: "A", quantity: 2, unitPrice: eur(1_000), lineTotal: total }],
				totals: { subtotal: total, discount: eur(0), shipping: eur(0), tax: eur(0), total },
				payment: { status: "captured", amount: total, captured: 2_000 },
				refunds: [],
				refundTotal: 0,
				history: [
					{ from: null, to: "pending" },
					{ from: "pending", to: "paid" },
				],
				commands: [],
			},
		],
		payments: [
			{
				_id: "pay_1",
				orderId: "ord_1",
				status: "captured",
				captured: 2_000,
				refunded: 0,
				refunds: [],
				cleanUpAt: null,
			},
		],
		charges: [
			{
				_id: "chg_1",
				orderId: "ord_1",
				state: "captured",
				amount: total,
				refunded: 0,
				entries: [
					{ kind: "authorize", amount: total, key: "ord_1:authorize" },
					{ kind: "capture", amount: total, key: "ord_1:capture" },
				],
				webhook: null,
			},
		],
		carts: [{ _id: "crt_1", status: "ordered", checkout: { orderId: "ord_1" } }],
		deliveries: [{ _id: "d1", eventId: "evt_1", messageId: "<m1>", status: "sent" }],
		events: [{ _id: "evt_1", service: "orders", name: "order.placed", nextAt: null }],
		outboxes: [],
		deadLetters: [],
	};
}

/** The only one of a list. */
function only<T>(list: T[]): T {
	const [first] = list;
	if (list.length !== 1 || first === undefined) throw new Error("There is not exactly one");
	return first;
}

describe("The checker of the invariants", () => {
	it("finds nothing where nothing is wrong", () => {
		expect(checkState(rightShop())).toEqual({
			ok: true,
			checked: { skus: 1, orders: 1, payments: 1, charges: 1 },
			violations: [],
		});
	});

	it.each<[invariant: string, what: string, corrupt: (shop: ShopState) => void]>([
		["I1", "a piece appears", shop => void only(shop.stock).available++],
		["I1", "a counter is below zero", shop => void Object.assign(only(shop.stock), { available: -1, received: 1 })],
		[
			"I1",
			"more is reserved than the reservations hold",
			shop => void Object.assign(only(shop.stock), { available: 7, reserved: 1 }),
		],
		["I1", "the ledger lacks an entry", shop => void shop.ledger.pop()],
		[
			"I2",
			"a status that the history does not explain",
			shop => void Object.assign(only(shop.orders), { status: "shipped" }),
		],
		[
			"I2",
			"a move that is not allowed",
			shop =>
				void only(shop.orders).history.splice(
					1,
					1,
					{ from: "pending", to: "cancelled" },
					{ from: "cancelled", to: "paid" },
				),
		],
		["I2", "a paid order without a charge", shop => void shop.charges.pop()],
		[
			"I2",
			"money that was kept without an order",
			shop =>
				void shop.charges.push({
					...only(shop.charges),
					_id: "chg_2",
					orderId: "ord_9",
					entries: [{ kind: "capture", amount: eur(5), key: "k" }],
				}),
		],
		[
			"I3",
			"one key moved money twice",
			shop => void only(shop.charges).entries.push({ kind: "authorize", amount: eur(2_000), key: "ord_1:capture" }),
		],
		[
			"I3",
			"more was captured than the order costs",
			shop => void only(shop.charges).entries.push({ kind: "capture", amount: eur(1), key: "again" }),
		],
		[
			"I4",
			"the lines do not add up",
			shop => void Object.assign(only(only(shop.orders).lines), { unitPrice: eur(999), lineTotal: eur(1_998) }),
		],
		["I4", "the total is another", shop => void Object.assign(only(shop.orders).totals, { tax: eur(1) })],
		[
			"I4",
			"currencies are mixed",
			shop => void Object.assign(only(shop.orders).totals, { total: { amount: 2_000, currency: "USD" } }),
		],
		["I4", "more was refunded than captured", shop => void Object.assign(only(shop.payments), { refunded: 2_001 })],
		["I4", "the refunds are not their total", shop => void Object.assign(only(shop.orders), { refundTotal: 5 })],
		["I5", "orders hold more than was sold", shop => void Object.assign(only(shop.stock), { sold: 1, available: 9 })],
		[
			"I8",
			"two orders have one number",
			shop =>
				void shop.orders.push({
					...only(shop.orders),
					_id: "ord_2",
					status: "failed",
					history: [
						{ from: null, to: "pending" },
						{ from: "pending", to: "failed" },
					],
					payment: { ...only(shop.orders).payment, captured: 0 },
				}),
		],
		["I10", "a saga stands half-way", shop => void Object.assign(only(shop.orders), { position: "confirmed" })],
		[
			"I10",
			"a refund is pending",
			shop =>
				void Object.assign(only(shop.orders), {
					refunds: [{ id: "r", amount: eur(5), status: "pending" }],
					refundTotal: 5,
				}),
		],
		["I10", "a cart is held", shop => void Object.assign(only(shop.carts), { status: "open" })],
		[
			"I10",
			"stock is held for nobody",
			shop =>
				void Object.assign(only(shop.stock), {
					available: 7,
					reserved: 1,
					reservations: [{ ref: "ord_9", quantity: 1, expiresAt: new Date() }],
					journal: [{}],
				}),
		],
		[
			"I11",
			"an event waits in a document",
			shop => void shop.outboxes.push({ service: "orders", collection: "orders", id: "ord_1" }),
		],
		[
			"I11",
			"an event is not published",
			shop => void shop.events.push({ _id: "evt_2", service: "orders", name: "order.failed", nextAt: new Date() }),
		],
		[
			"I11",
			"an event was given up",
			shop => void shop.deadLetters.push({ service: "notifications", collection: "dead_letters", id: "evt_1" }),
		],
		["I12", "a customer heard nothing", shop => void shop.deliveries.pop()],
		[
			"I12",
			"a customer heard it twice",
			shop => void shop.deliveries.push({ _id: "d2", eventId: "evt_1", messageId: "<m2>", status: "sent" }),
		],
	])("finds %s: %s", (invariant, _what, corrupt) => {
		const shop = rightShop();
		corrupt(shop);
		const { ok, violations } = checkState(shop);
		expect(ok).toBe(false);
		expect(violations.map(violation => violation.invariant)).toContain(invariant);
	});
});
