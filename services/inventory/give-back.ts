import type { Clock } from "../../lib/clock.ts";
import { DomainError } from "../../lib/errors.ts";
import { type Book, bookOf, isFenced } from "./domain/book.ts";
import { ledgerId } from "./domain/ledger.ts";
import type { LineGivenBack, StockLine } from "./inventory.contract.ts";
import type { LedgerRepository } from "./ledger.repository.ts";
import type { StockRepository } from "./stock.repository.ts";
import { type Cause, fencing, releasing, returning, type StockUpdate } from "./stock.updates.ts";

const MAX_TRIES = 8;

interface Books {
	stock: StockRepository;
	ledger: LedgerRepository;
}
interface Deps extends Books {
	clock: Clock;
	/** Told after every change of these SKUs. */
	onChanged(skus: readonly string[]): void;
}

/** What every location of these SKUs knows of a reference. */
export async function readBooks({ stock, ledger }: Books, reference: string, skus: readonly string[]): Promise<Book[]> {
	// In this order: an entry that has left a document by now is in the ledger.
	const looks = await stock.look(skus, reference);
	const written = await ledger.ofReference(reference, skus);
	return looks.map(look => {
		const known = new Set(look.journal.map(({ id }) => ledgerId(id, look._id)));
		const here = written.filter(({ _id, sku, location }) => `${sku}@${location}` === look._id && !known.has(_id));
		return bookOf(look, [...look.journal, ...here]);
	});
}

/**
 * Puts every line of a reference right, whatever state it is in: what is held is released, what was sold comes back to
 * where it was sold from (once, and as many as were sold), and the rest is fenced, so that a command that is still on
 * its way changes nothing. Each line stands for itself. Idempotent.
 * @throws SERVICE_UNAVAILABLE with the lines that must be tried again; the others are done
 */
export async function giveBack(
	deps: Deps,
	reference: string,
	lines: readonly Pick<StockLine, "sku">[],
): Promise<LineGivenBack[]> {
	const { stock, clock, onChanged } = deps;
	const skus = [...new Set(lines.map(({ sku }) => sku))];
	const cause = { reference, reason: null, actor: null };
	for (let tries = 0; ; tries++) {
		const at = clock.now();
		const books = await readBooks(deps, reference, skus);
		const open = books.map(book => ({ sku: book.look.sku, updates: updatesOf(book, cause, at) }));
		const updates = open.flatMap(item => item.updates);
		if (updates.length === 0) return skus.map(sku => givenBack(sku, books));
		if (tries === MAX_TRIES) throw unfinished(open.filter(item => item.updates.length > 0).map(({ sku }) => sku));
		await stock.apply(updates);
		onChanged(skus);
	}
}

function givenBack(sku: string, books: readonly Book[]): LineGivenBack {
	const here = books.filter(({ look }) => look.sku === sku);
	return {
		sku,
		released: here.reduce((sum, { released }) => sum + released, 0),
		returned: here.reduce((sum, { returned }) => sum + returned, 0),
	};
}

function updatesOf(book: Book, cause: Cause, at: Date): StockUpdate[] {
	const { look, sold, returned } = book;
	return [
		...(look.hold ? [releasing(look, look.hold, cause, at)] : []),
		...(sold > returned ? [returning(look, sold - returned, cause, at)] : []),
		...(look.hold || sold > returned || isFenced(book) ? [] : [fencing(look, cause.reference, at)]),
	];
}

const unfinished = (skus: readonly string[]): DomainError =>
	new DomainError("SERVICE_UNAVAILABLE", `Stock is changing too fast, try again: ${skus.join(", ")}`, {
		retryAfterSeconds: 1,
	});
