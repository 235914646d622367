import { always, type Corruption, of, order, stock } from "./corruption.ts";

export const GOODS: readonly Corruption[] = [
	{
		what: "a piece appears on the shelf",
		invariant: "I1",
		subject: always("A@main"),
		corrupt: at => stock(at, "A", { $inc: { available: 1 } }),
	},
	{
		what: "goods vanish and the correction is made to look right",
		invariant: "I1",
		subject: always("A@main"),
		corrupt: at => stock(at, "A", { $inc: { available: -3, adjusted: -3 } }),
	},
	{
		what: "a sale is taken out of the ledger",
		invariant: "I5",
		subject: of("paid"),
		corrupt: (at, { orders }) =>
			at("inventory", "ledger").deleteOne({ reference: orders.paid, kind: "commit", sku: "A" }),
	},
	{
		what: "a sale is written to another order: the sums stay",
		invariant: "I5",
		subject: of("paid"),
		corrupt: (at, { orders }) =>
			at("inventory", "ledger").updateOne(
				{ reference: orders.paid, kind: "commit", sku: "A" },
				{ $set: { reference: orders.small } },
			),
	},
	{
		what: "a sale has no order",
		invariant: "I1",
		subject: always("ord_of_nobody"),
		async corrupt(at, { orders }) {
			const ledger = at("inventory", "ledger");
			for (const entry of await ledger.find({ reference: orders.small }).toArray()) {
				await ledger.deleteOne({ _id: entry._id });
				await ledger.insertOne({
					...entry,
					_id: entry._id.replace(orders.small, "ord_of_nobody"),
					reference: "ord_of_nobody",
				});
			}
		},
	},
	{
		what: "goods of a cancelled order never came back",
		invariant: "I5",
		subject: of("cancelled"),
		async corrupt(at, { orders }) {
			await at("inventory", "ledger").deleteOne({ reference: orders.cancelled, kind: "return" });
			await stock(at, "A", { $inc: { returned: -4, available: -4 } });
		},
	},
	{
		what: "a sign is turned in the ledger",
		invariant: "I1",
		subject: always("A@main"),
		corrupt: at => at("inventory", "ledger").updateOne({ sku: "A", kind: "adjust" }, { $set: { quantity: 2 } }),
	},
	{
		what: "a whole SKU vanishes with its stock",
		invariant: "I1",
		subject: always("B@main"),
		corrupt: at => at("inventory", "stock").deleteOne({ sku: "B" }),
	},
	{
		what: "an order got a piece more than it paid for",
		invariant: "I4",
		subject: of("paid"),
		corrupt: (at, { orders }) => order(at, orders.paid, { $inc: { "lines.0.quantity": 1 } }),
	},
	{
		what: "an order's goods were swapped for others of one price",
		invariant: "I5",
		subject: of("small"),
		corrupt: (at, { orders }) => order(at, orders.small, { $set: { "lines.0.sku": "B" } }),
	},
	{
		what: "pieces are held for nobody",
		invariant: "I10",
		subject: always("A@main"),
		corrupt: at =>
			stock(at, "A", {
				$inc: { available: -1, reserved: 1 },
				$push: {
					reservations: { ref: "ord_9", quantity: 1, expiresAt: new Date(Date.now() + 900_000), call: "c" },
				} as never,
			}),
	},
	{
		what: "a journal never reaches the ledger",
		invariant: "I11",
		subject: always("A@main"),
		corrupt: at => stock(at, "A", { $set: { dirtyAt: new Date(Date.now() - 3_600_000) } }),
	},
];
