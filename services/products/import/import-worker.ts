import { errorLine, MAX_ATTEMPTS } from "../../../lib/attempts.ts";
import { newEvent } from "../../../lib/events.ts";
import { newId } from "../../../lib/ids.ts";
import { createLoop, type Loop } from "../../../lib/loop.ts";
import type { LevelChange } from "../../inventory/inventory.contract.ts";
import type { CategoriesRepository } from "../categories.repository.ts";
import { type Categories, pathTo } from "../domain/categories.ts";
import { HOPELESS, isHopeless } from "../domain/import-row.ts";
import type { ImportJobDocument } from "./import.model.ts";
import type { BatchResult, ImportRepository, Line } from "./import.repository.ts";
import { parseRow } from "./parse-row.ts";
import type { NumberedRow, RowWriter, Written } from "./row-writer.ts";

const BATCH_ROWS = 500;
const SWEEP_MS = 2_000;
const HEARTBEAT_MS = 1_000;

interface Deps {
	imports: ImportRepository;
	writer: RowWriter;
	categories: CategoriesRepository;
	nowMs(): number;
	/** Receives stock; gives the levels after it. */
	receive(items: { sku: string; quantity: number; reference: string }[]): Promise<LevelChange[]>;
	knownLevels(skus: readonly string[]): Promise<LevelChange[]>;
	/** After each batch: cached reads are stale, the job's outbox has an event. */
	onBatch(jobId: string): Promise<void>;
	onError(error: unknown): void;
}

/**
 * Works imports off, one at a time, batch by batch. Any node may take up a job whose worker went silent: it goes on
 * at the row where the last counted batch ended.
 */
export class ImportWorker {
	readonly #deps: Deps;
	readonly #loop: Loop;
	#current: Promise<void> | undefined;
	#isStopping = false;

	constructor(deps: Deps) {
		this.#deps = deps;
		this.#loop = createLoop(SWEEP_MS, () => this.#sweep(), deps.onError);
	}

	start(): void {
		this.#loop.start();
	}

	/** Ends after the batch under way. */
	async stop(): Promise<void> {
		this.#isStopping = true;
		await this.#loop.stop();
		await this.#current?.catch(this.#deps.onError);
	}

	/** Works on this job if it is nobody's. */
	async run(jobId: string): Promise<void> {
		while (this.#current) await this.#current.catch(() => undefined);
		if (this.#isStopping) return;
		this.#current = this.#work(jobId).finally(() => {
			this.#current = undefined;
		});
		await this.#current;
	}

	async #sweep(): Promise<void> {
		for (const jobId of await this.#deps.imports.waiting()) await this.run(jobId);
	}

