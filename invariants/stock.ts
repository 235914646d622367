import type { JournalEntry, Movement, MovementKind, StockDocument } from "./documents.ts";
import { type Reader, type Stretch, within } from "./reader.ts";
import type { ShopPicture } from "./shop-picture.ts";
import type { Tell } from "./violation.ts";

const COUNTERS = ["available", "reserved", "sold", "received", "returned"] as const;
/** What the sign of a quantity must be. */
const SIGNS: Readonly<Record<MovementKind, number>> = {
	receive: 1,
	adjust: 0,
	reserve: -1,
	commit: 1,
	release: 1,
	return: 1,
};
const OF_ORDERS = "ord_";

const movement = (
	{ _id, sku, location }: StockDocument,
	{ id, kind, quantity, reference }: JournalEntry,
): Movement => ({
	_id: `${id}:${_id}`,
	sku,
	location,
	kind,
	quantity,
	reference,
});

/** What the ledger does not have yet: read before it, so that nothing is missed on its way. */
export async function noteJournals(reader: Reader, picture: ShopPicture): Promise<void> {
	for await (const stock of reader.each<StockDocument>("inventory", "stock", {
		filter: { dirtyAt: { $exists: true } },
	})) {
		for (const owed of stock.journal ?? []) {
			const known = picture.waitingMovements.get(owed.reference) ?? [];
			known.push(movement(stock, owed));
			picture.waitingMovements.set(owed.reference, known);
		}
	}
}

/** I1 and I5: each SKU at each place against its reservations, its ledger, and what orders hold of it. */
export async function checkStock(reader: Reader, picture: ShopPicture, tell: Tell): Promise<void> {
	const sold = new Map<string, { owned: number; kept: number }>();
	for await (const { documents, stretch } of reader.pages<StockDocument>("inventory", "stock")) {
		picture.checked.skus += documents.length;
		const folded = await foldLedger(reader, stretch, documents, tell);
		for (const stock of documents) {
			checkBalance(stock, tell);
			checkFold(stock, folded.get(stock._id) ?? {}, tell);
			checkHolds(stock, picture, tell);
			const sums = sold.get(stock.sku) ?? { owned: 0, kept: 0 };
			sums.owned += stock.received + stock.adjusted;
			sums.kept += stock.sold - stock.returned;
			sold.set(stock.sku, sums);
			folded.delete(stock._id);
		}
		for (const [id] of folded) tell("I1", id, "has entries in the ledger, and there is no such stock");
	}
	for (const sku of new Set([...sold.keys(), ...picture.heldByOrders.keys()])) {
		const { owned, kept } = sold.get(sku) ?? { owned: 0, kept: 0 };
		const held = picture.heldByOrders.get(sku) ?? 0;
		if (held > owned) tell("I5", sku, `orders hold ${held}, there ever were ${owned}`);
		if (held !== kept) tell("I5", sku, `orders hold ${held}, ${kept} were sold and kept`);
	}
}

type Sums = Partial<Record<MovementKind, number>>;

/** Adds the ledger up, entry by entry, by stock document. */
async function foldLedger(
	reader: Reader,
	stretch: Stretch,
	documents: readonly StockDocument[],
	tell: Tell,
): Promise<Map<string, Sums>> {
	const sums = new Map<string, Sums>();
	const add = ({ _id, sku, location, kind, quantity, reference }: Movement) => {
		const stock = `${sku}@${location}`;
		const own = sums.get(stock) ?? {};
		own[kind] = (own[kind] ?? 0) + quantity;
		sums.set(stock, own);
		if (Math.sign(quantity) !== SIGNS[kind] && kind !== "adjust") tell("I1", _id, `is a ${kind} of ${quantity}`);
		if (!_id.startsWith(`${reference}:${kind}`) || !_id.endsWith(`:${stock}`))
			tell("I1", _id, "is not what its id says");
		if ((kind === "receive" || kind === "adjust") && reference.startsWith(OF_ORDERS))
			tell("I1", _id, `is a ${kind} for an order`);
	};
	const owed = new Map(
		documents.flatMap(stock =>
			(stock.journal ?? []).map(entry => [`${entry.id}:${stock._id}`, movement(stock, entry)]),
		),
	);
	const filter = { sku: within({ after: skuOf(stretch.after), upTo: skuOf(stretch.upTo) }) };
	const ids = new Set(documents.map(({ _id }) => _id));
	for await (const entry of reader.each<Movement>("inventory", "ledger", { filter })) {
		// A SKU of two places may lie on both sides of a page's edge.
		if (skuOf(stretch.upTo) === entry.sku && !ids.has(`${entry.sku}@${entry.location}`)) continue;
		owed.delete(entry._id);
		add(entry);
	}
	for (const entry of owed.values()) add(entry);
	return sums;
}

const skuOf = (id: string | undefined): string | undefined => id?.slice(0, id.lastIndexOf("@"));

function checkBalance(stock: StockDocument, tell: Tell): void {
	const { _id, available, reserved, sold, returned, received, adjusted, reservations } = stock;
	const say = (message: string) => tell("I1", _id, message);
	if (available + reserved + sold - returned !== received + adjusted)
		say(
			`available ${available} + reserved ${reserved} + sold ${sold} − returned ${returned} ≠ received ${received} + adjusted ${adjusted}`,
		);
	for (const counter of COUNTERS) if (stock[counter] < 0) say(`${counter} is ${stock[counter]}`);
	const held = reservations.reduce((sum, { quantity }) => sum + quantity, 0);
	if (held !== reserved) say(`reserved is ${reserved}, the reservations hold ${held}`);
	if (new Set(reservations.map(({ ref }) => ref)).size < reservations.length) say("holds for one reference twice");
}

function checkFold(stock: StockDocument, sums: Sums, tell: Tell): void {
	const { receive = 0, adjust = 0, reserve = 0, commit = 0, release = 0, return: back = 0 } = sums;
	const expected = {
		received: receive,
		adjusted: adjust,
		sold: commit,
		returned: back,
		reserved: -reserve - release - commit,
		available: receive + adjust + reserve + release + back,
	};
	for (const counter of Object.keys(expected) as (keyof typeof expected)[])
		if (expected[counter] !== stock[counter])
			tell(
				"I1",
				stock._id,
				`the ledger adds up to ${counter} ${expected[counter]}, the counter says ${stock[counter]}`,
			);
}

/** I10: what is held is held for an order that still needs it, and no longer than it may. */
function checkHolds({ _id, reservations }: StockDocument, { running, now }: ShopPicture, tell: Tell): void {
	for (const { ref, expiresAt } of reservations) {
		if (!running.has(ref)) tell("I10", _id, `is held for ${ref}, which does not run`);
		if (now.getTime() - expiresAt.getTime() > EXPIRY_WITHIN_MS) tell("I10", _id, `is held for ${ref} past its time`);
	}
}

/** Holds whose time is up are ended within a second or two. */
const EXPIRY_WITHIN_MS = 60_000;
