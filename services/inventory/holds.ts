import type { Clock } from "../../lib/clock.ts";
import { DomainError, notFound } from "../../lib/errors.ts";
import { newId } from "../../lib/ids.ts";
import { isLapsed, isSold } from "./domain/book.ts";
import { entryId, ledgerId } from "./domain/ledger.ts";
import { DEFAULT_LOCATION, insufficient, type LineState, lineState, mergeLines, stockId } from "./domain/stock.ts";
import { giveBack, readBooks } from "./give-back.ts";
import type { LineGivenBack, StockLine } from "./inventory.contract.ts";
import type { LedgerRepository } from "./ledger.repository.ts";
import type { Look, StockRepository } from "./stock.repository.ts";
import { type Cause, LOOK_TTL_MS, retaking } from "./stock.updates.ts";

const MAX_TRIES = 5;

interface Deps {
	stock: StockRepository;
	ledger: LedgerRepository;
	clock: Clock;
	reservationTtlMs: number;
	/** Told after every change of these SKUs. */
	onChanged(skus: readonly string[]): void;
}

/** What may happen to stock. Each change is one conditional update per SKU; the second look is only for refusals. */
export class Holds {
	readonly #deps: Deps;

	constructor(deps: Deps) {
		this.#deps = deps;
	}

	/** Holds all lines for a reference, or none of them. @returns when the holds end by themselves */
	async reserve(reference: string, wanted: readonly StockLine[]): Promise<Date> {
		const { stock, clock, reservationTtlMs, onChanged } = this.#deps;
		const lines = mergeLines(wanted);
		const skus = lines.map(({ sku }) => sku);
		const now = clock.now();
		const hold = { ref: reference, expiresAt: new Date(now.getTime() + reservationTtlMs), call: newId("led") };
		const cause = { reference, reason: null, actor: null };
		let open = lines;
		let isAnyHeld = false;
		const giveBack = async () => {
			if (isAnyHeld) await stock.undo(lines, hold, now);
		};
		for (let tries = 0; tries < MAX_TRIES; tries++) {
			const held = await stock.reserve(open, hold, cause, now);
			isAnyHeld ||= held !== 0;
			if (held !== 0) onChanged(skus);
			if (held === open.length) return hold.expiresAt;
			const looks = await stock.look(skus, reference);
			const states = new Map(lines.map(line => [line.sku, stateOf(line, looks)]));
			open = lines.filter(({ sku }) => states.get(sku) !== "held");
			if (open.length === 0) return endOf(looks) ?? now;
			if (open.some(({ sku }) => states.get(sku) !== "possible")) {
				await giveBack();
				throw refusal(reference, states);
			}
		}
		await giveBack();
		throw new DomainError("SERVICE_UNAVAILABLE", "Stock is changing too fast, try again", { retryAfterSeconds: 1 });
	}

	/**
	 * What was held is sold; where the hold ran out, it is sold from what is available, if nobody took it meanwhile.
	 * CONFLICT names the lines for which neither was possible; the others are sold.
	 */
	async commit(reference: string, wanted: readonly StockLine[]): Promise<void> {
		const { stock, ledger, clock, onChanged } = this.#deps;
		const lines = mergeLines(wanted);
		const skus = lines.map(({ sku }) => sku);
		const cause = { reference, reason: null, actor: null };
		const changed = await stock.commit(lines, cause, clock.now());
		if (changed > 0) onChanged(skus);
		if (changed === lines.length) return;
		const again = { ...cause, reason: "sold after its hold had ended" };
		let left = lines;
		for (let tries = 0; tries < MAX_TRIES; tries++) {
			const at = clock.now();
			const books = await readBooks({ stock, ledger }, reference, skus);
			left = lines.filter(line => !isSold(line, books));
			const retakes = left.flatMap(({ sku, quantity }) =>
				books
					.filter(book => book.look.sku === sku && isLapsed(book))
					.map(({ look }) => retaking(look, quantity, again, at)),
			);
			if (retakes.length === 0 || (await stock.apply(retakes)) === 0) break;
			onChanged(skus);
		}
		if (left.length === 0) return;
		throw new DomainError("CONFLICT", `Nothing is held for ${reference} any more of ${names(left)}`, {
			errors: left.map(({ sku }) => ({ field: sku, code: "HOLD_ENDED", message: "Its hold has ended" })),
		});
	}