	async #work(jobId: string): Promise<void> {
		const { imports } = this.#deps;
		const owner = newId("job");
		const job = await imports.claim(jobId, owner);
		if (!job) return;
		// Its workers died so often without a word: it is parked before it takes this one, too.
		if (job.attempts > MAX_ATTEMPTS) return imports.postpone(job, owner, "its workers end without a word");
		const heartbeat = setInterval(() => void imports.renew(jobId, owner).catch(this.#deps.onError), HEARTBEAT_MS);
		try {
			await this.#batches(job, owner);
		} catch (error) {
			this.#deps.onError(error);
			await imports.postpone(job, owner, errorLine(error));
		} finally {
			clearInterval(heartbeat);
		}
	}

	async #batches(start: ImportJobDocument, owner: string): Promise<void> {
		const { imports, nowMs } = this.#deps;
		const job = { ...start };
		for (; job.chunk < job.chunks; job.chunk++, job.line = 0) {
			const chunk = await imports.lines(job._id, job.chunk);
			if (!chunk) return imports.finish(job._id, owner, "failed", new Date(nowMs()));
			while (job.line < chunk.lines.length) {
				if (this.#isStopping) return imports.letGo(job._id, owner);
				const lines = chunk.lines.slice(job.line, job.line + BATCH_ROWS);
				const row = chunk.firstLine + job.line + 1;
				const isOurs = await this.#batch(job, owner, lines, row);
				if (!isOurs) return;
				job.line += lines.length;
				if (isHopeless(job))
					return imports.finish(job._id, owner, "failed", new Date(nowMs()), {
						row: row + lines.length - 1,
						...HOPELESS,
					});
			}
			if (!(await imports.nextChunk(job, owner))) return;
		}
		await imports.finish(job._id, owner, "done", new Date(nowMs()));
	}

	/** @returns whether the batch counted: not when another worker has the job by now */
	async #batch(job: ImportJobDocument, owner: string, lines: readonly Line[], first: number): Promise<boolean> {
		const { imports, categories, nowMs, onBatch } = this.#deps;
		// Who slept while another one took over finds out before it writes; what it is just writing, rows refuse.
		if (!(await imports.renew(job._id, owner))) return false;
		const known = await categories.all();
		const { rows, errors, processed } = parsed(lines, first, known);
		const written: Written = { created: [], updated: [], errors };
		for (const round of rounds(rows)) {
			const one = await this.#write(job, round, known);
			written.created.push(...one.created);
			written.updated.push(...one.updated);
			written.errors.push(...one.errors);
		}
		const { created, updated } = written;
		const now = new Date(nowMs());
		const sequence = job.chunk * 1_000_000 + job.line;
		const event =
			created.length + updated.length > 0
				? newEvent("product.imported", { jobId: job._id, created, updated }, { sequence, now })
				: undefined;
		const counts: BatchResult = {
			lines: lines.length,
			processed,
			created: created.length,
			updated: updated.length,
			errors: written.errors.sort((a, b) => a.row - b.row),
		};
		const isOurs = await imports.advance(job, owner, counts, event);
		if (isOurs) {
			job.attempts = 1;
			job.processed += processed;
			job.failed += written.errors.length;
		}
		await onBatch(job._id);
		return isOurs;
	}

	#write(job: ImportJobDocument, rows: readonly NumberedRow[], known: Categories): Promise<Written> {
		const { writer, receive, knownLevels, nowMs } = this.#deps;
		return writer.write(rows, {
			jobId: job._id,
			now: new Date(nowMs()),
			pathOf: slug => pathTo(known, slug).map(category => category.slug),
			levelsOf: async skus => {
				if (skus.length === 0) return new Map();
				const items = skus.map(sku => ({ sku, quantity: job.stock, reference: `${job._id}:${sku}` }));
				const levels = job.stock > 0 ? await receive(items) : await knownLevels(skus);
				return new Map(levels.map(level => [level.sku, level]));
			},
		});
	}
}

function parsed(lines: readonly Line[], first: number, categories: Categories) {
	const slugs = new Set(categories.map(({ slug }) => slug));
	const rows: NumberedRow[] = [];
	const errors: Written["errors"] = [];
	let processed = 0;
	for (const [i, line] of lines.entries()) {
		if (line?.trim() === "") continue;
		processed++;
		const number = first + i;
		const result = parseRow(line);
		const unknown = "row" in result ? result.row.categories?.find(slug => !slugs.has(slug)) : undefined;
		if ("error" in result) errors.push({ row: number, ...result.error });
		else if (unknown === undefined) rows.push({ number, row: result.row });
		else errors.push({ row: number, code: "UNKNOWN_CATEGORY", message: `There is no category ${unknown}` });
	}
	return { rows, errors, processed };
}

/** A SKU that stands twice in a batch comes to the writer twice, in the order of the file: it refuses the later row. */
function rounds(rows: readonly NumberedRow[]): NumberedRow[][] {
	const result: NumberedRow[][] = [];
	const seen = new Map<string, number>();
	for (const item of rows) {
		const round = seen.get(item.row.sku) ?? 0;
		seen.set(item.row.sku, round + 1);
		result[round] ??= [];
		result[round].push(item);
	}
	return result;
}
