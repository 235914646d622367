import { always, type Corruption, charge, copy, of, order, payment } from "./corruption.ts";

/** The first refund of the order that was refunded twice. */
const FIRST = "refunds.0";

export const MONEY: readonly Corruption[] = [
	{
		what: "the provider paid back less than the shop says",
		invariant: "I4",
		subject: of("refunded"),
		corrupt: (at, { orders }) =>
			charge(at, orders.refunded, {
				$pull: { entries: { kind: "refund", "amount.amount": 300 } },
				$inc: { refunded: -300 },
			}),
	},
	{
		what: "the provider paid back money that no order knows of",
		invariant: "I4",
		subject: of("paid"),
		corrupt: (at, { orders }) =>
			charge(at, orders.paid, {
				$push: {
					entries: { kind: "refund", amount: { amount: 500, currency: "EUR" }, key: "to-a-friend", at: new Date() },
				} as never,
				$inc: { refunded: 500 },
			}),
	},
	{
		what: "a refund is written into order and payment, and the money stays",
		invariant: "I4",
		subject: of("paid"),
		async corrupt(at, { orders }) {
			const amount = { amount: 100, currency: "EUR" };
			await order(at, orders.paid, {
				$push: { refunds: { id: "ref_x", amount, status: "done" } } as never,
				$inc: { refundTotal: 100 },
			});
			await payment(at, orders.paid, {
				$push: { refunds: { id: "ref_x", amount: 100, status: "done" } } as never,
				$inc: { refunded: 100 },
				$set: { status: "partially_refunded" },
			});
		},
	},
	{
		what: "a piece is refunded more often than it was bought: the sums stay",
		invariant: "I4",
		subject: of("refunded"),
		corrupt: (at, { orders }) =>
			order(at, orders.refunded, {
				$set: {
					"refunds.0.lines": [{ lineId: "x", sku: "A", quantity: 6, amount: { amount: 1, currency: "EUR" } }],
				} as never,
			}),
	},
	{
		what: "money is set aside for a refund that there is not: nobody will ever pay it back",
		invariant: "I4",
		subject: of("paid"),
		corrupt: (at, { orders }) => payment(at, orders.paid, { $set: { refunding: 400 } }),
	},
	{
		what: "an order that was cancelled and paid back says that its money is there",
		invariant: "I2",
		subject: of("cancelled"),
		corrupt: (at, { orders }) => order(at, orders.cancelled, { $set: { "payment.status": "captured" } }),
	},
	{
		what: "a refund vanishes from the order",
		invariant: "I4",
		subject: of("refunded"),
		corrupt: (at, { orders }) => order(at, orders.refunded, { $pop: { refunds: -1 }, $inc: { refundTotal: -300 } }),
	},
	{
		what: "a refund vanishes from the payment",
		invariant: "I4",
		subject: of("refunded"),
		corrupt: (at, { orders }) => payment(at, orders.refunded, { $pop: { refunds: -1 }, $inc: { refunded: -300 } }),
	},
	{
		what: "two refunds change places: the sums stay",
		invariant: "I4",
		subject: of("refunded"),
		corrupt: (at, { orders }) =>
			order(at, orders.refunded, { $set: { "refunds.0.amount.amount": 400, "refunds.1.amount.amount": 300 } }),
	},
	{
		what: "a refund that failed is told as done",
		invariant: "I4",
		subject: of("refunded"),
		corrupt: (at, { orders }) =>
			payment(at, orders.refunded, { $set: { [`${FIRST}.status`]: "failed" }, $inc: { refunded: -300 } }),
	},
	{
		what: "a refund is in another currency",
		invariant: "I4",
		subject: of("refunded"),
		corrupt: (at, { orders }) => order(at, orders.refunded, { $set: { [`${FIRST}.amount.currency`]: "USD" } }),
	},
	{
		what: "the provider took yen",
		invariant: "I4",
		subject: of("paid"),
		corrupt: (at, { orders }) =>
			charge(at, orders.paid, { $set: { "entries.$[].amount.currency": "JPY", "amount.currency": "JPY" } }),
	},
	{
		what: "the payment says less was captured than order and provider do",
		invariant: "I4",
		subject: of("paid"),
		corrupt: (at, { orders }) => payment(at, orders.paid, { $inc: { captured: -1 } }),
	},
	{
		what: "the provider captured a cent more",
		invariant: "I3",
		subject: of("paid"),
		corrupt: (at, { orders }) => charge(at, orders.paid, { $inc: { "entries.1.amount.amount": 1 } }),
	},
	{
		what: "an order is made cheaper in every place of its own",
		invariant: "I4",
		subject: of("small"),
		corrupt: (at, { orders }) =>
			order(at, orders.small, {
				$set: {
					"lines.0.unitPrice.amount": 1,
					"lines.0.lineTotal.amount": 1,
					"totals.subtotal.amount": 1,
					"totals.total.amount": 1,
					"payment.amount.amount": 1,
					"payment.captured": 1,
				},
			}),
	},
	{
		what: "an amount is half a cent",
		invariant: "I4",
		subject: of("small"),
		corrupt: (at, { orders }) =>
			order(at, orders.small, { $set: { "totals.discount.amount": 0.5, "totals.shipping.amount": 0.5 } }),
	},
	{
		what: "a charge vanishes",
		invariant: "I2",
		subject: of("paid"),
		corrupt: (at, { orders }) => at("test-payments", "charges").deleteOne({ orderId: orders.paid }),
	},
	{
		what: "a customer is charged twice",
		invariant: "I3",
		subject: of("paid"),
		corrupt: (at, { orders }) =>
			copy(at, "test-payments", "charges", { orderId: orders.paid }, { authorizeKey: "again" }),
	},
	{
		what: "one key moved money twice",
		invariant: "I3",
		subject: of("cancelled"),
		async corrupt(at, { orders }) {
			const found = await at("test-payments", "charges").findOne({ orderId: orders.cancelled });
			const entry = found?.["entries"].at(-1);
			await charge(at, orders.cancelled, {
				$push: { entries: entry } as never,
				$inc: { refunded: entry.amount.amount },
			});
		},
	},
	{
		what: "a declined checkout was charged after all",
		invariant: "I2",
		subject: of("declined"),
		corrupt: (at, { orders }) =>
			charge(at, orders.declined, {
				$set: { state: "captured" },
				$push: {
					entries: { kind: "capture", amount: { amount: 7_000, currency: "EUR" }, key: "late", at: new Date() },
				} as never,
			}),
	},
	{
		what: "a cancelled order's money was never paid back",
		invariant: "I2",
		subject: of("cancelled"),
		corrupt: (at, { orders }) =>
			charge(at, orders.cancelled, { $pull: { entries: { kind: "refund" } } as never, $set: { refunded: 0 } }),
	},
	{
		what: "money was taken for an order that is nowhere",
		invariant: "I2",
		subject: always("ord_of_nobody"),
		corrupt: (at, { orders }) =>
			copy(
				at,
				"test-payments",
				"charges",
				{ orderId: orders.small },
				{ orderId: "ord_of_nobody", authorizeKey: "nobody" },
			),
	},
	{
		what: "a payment names somebody else's charge",
		invariant: "I2",
		subject: of("small"),
		async corrupt(at, { orders }) {
			const other = await at("payments", "payments").findOne({ orderId: orders.paid });
			await payment(at, orders.small, { $set: { chargeId: other?.["chargeId"] } });
			await order(at, orders.small, { $set: { "payment.chargeId": other?.["chargeId"] } });
		},
	},
	{
		what: "a failed order's card stays blocked",
		invariant: "I10",
		subject: of("declined"),
		corrupt: (at, { orders }) => charge(at, orders.declined, { $set: { state: "authorized" } }),
	},
];
