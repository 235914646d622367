import type { ChargeDocument, Money, OrderDocument, PaymentDocument } from "./documents.ts";
import type { Books } from "./order-books.ts";
import { isEnded, isPaid } from "./order-states.ts";
import type { Tell } from "./violation.ts";

/** What one book says of one movement of money, for comparing: `none` when it knows nothing of it. */
const show = (money: Money | undefined): string => (money ? `${money.amount} ${money.currency}` : "none");

const entriesOf = (charges: readonly ChargeDocument[], kind: string) =>
	charges.flatMap(({ entries }) => entries.filter(entry => entry.kind === kind));
const sumOf = (entries: readonly { amount: Money }[]): number =>
	entries.reduce((sum, { amount }) => sum + amount.amount, 0);
const capturedOf = (charges: readonly ChargeDocument[]): number => sumOf(entriesOf(charges, "capture"));

/** I4: an order's sums add up, in one currency, of whole numbers. */
export function checkSums({ order }: Books, tell: Tell): void {
	const { _id, lines, totals, payment, refunds, refundTotal, status } = order;
	const { subtotal, discount, shipping, tax, total } = totals;
	const say = (message: string) => tell("I4", _id, message);
	const sum = lines.reduce((all, line) => all + line.unitPrice.amount * line.quantity, 0);
	if (lines.some(line => line.lineTotal.amount !== line.unitPrice.amount * line.quantity))
		say("a line is not price × quantity");
	if (sum !== subtotal.amount) say(`its lines add up to ${sum}, its subtotal is ${subtotal.amount}`);
	if (subtotal.amount - discount.amount + shipping.amount + tax.amount !== total.amount)
		say("subtotal − discount + shipping + tax is not its total");
	const amounts = [
		...lines.flatMap(line => [line.unitPrice, line.lineTotal]),
		...Object.values(totals),
		payment.amount,
		...refunds.map(({ amount }) => amount),
	];
	const currencies = new Set(amounts.map(({ currency }) => currency));
	if (currencies.size > 1) say(`mixes ${[...currencies].join(" and ")}`);
	const numbers = [
		...amounts.map(({ amount }) => amount),
		payment.captured,
		refundTotal,
		...lines.map(line => line.quantity),
	];
	if (!numbers.every(number => Number.isSafeInteger(number) && number >= 0))
		say("has an amount that is no whole number of 0 or more");
	if (payment.amount.amount !== total.amount) say(`asks for ${payment.amount.amount}, its total is ${total.amount}`);
	if (isPaid(status) && payment.captured !== total.amount)
		say(`${payment.captured} was captured of a total of ${total.amount}`);
	const refunded = sumOf(refunds.filter(refund => refund.status !== "failed"));
	if (refunded !== refundTotal) say(`its refunds add up to ${refunded}, the total says ${refundTotal}`);
	if (refunded > payment.captured) say(`${refunded} was refunded of ${payment.captured} captured`);
	if (new Set(refunds.map(({ id }) => id)).size < refunds.length) say("has a refund twice");
	checkShares(order, say);
}

/** No line is refunded in more pieces or more money than it had, nor shipping, nor a refund in more than its parts. */
function checkShares({ lines, totals, refunds }: OrderDocument, say: (message: string) => void): void {
	const standing = refunds.filter(({ status }) => status !== "failed");
	for (const { sku, quantity, lineTotal } of lines) {
		const shares = standing.flatMap(refund => (refund.lines ?? []).filter(share => share.sku === sku));
		const pieces = shares.reduce((all, share) => all + share.quantity, 0);
		if (pieces > quantity) say(`${pieces} of ${sku} were refunded of ${quantity}`);
		if (sumOf(shares) > lineTotal.amount) say(`${sumOf(shares)} was refunded of ${lineTotal.amount} for ${sku}`);
	}
	const shipped = standing.reduce((all, { shipping }) => all + (shipping?.amount ?? 0), 0);
	if (shipped > totals.shipping.amount) say(`${shipped} was refunded of ${totals.shipping.amount} for shipping`);
	for (const { id, amount, lines: shares = [], shipping } of standing)
		if (sumOf(shares) + (shipping?.amount ?? 0) > amount.amount) say(`the parts of ${id} are more than it`);
}

/** I3: at most one charge that was captured, each key once, never more than the order's total. */
export function checkCharges({ order, charges }: Books, tell: Tell): void {
	const keys = new Set<string>();
	for (const { key } of charges.flatMap(({ entries }) => entries)) {
		if (keys.has(key)) tell("I3", order._id, `${key} moved money more than once`);
		keys.add(key);
	}
	const captured = charges.filter(charge => capturedOf([charge]) > 0);
	if (captured.length > 1) tell("I3", order._id, `was charged ${captured.length} times`);
	const taken = capturedOf(charges);
	const { amount } = order.totals.total;
	if (taken > amount) tell("I3", order._id, `${taken} was captured for an order of ${amount}`);
}

/** I2: money that was kept belongs to an order that is paid, and every such order has it. */
export function checkKept({ order, charges }: Books, tell: Tell): void {
	const captured = charges.filter(charge => capturedOf([charge]) > 0);
	const left = capturedOf(charges) - sumOf(entriesOf(charges, "refund"));
	if (isPaid(order.status) && order.totals.total.amount > 0 && captured.length !== 1)
		tell("I2", order._id, `is ${order.status} and has ${captured.length} captured charges`);
	if (left > 0 && !isPaid(order.status)) tell("I2", order._id, `${left} was captured and kept; it is ${order.status}`);
}

