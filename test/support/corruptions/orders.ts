import { anything, type Corruption, of, order, stock, the } from "./corruption.ts";

const PARKED = { attempts: 12, parkedAt: new Date() };

export const ORDERS: readonly Corruption[] = [
	{
		what: "an order vanishes",
		invariant: "I2",
		subject: of("paid"),
		corrupt: (at, { orders }) => at("orders", "orders").deleteOne({ _id: orders.paid }),
	},
	{
		what: "an order is shipped that was never shipped",
		invariant: "I2",
		subject: of("paid"),
		corrupt: (at, { orders }) => order(at, orders.paid, { $set: { status: "shipped" } }),
	},
	{
		what: "a cancelled order became paid",
		invariant: "I2",
		subject: of("cancelled"),
		corrupt: (at, { orders }) =>
			order(at, orders.cancelled, {
				$set: { status: "paid" },
				$push: { history: { from: "cancelled", to: "paid", at: new Date().toISOString() } } as never,
			}),
	},
	{
		what: "two orders came of one cart",
		invariant: "I6",
		subject: of("small"),
		async corrupt(at, { orders }) {
			const paid = await at("orders", "orders").findOne({ _id: orders.paid });
			await order(at, orders.small, { $set: { cartId: paid?.["cartId"] } });
		},
	},
	{
		what: "two orders came of one key",
		invariant: "I6",
		subject: of("small"),
		async corrupt(at, { orders }) {
			const paid = await at("orders", "orders").findOne({ _id: orders.paid });
			await order(at, orders.small, { $set: { keyHash: paid?.["keyHash"] } });
		},
	},
	{
		what: "a key bought, and is kept as refused",
		invariant: "I6",
		subject: of("paid"),
		async corrupt(at, { orders }) {
			const { cartId, keyHash } = await the(at, orders.paid);
			await at("carts", "carts").updateOne({ _id: cartId }, { $push: { attempts: { keyHash } } as never });
		},
	},
	{
		what: "a repeat would be answered with another total",
		invariant: "I6",
		subject: of("paid"),
		async corrupt(at, { orders }) {
			const { outcome } = await the(at, orders.paid);
			await order(at, orders.paid, { $set: { "outcome.text": outcome.text.replaceAll("2500", "2400") } });
		},
	},
	{
		what: "a repeat would be answered with another order",
		invariant: "I6",
		subject: of("paid"),
		async corrupt(at, { orders }) {
			const { outcome } = await the(at, orders.small);
			await order(at, orders.paid, { $set: { outcome } });
		},
	},
	{
		what: "two orders have one number",
		invariant: "I8",
		subject: anything,
		async corrupt(at, { orders }) {
			await at("orders", "orders").dropIndex("number_1");
			const paid = await at("orders", "orders").findOne({ _id: orders.paid });
			await order(at, orders.small, { $set: { number: paid?.["number"] } });
		},
	},
	{
		what: "a saga stands half-way",
		invariant: "I10",
		subject: of("paid"),
		corrupt: (at, { orders }) => order(at, orders.paid, { $set: { position: "confirmed" } }),
	},
	{
		what: "a key waits for an answer that nobody works on",
		invariant: "I10",
		subject: of("cancelled"),
		corrupt: (at, { orders }) => order(at, orders.cancelled, { $set: { "commands.0.outcome": null } }),
	},
	{
		what: "an order waits for its money for ever",
		invariant: "I10",
		subject: of("settled"),
		corrupt: (at, { orders }) =>
			order(at, orders.settled, {
				$set: { status: "awaiting_payment", createdAt: new Date(Date.now() - 90 * 86_400_000) },
			}),
	},
	{
		what: "work on an order was given up",
		invariant: "I10",
		subject: of("paid"),
		corrupt: (at, { orders }) =>
			order(at, orders.paid, {
				$set: { "refunds.0": { ...PARKED, id: "ref_x", amount: { amount: 0, currency: "EUR" } } },
			}),
	},
	{
		what: "work on a cart was given up",
		invariant: "I10",
		subject: shop => shop.cartId,
		corrupt: (at, { cartId }) =>
			at("carts", "carts").updateOne({ _id: cartId }, { $set: { checkout: { orderId: "ord_9", ...PARKED } } }),
	},
	{
		what: "a cart is taken by an order that does not run",
		invariant: "I10",
		subject: shop => shop.cartId,
		corrupt: (at, { cartId, orders }) =>
			at("carts", "carts").updateOne(
				{ _id: cartId },
				{ $set: { checkout: { orderId: orders.declined, keyHash: "k", at: new Date() } } },
			),
	},
	{
		what: "an ordered cart is open again",
		invariant: "I2",
		subject: of("paid"),
		corrupt: (at, { orders }) =>
			at("carts", "carts").updateOne({ "checkout.orderId": orders.paid }, { $set: { status: "open", checkout: null } }),
	},
	{
		what: "a cart was ordered as nothing",
		invariant: "I2",
		subject: shop => shop.cartId,
		corrupt: (at, { cartId }) => at("carts", "carts").updateOne({ _id: cartId }, { $set: { status: "ordered" } }),
	},
	{
		what: "a bought cart has other goods in it",
		invariant: "I2",
		subject: of("paid"),
		corrupt: (at, { orders }) =>
			at("carts", "carts").updateOne({ "checkout.orderId": orders.paid }, { $set: { "lines.0.quantity": 9 } }),
	},
	{
		what: "a cart that was answered is gone",
		invariant: "I9",
		subject: shop => shop.cartId,
		corrupt: (at, { cartId }) => at("carts", "carts").deleteOne({ _id: cartId }),
	},
	{
		what: "a receipt that was answered is gone, and the counters with it",
		invariant: "I9",
		subject: anything,
		async corrupt(at) {
			await at("inventory", "ledger").deleteOne({ sku: "C", kind: "receive" });
			await stock(at, "C", { $inc: { received: -10, available: -10 } });
		},
	},
];
