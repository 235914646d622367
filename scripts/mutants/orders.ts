import type { Mutant } from "./mutant.ts";

const WRITES = "test/integration/conditional-writes.spec.ts";
const LATE = "test/integration/late-decline.spec.ts";
const CHECKOUT = [WRITES, "test/integration/checkout.spec.ts"];
const MONEY = ["test/integration/money.spec.ts"];
const LEASES = [WRITES];
const REPOSITORY = "services/orders/orders.repository.ts";
const REFUNDS = "services/orders/refunds.repository.ts";
const REFUNDING = ["test/integration/refunds.spec.ts"];
const SAGA = "services/orders/use-cases/checkout-saga.ts";
const PAYMENTS = "services/payments/payments.repository.ts";
const PAYING = "services/payments/use-cases/payments.ts";

/** Orders and their money. */
export const ORDERS: readonly Mutant[] = [
	{
		name: "a lease is taken before it has run out",
		file: REPOSITORY,
		find: '$expr: { $and: [{ $lte: ["$lease.until", "$$NOW"] }, ...isDue] },',
		replace: "$expr: { $and: isDue },",
		specs: LEASES,
	},
	{
		name: "an order is written whatever version it has",
		file: REPOSITORY,
		find: "{ _id: order._id, version: order.version, ...guard, ",
		replace: "{ _id: order._id, ...guard, ",
		specs: LEASES,
	},
	{
		name: "an order is written whatever the lease's epoch is",
		file: REPOSITORY,
		find: '? { "lease.epoch": order.lease.epoch } : { lease: null };',
		replace: "? {} : { lease: null };",
		specs: LEASES,
	},
	{
		name: "a cancellation pays back what staff's refund has set aside",
		file: "services/orders/use-cases/money.ts",
		find: "Math.min(atPayment, captured.amount - order.refundTotal)",
		replace: "Math.min(atPayment, captured.amount)",
		specs: MONEY,
	},
	{
		name: "a payment that is closed with money in it is forgotten",
		file: PAYMENTS,
		find: "{ $or: [isUnknown, isKept] }",
		replace: "isUnknown",
		specs: MONEY,
	},
	{
		name: "waiting for a provider is a try in vain",
		file: REPOSITORY,
		find: "const isWaiting = isNotYet(error);",
		replace: "const isWaiting = isNotYet(error) && false;",
		specs: MONEY,
	},
	{
		name: "waiting for a charge to end is a clean-up in vain",
		file: PAYMENTS,
		find: "...(isWaiting ? { cleanUps: 0 } : {}),",
		replace: "",
		specs: MONEY,
	},
	{
		name: "money that comes after its checkout had failed is kept",
		file: "services/orders/use-cases/settle-payment.ts",
		find: ' && order.status !== "failed") return;',
		replace: ") return;",
		specs: MONEY,
	},
	{
		name: "a provider that says nothing keeps an order waiting for ever",
		file: "services/orders/use-cases/awaiting.ts",
		find: "if (!isOver) throw error;",
		replace: "throw error;",
		specs: MONEY,
	},
	{
		name: "nobody asks what became of a payment that failed",
		file: PAYING,
		find: ' && status !== "failed") return payment;',
		replace: ") return payment;",
		specs: MONEY,
	},
	{
		name: "a refused cancellation is forgotten",
		file: "services/orders/use-cases/cancel-order.ts",
		find: "if (!command || !outcome) throw error;",
		replace: "throw error;",
		specs: MONEY,
	},
	{
		name: "an order that fails takes a key back that stands for another",
		file: REPOSITORY,
		find: "{ $set: { liveKey: null }, $inc: { version: 1 } }",
		replace: "{ $set: { liveKey: null } }",
		specs: ["test/integration/claims.spec.ts"],
	},
	{
		name: "payments of an earlier version keep the customer's money",
		file: "services/payments/payments.service.ts",
		find: "await adoptPayments(this.models.payments);",
		replace: "",
		specs: ["test/integration/upgrade.spec.ts"],
	},
	{
		name: "a saga begins on an order that another one works on",
		file: REPOSITORY,
		find: "version: order.version, lease: null },",
		replace: "},",
		specs: LEASES,
	},
	{
		name: "a refund of an order goes beyond what was captured",
		file: REFUNDS,
		find: '{ $lte: [{ $add: ["$refundTotal", amount] }, "$payment.captured"] },',
		replace: "",
		specs: REFUNDING,
	},
	{
		name: "a refund is failed by who is not the last to try it",
		file: "services/orders/use-cases/refund-order.ts",
		find: 'if (status !== "done" && now.epoch !== refund.epoch) throw new StaleLease(order._id);',
		replace: "",
		specs: REFUNDING,
	},
	{
		name: "a pending refund counts as done",
		file: "services/orders/use-cases/refund-order.ts",
		find: '?.status === "done" ? "done" : "pending";',
		replace: '?.status === "done" ? "done" : "done";',
		specs: REFUNDING,
	},
	{
		name: "support staff refund by cancelling",
		file: "services/orders/orders.service.ts",
		find: "if (isStaff && payment.captured > 0 && ",
		replace: "if (isStaff && payment.captured < 0 && ",
		specs: REFUNDING,
	},
	{
		name: "an order forgets keys",
		file: "services/orders/keys.ts",
		find: "if (kept.length < MAX_COMMANDS && characters < MAX_KEPT_CHARACTERS) return;",
		replace: "return;",
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
		file: "services/orders/use-cases/money.ts",
		find: "open = left > 0 ? entryOf",
		replace: "open = left < 0 ? entryOf",
		specs: MONEY,
	},
	{
		name: "a late decline keeps the goods",
		file: SAGA,
		find: "await stock.giveBack(order._id, goods(order));",
		replace: "",
		specs: [LATE],
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
		find: 'if (order.status === "awaiting_payment") return settleFrom',
		replace: "if (order.status) return settleFrom",
		specs: MONEY,
	},
	{
		name: "a payment pays back more than it captured",
		file: PAYMENTS,
		find: '$expr: { $lte: [{ $add: ["$refunded", "$refunding", amount] }, "$captured"] },',
		replace: "",
		specs: MONEY,
	},
	{
		name: "a refund's id pays back twice",
		file: PAYMENTS,
		find: '"refunds.id": { $ne: refundId },',
		replace: "",
		specs: [...MONEY, "test/integration/refunds.spec.ts"],
	},
	{
		name: "an earlier answer of payments overwrites a later one",
		file: "services/orders/domain/payment-book.ts",
		find: "version < (book.version ?? 0)",
		replace: "false",
		specs: ["test/integration/refunds.spec.ts"],
	},
	{
		name: "a late webhook changes a payment that has ended",
		file: "services/payments/use-cases/webhook.ts",
		find: "if (!isNews) return;",
		replace: "",
		specs: CHECKOUT,
	},
	{
		name: "a voided payment is authorised again",
		file: PAYING,
		find: "const known = created ?? (await need(deps, orderId));\n\tif (known.isClosed) throw isOver(orderId);",
		replace: "const known = created ?? (await need(deps, orderId));",
		specs: MONEY,
	},
	{
		name: "a charge that was captured before its void keeps the money",
		file: "services/payments/use-cases/clean-up.ts",
		find: "if (charge.captured > 0 && chargeId) {",
		replace: "if (charge.captured < 0 && chargeId) {",
		specs: MONEY,
	},
	{
		name: "money that comes after its order ended stays",
		file: "services/payments/use-cases/webhook.ts",
		find: 'if (outcome === "captured") await lookAfter(deps, orderId, chargeId);',
		replace: "",
		specs: MONEY,
	},
	{
		name: "a payment that was captured may be voided",
		file: "services/payments/domain/payment-states.ts",
		find: 'captured: ["partially_refunded", "refunded"],',
		replace: 'captured: ["partially_refunded", "refunded", "voided"],',
		specs: CHECKOUT,
	},
	{
		name: "a payment settles although it changed since it was read",
		file: PAYMENTS,
		find: "\t\t\t\tversion,\n\t\t\t\tstatus: { $in: sources },",
		replace: "\t\t\t\tstatus: { $in: sources },",
		specs: LEASES,
	},
	{
		name: "an order that has ended does not pay late money back",
		file: "services/orders/use-cases/settle-payment.ts",
		find: "await unwind(deps, order);",
		replace: "",
		specs: MONEY,
	},
	{
		name: "the provider charges a card that is declined",
		file: "services/test-payments/domain/cards.ts",
		find: 'tok_declined: { outcome: "declined", code: "card_declined" },',
		replace: 'tok_declined: { outcome: "authorized" },',
		specs: CHECKOUT,
	},
];