/** I4: three books, kept by order, payments and provider, tell the same of every capture and every refund. */
export function checkBooks({ order, payments, charges }: Books, tell: Tell): void {
	const [payment] = payments;
	const say = (message: string) => tell("I4", order._id, message);
	const { currency } = order.totals.total;
	const atProvider = capturedOf(charges);
	const books = [order.payment.captured, payment?.captured ?? 0, atProvider];
	if (new Set(books).size > 1)
		say(`captured: the order says ${books[0]}, its payment ${books[1]}, the provider ${atProvider}`);
	const foreign = charges
		.flatMap(({ amount, entries }) => [amount, ...entries.map(entry => entry.amount)])
		.filter(amount => amount.currency !== currency);
	if (foreign[0]) say(`is in ${currency}, the provider moved ${show(foreign[0])}`);
	if (payment && payment.method !== "none" && show(payment.amount) !== show(order.payment.amount))
		say(`is over ${show(order.payment.amount)}, its payment over ${show(payment.amount)}`);
	for (const charge of charges)
		if (charge.amount.amount !== order.totals.total.amount)
			say(`costs ${order.totals.total.amount}, ${charge._id} is over ${charge.amount.amount}`);
	checkRefunds({ order, payment, charges }, say);
}

function checkRefunds(
	books: { order: OrderDocument; payment: PaymentDocument | undefined; charges: ChargeDocument[] },
	say: (message: string) => void,
): void {
	const { order, payment, charges } = books;
	const { currency } = payment?.amount ?? order.totals.total;
	const byOrder = new Map(order.refunds.map(refund => [refund.id, refund]));
	const byPayment = new Map(payment?.refunds.map(refund => [refund.id, refund]));
	const byProvider = new Map(entriesOf(charges, "refund").map(entry => [entry.key, entry.amount]));
	for (const id of new Set([...byOrder.keys(), ...byPayment.keys(), ...byProvider.keys()])) {
		const told = byOrder.get(id);
		const paid = byPayment.get(id);
		// What is under way is told as I10, and stands in some of the books only.
		if (told?.status === "pending" || paid?.status === "pending") continue;
		const views = [
			show(told?.status === "done" ? told.amount : undefined),
			show(paid?.status === "done" ? { amount: paid.amount, currency } : undefined),
			show(byProvider.get(id)),
		];
		if (new Set(views).size > 1)
			say(`refund ${id}: the order says ${views[0]}, its payment ${views[1]}, the provider ${views[2]}`);
	}
}

/** I4: each of the two books of money agrees with itself. */
export function checkPayments({ order, payments, charges }: Books, tell: Tell): void {
	const say = (message: string) => tell("I4", order._id, message);
	for (const { captured, refunded, refunding, refunds, status } of payments) {
		const sumOfThose = (is: string) =>
			refunds.filter(refund => refund.status === is).reduce((all, { amount }) => all + amount, 0);
		const [done, underWay] = [sumOfThose("done"), sumOfThose("pending")];
		// One that an earlier version wrote, and no node has adopted yet, does not say it.
		if (refunding !== undefined && refunding !== underWay)
			say(`its payment's refunds under way add up to ${underWay}, it has set ${refunding} aside`);
		if (done !== refunded) say(`its payment's refunds add up to ${done}, it says ${refunded}`);
		if (refunded > captured) say(`its payment refunded ${refunded} of ${captured}`);
		const isTaken = ["captured", "partially_refunded", "refunded"].includes(status);
		const expected = done === 0 ? "captured" : done < captured ? "partially_refunded" : "refunded";
		if (isTaken ? status !== expected : captured > 0)
			say(`its payment is ${status}, with ${captured} captured and ${done} refunded`);
	}
	for (const charge of charges) {
		const captured = capturedOf([charge]);
		const refunded = sumOf(entriesOf([charge], "refund"));
		if (charge.refunded !== refunded) say(`the provider's refunds add up to ${refunded}, it says ${charge.refunded}`);
		if (refunded > captured) say(`the provider refunded ${refunded} of ${captured}`);
		if ((charge.state === "captured") !== captured > 0) say(`its charge is ${charge.state}, with ${captured} captured`);
	}
}

/** I2: order, payment and charge name each other, and say the same of how the payment stands. */
export function checkLinks({ order, payments, charges }: Books, tell: Tell): void {
	const [payment] = payments;
	const say = (message: string) => tell("I2", order._id, message);
	const ids = new Set(charges.map(({ _id }) => _id));
	if (payment?.chargeId && !ids.has(payment.chargeId))
		say(`its payment names ${payment.chargeId}, which is no charge of it`);
	// One that failed says so, whatever it was that failed.
	if (!isPaid(order.status) && order.status !== "cancelled") return;
	if (isPaid(order.status) && payment && order.payment.chargeId !== payment.chargeId)
		say(`names the charge ${order.payment.chargeId}, its payment ${payment.chargeId}`);
	if (payment && isEnded(order) && order.payment.status !== payment.status)
		say(`says its payment is ${order.payment.status}, which is ${payment.status}`);
}