	/** What is held goes back, what was sold comes back, and what comes late finds its end: see `giveBack`. */
	giveBack(reference: string, lines: readonly StockLine[]): Promise<LineGivenBack[]> {
		return giveBack(this.#deps, reference, lines);
	}

	/** Goods came in, each receipt once per reference. */
	async receive(items: readonly (StockLine & Cause & { location?: string })[]): Promise<void> {
		const { stock, ledger, clock, onChanged } = this.#deps;
		const receipts = items.map(item => {
			const location = item.location ?? DEFAULT_LOCATION;
			const id = stockId(item.sku, location);
			return { ...item, location, id, entry: ledgerId(entryId(item.reference, "receive"), id) };
		});
		let left = receipts;
		for (let tries = 0; tries < MAX_TRIES; tries++) {
			const lookedAt = clock.nowMs();
			const written = await ledger.find(left.map(({ entry }) => entry));
			left = left.filter(({ entry }) => !written.has(entry));
			if (left.length === 0) return;
			// Held up for so long, it may not rely on what the stock documents remember: it looks again.
			if (clock.nowMs() - lookedAt > LOOK_TTL_MS) continue;
			const applied = await stock.receive(
				left.map(({ id: _i, entry: _e, ...item }) => item),
				clock.now(),
			);
			onChanged(left.map(({ sku }) => sku));
			if (applied === left.length) return;
			const done = await stock.remembering(left);
			left = left.filter(({ id, reference }) => !done.has(`${reference}:${id}`));
			if (left.length === 0) return;
		}
		throw new DomainError("SERVICE_UNAVAILABLE", "Stock is changing too fast, try again");
	}

	/** A correction by hand. CONFLICT when it would take what is available below zero. */
	async adjust(sku: string, location: string | undefined, delta: number, cause: Cause): Promise<void> {
		const { stock, ledger, clock, onChanged } = this.#deps;
		const id = stockId(sku, location ?? DEFAULT_LOCATION);
		if (!(await stock.adjust(id, delta, cause, clock.now()))) {
			const look = (await stock.look([sku], cause.reference)).find(({ _id }) => _id === id);
			if (!look) throw notFound(`Stock of ${sku} at ${location ?? DEFAULT_LOCATION}`);
			const entry = ledgerId(entryId(cause.reference, "adjust"), id);
			const isDone = look.ends.includes("adjusted") || (await ledger.find([entry])).size > 0;
			if (!isDone) {
				throw new DomainError("CONFLICT", `Only ${look.available} of ${sku} are available`);
			}
		}
		onChanged([sku]);
	}
}

const names = (lines: readonly StockLine[]): string => lines.map(({ sku }) => sku).join(", ");

function stateOf({ sku, quantity }: StockLine, looks: readonly Look[]): LineState | "busy" {
	const here = looks.filter(look => look.sku === sku);
	const state = lineState(quantity, here);
	return state === "possible" && here.some(look => look.isJournalFull) ? "busy" : state;
}

function endOf(looks: readonly Look[]): Date | undefined {
	const ends = looks.flatMap(({ hold }) => (hold ? [hold.expiresAt] : []));
	return ends.reduce<Date | undefined>((first, end) => (first && first < end ? first : end), undefined);
}

function refusal(reference: string, states: ReadonlyMap<string, LineState | "busy">): DomainError {
	const having = (...wanted: (LineState | "busy")[]) =>
		[...states].filter(([, state]) => wanted.includes(state)).map(([sku]) => sku);
	if (having("busy").length > 0) {
		return new DomainError("SERVICE_UNAVAILABLE", "The stock ledger is behind, try again", { retryAfterSeconds: 1 });
	}
	const finished = having("finished", "mismatch");
	if (finished.length === 0) return insufficient(having("insufficient"));
	return new DomainError("CONFLICT", `${reference} has ended for ${finished.join(", ")}: it cannot hold it again`);
}
