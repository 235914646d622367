import { DomainError } from "../../../lib/errors.ts";
import type { Money } from "../../../lib/money.ts";
import type { RefundLine } from "../orders.contract.ts";
import type { OrderDocument } from "../orders.model.ts";

/** A provider that says neither yes nor no for so long has to be asked by a person. */
export const MAX_WAIT_MS = 7 * 86_400_000;

/** What a refund is asked for: an amount, lines and shipping, or all that is left when neither is said. */
export interface RefundRequest {
	amount?: Money;
	lines?: readonly { sku: string; quantity: number }[];
	shipping?: Money;
}

/** What a refund takes of an order. An amount that was asked for without lines belongs to none of them. */
export interface Share {
	amount: Money;
	lines: RefundLine[];
	shipping: Money;
}

type Refunded = Pick<OrderDocument, "lines" | "refunds" | "refundTotal" | "totals" | "payment">;

/** A refund that failed has given its share back. */
const standing = ({ refunds }: Pick<Refunded, "refunds">) => refunds.filter(({ status }) => status !== "failed");

/** Pieces and money of a line that were refunded, or are about to be. */
export function takenOf(order: Refunded, lineId: string): { quantity: number; amount: number } {
	const lines = standing(order).flatMap(({ lines: shares = [] }) => shares.filter(share => share.lineId === lineId));
	return {
		quantity: lines.reduce((sum, { quantity }) => sum + quantity, 0),
		amount: lines.reduce((sum, { amount }) => sum + amount.amount, 0),
	};
}

/** What may still be refunded: of the order, and of each line and of shipping, none of them above the order's. */
export function refundableOf(order: Refunded): { order: number; lines: RefundLine[]; shipping: number } {
	const { currency } = order.payment.amount;
	const left = Math.max(0, order.payment.captured - order.refundTotal);
	const shipped = standing(order).reduce((sum, { shipping }) => sum + (shipping?.amount ?? 0), 0);
	return {
		order: left,
		lines: order.lines.map(({ id, sku, quantity, lineTotal }) => {
			const taken = takenOf(order, id);
			const amount = Math.min(lineTotal.amount - taken.amount, left);
			return { lineId: id, sku, quantity: quantity - taken.quantity, amount: { amount, currency } };
		}),
		shipping: Math.min(order.totals.shipping.amount - shipped, left),
	};
}

/**
 * The share of a request, in whole minor units: pieces of a line cost what the line cost, to the last cent.
 * @throws VALIDATION_ERROR for what the order never had, CONFLICT with what is refundable above what is left
 */
export function shareOf(order: Refunded, request: RefundRequest): Share {
	const { currency } = order.payment.amount;
	const { amount, lines, shipping } = request;
	if (amount && (lines || shipping)) throw invalid("amount", "Say an amount, or lines and shipping, not both");
	for (const [field, money] of Object.entries({ amount, shipping })) {
		if (money && money.currency !== currency) throw invalid(`${field}.currency`, `The order was paid in ${currency}`);
		if (money?.amount === 0) throw invalid(`${field}.amount`, "There is nothing to refund in 0");
	}
	const none = { lines: [], shipping: { amount: 0, currency } };
	const share = amount
		? { ...none, amount }
		: lines || shipping
			? sharesOf(order, lines ?? [], shipping ?? none.shipping)
			: rest(order);
	if (share.amount.amount > refundableOf(order).order || share.amount.amount <= 0) throw beyond(order);
	return share;
}

function sharesOf(order: Refunded, asked: readonly { sku: string; quantity: number }[], shipping: Money): Share {
	const { currency } = order.payment.amount;
	const left = refundableOf(order);
	const quantities = new Map<string, number>();
	for (const { sku, quantity } of asked) quantities.set(sku, (quantities.get(sku) ?? 0) + quantity);
	const lines = [...quantities].map(([sku, quantity]): RefundLine => {
		const line = order.lines.find(ordered => ordered.sku === sku);
		if (!line || quantity > line.quantity) throw invalid("lines", `The order has no ${quantity} of ${sku}`);
		const taken = takenOf(order, line.id);
		if (taken.quantity + quantity > line.quantity) throw beyond(order);
		const upTo = (pieces: number) => Number((BigInt(line.lineTotal.amount) * BigInt(pieces)) / BigInt(line.quantity));
		const amount = upTo(taken.quantity + quantity) - upTo(taken.quantity);
		return { lineId: line.id, sku, quantity, amount: { amount, currency } };
	});
	if (shipping.amount > left.shipping) throw beyond(order);
	const total = lines.reduce((sum, { amount }) => sum + amount.amount, shipping.amount);
	return { amount: { amount: total, currency }, lines, shipping };
}

/** All that is left, line by line where nothing was refunded by amount alone. */
function rest(order: Refunded): Share {
	const { currency } = order.payment.amount;
	const left = refundableOf(order);
	const lines = left.lines.filter(({ quantity, amount }) => quantity > 0 || amount.amount > 0);
	const total = lines.reduce((sum, { amount }) => sum + amount.amount, left.shipping);
	const isByLine = total === left.order;
	return {
		amount: { amount: left.order, currency },
		lines: isByLine ? lines : [],
		shipping: { amount: isByLine ? left.shipping : 0, currency },
	};
}

function beyond(order: Refunded): DomainError {
	const { currency } = order.payment.amount;
	const left = refundableOf(order);
	const money = (amount: number) => ({ amount, currency });
	const message =
		left.order === 0
			? "There is nothing left to refund"
			: "That is more than was captured and is not refunded yet, of the order or of a part of it";
	return new DomainError("CONFLICT", message, {
		details: {
			refundable: money(left.order),
			lines: left.lines.map(({ sku, quantity, amount }) => ({ sku, quantity, amount })),
			shipping: money(left.shipping),
		},
	});
}

const invalid = (field: string, message: string): DomainError =>
	new DomainError("VALIDATION_ERROR", message, { errors: [{ field, code: "invalid", message }] });
