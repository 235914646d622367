import type { MovementKind } from "./documents.ts";
import type { Books } from "./order-books.ts";
import { holdsGoods, isEnded } from "./order-states.ts";
import type { Tell } from "./violation.ts";

/** I5, order by order: what the ledger sold to it and did not take back is what it holds; nothing is left on hold. */
export function checkGoods({ order, movements }: Books, tell: Tell): void {
	if (!isEnded(order)) return;
	const wanted = new Map<string, number>();
	if (holdsGoods(order.status))
		for (const { sku, quantity } of order.lines) wanted.set(sku, (wanted.get(sku) ?? 0) + quantity);
	const bySku = Map.groupBy(movements, ({ sku }) => sku);
	for (const sku of new Set([...wanted.keys(), ...bySku.keys()])) {
		const moved = (kind: MovementKind) =>
			(bySku.get(sku) ?? []).filter(entry => entry.kind === kind).reduce((sum, { quantity }) => sum + quantity, 0);
		const kept = moved("commit") - moved("return");
		const expected = wanted.get(sku) ?? 0;
		if (kept !== expected) tell("I5", order._id, `holds ${expected} of ${sku}, the ledger sold it ${kept}`);
		const onHold = -moved("reserve") - moved("release") - moved("commit");
		if (onHold !== 0) tell("I1", order._id, `has ended, and by the ledger ${onHold} of ${sku} are on hold for it`);
	}
}
