import type { OrderDocument } from "./documents.ts";

/** Statuses in which the shop has the customer's money, unless it was refunded. */
const PAID = new Set(["paid", "partially_shipped", "shipped", "delivered"]);
const NEXT: Readonly<Record<string, readonly string[]>> = {
	pending: ["paid", "awaiting_payment", "failed"],
	awaiting_payment: ["paid", "cancelled"],
	paid: ["partially_shipped", "shipped", "cancelled"],
	partially_shipped: ["shipped"],
	shipped: ["delivered"],
};

export const isPaid = (status: string): boolean => PAID.has(status);

/** Goods were sold to it and have not come back. */
export const holdsGoods = (status: string): boolean => PAID.has(status) || status === "awaiting_payment";

/** It was bought: also when it was taken back later. */
export const isPlaced = (status: string): boolean => holdsGoods(status) || status === "cancelled";

/** No saga works on it. */
export const isEnded = ({ position, lease }: Pick<OrderDocument, "position" | "lease">): boolean =>
	position === "done" && !lease;

export function isExplained({ status, history }: OrderDocument): boolean {
	if (history.length === 0 || history[0]?.from !== null || history.at(-1)?.to !== status) return false;
	return history.every(
		(move, i) => i === 0 || (move.from === history[i - 1]?.to && (NEXT[move.from ?? ""] ?? []).includes(move.to)),
	);
}
