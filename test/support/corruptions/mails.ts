import { always, anything, type Corruption, copy, of, order } from "./corruption.ts";

export const MAILS: readonly Corruption[] = [
	{
		what: "nobody was told of a paid order",
		invariant: "I2",
		subject: of("paid"),
		corrupt: (at, { orders }) => at("orders", "events").deleteOne({ name: "order.placed", aggregateId: orders.paid }),
	},
	{
		what: "a paid order was told twice",
		invariant: "I7",
		subject: of("paid"),
		corrupt: (at, { orders }) => copy(at, "orders", "events", { name: "order.placed", aggregateId: orders.paid }, {}),
	},
	{
		what: "a paid order was told with another total",
		invariant: "I2",
		subject: of("paid"),
		corrupt: (at, { orders }) =>
			at("orders", "events").updateOne(
				{ name: "order.placed", aggregateId: orders.paid },
				{ $set: { "data.total.amount": 1 } },
			),
	},
	{
		what: "a customer heard nothing",
		invariant: "I12",
		subject: anything,
		corrupt: at => at("notifications", "deliveries").deleteOne({ template: "order-confirmation" }),
	},
	{
		what: "a customer heard it twice",
		invariant: "I12",
		subject: anything,
		async corrupt(at) {
			const one = await at("notifications", "deliveries").findOne({ template: "order-confirmation" });
			await at("notifications", "deliveries").insertOne({
				...one,
				_id: `${String(one?._id)}x`,
				messageId: "<other@shop>",
			});
		},
	},
	{
		what: "a confirmation went to somebody else",
		invariant: "I12",
		subject: anything,
		async corrupt(at) {
			const one = await at("notifications", "deliveries").findOne({ template: "order-confirmation" });
			if (!one) return;
			await at("notifications", "deliveries").deleteOne({ _id: one._id });
			await at("notifications", "deliveries").insertOne({ ...one, _id: one._id.replace(/[^:]+$/, "0123456789abcdef") });
		},
	},
	{
		what: "a mail was sent for no reason",
		invariant: "I7",
		subject: anything,
		async corrupt(at) {
			const one = await at("notifications", "deliveries").findOne({ template: "verify-email" });
			await at("notifications", "deliveries").insertOne({
				...one,
				_id: "evt_0:verify-email:x",
				eventId: "evt_0",
				messageId: "<spam@shop>",
			});
		},
	},
	{
		what: "a mail is said to be sent and was not",
		invariant: "I11",
		subject: anything,
		corrupt: at =>
			at("notifications", "deliveries").updateOne({ template: "verify-email" }, { $set: { status: "failed" } }),
	},
	{
		what: "a consumer did not hear of a settled payment",
		invariant: "I11",
		subject: anything,
		corrupt: async at => {
			const event = await at("payments", "events").findOne({ name: "payment.settled" });
			await at("orders", "inbox").deleteOne({ _id: String(event?._id) });
		},
	},
	{
		what: "an event waits in its document",
		invariant: "I11",
		subject: of("paid"),
		corrupt: (at, { orders }) =>
			order(at, orders.paid, { $set: { outbox: [{ id: "evt_1", name: "order.refunded", at: new Date() }] } }),
	},
	{
		what: "an event is not published",
		invariant: "I11",
		subject: anything,
		corrupt: at =>
			at("orders", "events").updateOne({ name: "order.failed" }, { $set: { nextAt: new Date(), publishedAt: null } }),
	},
	{
		what: "an event was given up",
		invariant: "I11",
		subject: always("evt_dead"),
		corrupt: at =>
			at("notifications", "dead_letters").insertOne({ _id: "evt_dead", error: "x", attempts: 10, at: new Date() }),
	},
	{
		what: "a product is shown as sold out that is not",
		invariant: "I14",
		subject: always("A"),
		corrupt: at =>
			at("products", "products").updateOne(
				{ "variants.sku": "A" },
				{ $set: { "variants.0.available": "out_of_stock" } },
			),
	},
	{
		what: "products know a level that is not inventory's",
		invariant: "I14",
		subject: always("B"),
		corrupt: at => at("products", "levels").updateOne({ _id: "B" }, { $set: { level: "in_stock" } }),
	},
	{
		what: "inventory's own level is wrong",
		invariant: "I14",
		subject: always("B"),
		corrupt: at => at("inventory", "levels").updateOne({ _id: "B" }, { $set: { level: "in_stock" } }),
	},
];
