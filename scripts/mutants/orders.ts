import type { Mutant } from "./mutant.ts";

const CHECKOUT = ["test/integration/checkout.spec.ts"];
const REPOSITORY = "services/orders/orders.repository.ts";
const REFUNDS = "services/orders/refunds.repository.ts";
const REFUNDING = ["test/integration/refunds.spec.ts"];
const PLACE = "services/orders/use-cases/place-order.ts";
const SAGA = "services/orders/use-cases/checkout-saga.ts";
const PAYMENTS = "services/payments/payments.repository.ts";
const PAYING = "services/payments/use-cases/payments.ts";

/** Orders and their money. */
export const ORDERS: readonly Mutant[] = [
	{
		name: "a lease is taken before it has run out",
		file: REPOSITORY,
		find: '"lease.until": { $type: "date" }, $expr: { $lte: ["$lease.until", "$$NOW"] } },',
		replace: '"lease.until": { $type: "date" } },',
		specs: CHECKOUT,
	},
	{
		name: "an order is written whatever version and epoch it has",
		file: REPOSITORY,
		find: "{ _id: order._id, version: order.version, ...guard, ",
		replace: "{ _id: order._id, ",
		specs: CHECKOUT,
	},
	{
		name: "a saga begins on an order that another one works on",
		file: REPOSITORY,
		find: "version: order.version, lease: null },",
		replace: "},",
		specs: CHECKOUT,
	},
	{
		name: "the key of an ended attempt answers another request",
		file: PLACE,
		find: "if (claim.attempt.requestHash !== input.requestHash) throw keyReused();",
		replace: "",
		specs: CHECKOUT,
	},
	{
		name: "the key of an order answers another request",
		file: PLACE,
		find: "if (known.requestHash !== input.requestHash) throw keyReused();",
		replace: "",
		specs: CHECKOUT,
	},
	{
		name: "an order costs what the client did not agree to",
		file: PLACE,
		find: "if (!isEqual(totals.total, input.expectedTotal)) throw",
		replace: "if (totals.total.amount < 0) throw",
		specs: CHECKOUT,
	},
	{
		name: "a refund of an order goes beyond what was captured",
		file: REFUNDS,
		find: '{ $lte: [{ $add: ["$refundTotal", amount] }, "$payment.captured"] },',
		replace: "",
		specs: REFUNDING,
	},
	{
		name: "a line is refunded as often as it is asked for",
		file: REFUNDS,
		find: "\t...lines,\n",
		replace: "",
		specs: REFUNDING,
	},
	{
		name: "a late decline keeps the money",
		file: SAGA,
		find: "if (payment && left > 0) {",
		replace: "if (payment && left < 0) {",
		specs: CHECKOUT,
	},
	{
		name: "a late decline keeps the goods",
		file: SAGA,
		find: "await stock.giveBack(order._id, goods(order));",
		replace: "",
		specs: ["test/integration/late-decline.spec.ts", ...CHECKOUT],
	},
	{
		name: "an answer of a checkout is not kept",
		file: SAGA,
		find: "outcome: success(toOrder(next), 201),",
		replace: "",
		specs: CHECKOUT,
	},
	{
		name: "a cancelled order may become paid",
		file: "services/orders/domain/order-states.ts",
		find: "cancelled: [],",
		replace: 'cancelled: ["paid"],',
		specs: ["test/unit/order-states.spec.ts"],
	},
	{
		name: "a payment that settles makes any order paid",
		file: "services/orders/use-cases/settle-payment.ts",
		find: 'if (order.status !== "awaiting_payment") return;',
		replace: "",
		specs: CHECKOUT,
	},
	{
		name: "a payment pays back more than it captured",
		file: PAYMENTS,
		find: '$expr: { $lte: [{ $add: ["$refunded", amount] }, "$captured"] },',
		replace: "",
		specs: CHECKOUT,
	},
	{
		name: "a refund's id pays back twice",
		file: PAYMENTS,
		find: '"refunds.id": { $ne: refundId },',
		replace: "",
		specs: CHECKOUT,
	},
	{
		name: "a late webhook changes a payment that has ended",
		file: PAYMENTS,
		find: '{ orderId, status: "pending", version, providerEvents: { $ne: providerEventId }, ...hasOutboxRoom },',
		replace: "{ orderId, ...hasOutboxRoom },",
		specs: CHECKOUT,
	},
	{
		name: "a voided payment is authorised again",
		file: PAYING,
		find: 'const known = created ?? (await need(deps, orderId));\n\tif (known.status === "voided") throw isOver(orderId);',
		replace: "const known = created ?? (await need(deps, orderId));",
		specs: CHECKOUT,
	},
	{
		name: "a charge that was captured before its void keeps the money",
		file: PAYING,
		find: 'if (errorType(error) !== "CONFLICT") throw error;\n\t\tawait provider.refund(',
		replace: "return;\n\t\tawait provider.refund(",
		specs: CHECKOUT,
	},
	{
		name: "money that comes after its order ended stays",
		file: "services/payments/payments.service.ts",
		find: 'else if (payment.status === "voided" && outcome === "captured")',
		replace: 'else if (payment.status === "failed" && outcome === "captured")',
		specs: CHECKOUT,
	},
	{
		name: "a payment that was captured may be voided",
		file: "services/payments/domain/payment-states.ts",
		find: 'captured: ["partially_refunded", "refunded"],',
		replace: 'captured: ["partially_refunded", "refunded", "voided"],',
		specs: CHECKOUT,
	},
	{
		name: "the provider charges a card that is declined",
		file: "services/test-payments/domain/cards.ts",
		find: 'tok_declined: { outcome: "declined", code: "card_declined" },',
		replace: 'tok_declined: { outcome: "authorized" },',
		specs: CHECKOUT,
	},
];
