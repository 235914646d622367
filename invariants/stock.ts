import type { ShopState, StockState } from "./shop-state.ts";
import type { Violation } from "./violation.ts";

const COUNTERS = ["available", "reserved", "sold", "received", "returned"] as const;
/** Statuses in which an order holds goods that were sold. */
const HOLDS_GOODS = new Set(["paid", "awaiting_payment", "partially_shipped", "shipped", "delivered"]);

/** I1: nothing appears or vanishes; what is reserved is what the reservations say; the ledger adds up to the counters. */
export function checkStock({ stock, ledger }: ShopState): Violation[] {
	const entries = Map.groupBy(ledger, entry => `${entry.sku}@${entry.location}`);
	return stock.flatMap(document => [
		...balance(document),
		...(document.journal?.length ? [] : fold(document, entries.get(document._id) ?? [])),
	]);
}

function balance(document: StockState): Violation[] {
	const { _id, available, reserved, sold, returned, received, adjusted, reservations } = document;
	const found: Violation[] = [];
	const tell = (message: string) => found.push({ invariant: "I1", subject: _id, message });
	if (available + reserved + sold - returned !== received + adjusted) {
		tell(
			`available ${available} + reserved ${reserved} + sold ${sold} − returned ${returned} ≠ received ${received} + adjusted ${adjusted}`,
		);
	}
	for (const counter of COUNTERS) if (document[counter] < 0) tell(`${counter} is ${document[counter]}`);
	const held = reservations.reduce((sum, { quantity }) => sum + quantity, 0);
	if (held !== reserved) tell(`reserved is ${reserved}, the reservations hold ${held}`);
	return found;
}

function fold({ _id, ...document }: StockState, entries: ShopState["ledger"]): Violation[] {
	const sums = { receive: 0, adjust: 0, reserve: 0, commit: 0, release: 0, return: 0 };
	for (const { kind, quantity } of entries)
		sums[kind] += Math.abs(quantity) * (kind === "adjust" ? Math.sign(quantity) : 1);
	const expected = {
		received: sums.receive,
		adjusted: sums.adjust,
		sold: sums.commit,
		returned: sums.return,
		reserved: sums.reserve - sums.commit - sums.release,
	};
	return (Object.keys(expected) as (keyof typeof expected)[])
		.filter(counter => expected[counter] !== document[counter])
		.map(counter => ({
			invariant: "I1",
			subject: _id,
			message: `the ledger adds up to ${counter} ${expected[counter]}, the counter says ${document[counter]}`,
		}));
}

/** I5: what orders hold is what was sold and did not come back, and no more than there ever was. */
export function checkOversell({ stock, orders }: ShopState): Violation[] {
	const held = new Map<string, number>();
	for (const order of orders.filter(({ status }) => HOLDS_GOODS.has(status))) {
		for (const { sku, quantity } of order.lines) held.set(sku, (held.get(sku) ?? 0) + quantity);
	}
	const bySku = Map.groupBy(stock, ({ sku }) => sku);
	const skus = new Set([...held.keys(), ...bySku.keys()]);
	return [...skus].flatMap(sku => {
		const documents = bySku.get(sku) ?? [];
		const total = (pick: (document: StockState) => number) =>
			documents.reduce((sum, document) => sum + pick(document), 0);
		const inOrders = held.get(sku) ?? 0;
		const owned = total(({ received, adjusted }) => received + adjusted);
		const sold = total(document => document.sold - document.returned);
		const found: Violation[] = [];
		if (inOrders > owned)
			found.push({ invariant: "I5", subject: sku, message: `orders hold ${inOrders}, there ever were ${owned}` });
		if (inOrders !== sold)
			found.push({ invariant: "I5", subject: sku, message: `orders hold ${inOrders}, ${sold} were sold and kept` });
		return found;
	});
}
