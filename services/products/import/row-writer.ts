import type { Model } from "mongoose";
import { isDuplicateKey } from "../../../lib/errors.ts";
import { canonical } from "../../../lib/idempotency.ts";
import { newId } from "../../../lib/ids.ts";
import type { LevelChange } from "../../inventory/inventory.contract.ts";
import { type ImportRow, productFromRow, type RowError, updatedByRow } from "../domain/import-row.ts";
import { derive, isPriceable, type ProductState, type StoredVariant, stateOf } from "../domain/product.ts";
import { slugFor } from "../domain/text.ts";
import type { ProductDocument } from "../products.model.ts";
import { replacement, unchanged } from "../products.repository.ts";

const MAX_TRIES = 5;

/** A valid row with its number in the file. */
export interface NumberedRow {
	number: number;
	row: ImportRow;
}

export interface Written {
	/** Ids of products. */
	created: string[];
	updated: string[];
	errors: ({ row: number } & RowError)[];
}

export interface WriteContext {
	jobId: string;
	/** A category and all above it. */
	pathOf(slug: string): readonly string[];
	/** Receives stock for SKUs that are new, and gives the levels that are known. */
	levelsOf(newSkus: readonly string[]): Promise<ReadonlyMap<string, LevelChange>>;
	now: Date;
}

type Existing = ProductDocument & { status: ProductState["status"] };
type Done = "created" | "updated";
type Operation = { item: NumberedRow; id: string; isNew: boolean; operation: object };

/**
 * Writes a batch of rows, each with a SKU of its own. Safe to repeat after a crash anywhere: a product remembers the row
 * that made it, so the repeat counts it as created again, and never makes a second one.
 */
export class RowWriter {
	readonly #products: Model<ProductDocument>;

	constructor(products: Model<ProductDocument>) {
		this.#products = products;
	}

	async write(items: readonly NumberedRow[], context: WriteContext): Promise<Written> {
		const done: Written = { created: [], updated: [], errors: [] };
		const clashing = new Set<string>();
		let left = items;
		for (let tries = 0; left.length > 0 && tries < MAX_TRIES; tries++) {
			const existing = await this.#bySku(left.map(({ row }) => row.sku));
			const isNew = ({ row }: NumberedRow) => !existing.has(row.sku);
			const fresh = left.filter(isNew);
			const levels = await context.levelsOf(fresh.map(({ row }) => row.sku));
			const operations: Operation[] = fresh.map(item => inserted(item, context, levels, clashing.has(item.row.sku)));
			for (const item of left) {
				const product = existing.get(item.row.sku);
				if (!product) continue;
				const change = changeOf(item, product, context);
				if (change === "created" || change === "updated") done[change].push(product._id);
				else if ("code" in change) done.errors.push({ row: item.number, ...change });
				else operations.push(change);
			}
			left = await this.#run(operations, done, clashing);
		}
		const errors = left.map(({ number, row }) => ({
			row: number,
			code: "CONFLICT",
			message: `${row.sku} is being changed by somebody else`,
		}));
		return { ...done, errors: [...done.errors, ...errors] };
	}

	/** @returns the rows that must be looked at again: something else was first */
	async #run(operations: readonly Operation[], done: Written, clashing: Set<string>): Promise<NumberedRow[]> {
		if (operations.length === 0) return [];
		const refused = new Map<number, string>();
		let matched = 0;
		try {
			const result = await this.#products.collection.bulkWrite(
				operations.map(({ operation }) => operation) as never[],
				{ ordered: false },
			);
			matched = result.matchedCount;
		} catch (error) {
			const writeErrors = writeErrorsOf(error);
			if (!isDuplicateKey(error) || writeErrors.length === 0) throw error;
			for (const { index, message } of writeErrors) refused.set(index, message);
			matched = (error as { result?: { matchedCount?: number } }).result?.matchedCount ?? 0;
		}
		const updates = operations.filter(({ isNew }) => !isNew).length;
		const again: NumberedRow[] = [];
		operations.forEach(({ item, id, isNew }, index) => {
			const message = refused.get(index);
			if (message?.includes("slug")) clashing.add(item.row.sku);
			// A repeat of an update that was done finds nothing to change, and counts.
			if (message !== undefined || (!isNew && matched < updates)) again.push(item);
			else (isNew ? done.created : done.updated).push(id);
		});
		return again;
	}

	async #bySku(skus: readonly string[]): Promise<Map<string, Existing>> {
		const found = await this.#products
			.find({ "variants.sku": { $in: skus } }, { terms: 0, outbox: 0 })
			.lean<Existing[]>();
		return new Map(found.flatMap(product => product.variants.map(({ sku }) => [sku, product] as const)));
	}
}

/**
 * What a row does to the product that has its SKU; a word when it is done. The variant remembers the last row that had
 * its SKU, so a second row of one file is seen however far apart they stand, without a list of the file's SKUs.
 */
function changeOf(item: NumberedRow, product: Existing, context: WriteContext): Operation | RowError | Done {
	const { jobId } = context;
	const last = product.variants.find(({ sku }) => sku === item.row.sku)?.importedBy;
	if (last && last.jobId > jobId) return "updated";
	if (last?.jobId !== jobId) return updated(item, product, context);
	if (last.row === item.number) return product.createdBy === rowKey(jobId, item) ? "created" : "updated";
	const message = `The SKU ${item.row.sku} stands in row ${last.row} already`;
	return { code: "DUPLICATE_SKU", message };
}

const rowKey = (jobId: string, { number }: NumberedRow): string => `${jobId}:${number}`;

function inserted(
	item: NumberedRow,
	{ jobId, pathOf, now }: WriteContext,
	levels: ReadonlyMap<string, LevelChange>,
	isClashing: boolean,
): Operation {
	const id = newId("prd", now.getTime());
	const made = productFromRow(item.row, now.getTime());
	const state = {
		...made,
		slug: isClashing ? slugFor(id, `${made.slug}-${id.slice(-8)}`) : made.slug || slugFor(id, ""),
		variants: made.variants.map((variant): StoredVariant => {
			const level = levels.get(variant.sku);
			const ours = { ...variant, importedBy: { jobId, row: item.number } };
			return level ? { ...ours, available: level.level, sequence: level.sequence } : ours;
		}),
	};
	const document = {
		_id: id,
		...state,
		...derive(state, pathOf),
		createdBy: rowKey(jobId, item),
		createdAt: now,
		updatedAt: now,
		version: 1,
		revision: 1,
	};
	return { item, id, isNew: true, operation: { insertOne: { document } } };
}

/** An error when it cannot be what the row wants. One that is that already only notes the row: it is no new version. */
function updated(item: NumberedRow, product: Existing, { jobId, pathOf, now }: WriteContext): Operation | RowError {
	const { sku } = item.row;
	const importedBy = { jobId, row: item.number };
	const before = stateOf(product);
	const wanted = updatedByRow(before, item.row);
	const filter = { _id: product._id, ...unchanged(product), "variants.sku": sku };
	if (canonical(before) === canonical(wanted)) {
		const update = { $set: { "variants.$.importedBy": importedBy }, $inc: { revision: 1 } };
		return { item, id: product._id, isNew: false, operation: { updateOne: { filter, update } } };
	}
	if (!isPriceable(wanted)) return { code: "VALIDATION_ERROR", message: "price would be in too many currencies" };
	const variants = wanted.variants.map(variant => (variant.sku === sku ? { ...variant, importedBy } : variant));
	const after = { ...wanted, variants };
	const update = replacement({ ...after, ...derive(after, pathOf) }, now);
	return { item, id: product._id, isNew: false, operation: { updateOne: { filter, update } } };
}

function writeErrorsOf(error: unknown): { index: number; message: string }[] {
	const { writeErrors } = error as { writeErrors?: unknown };
	if (!Array.isArray(writeErrors)) return [];
	return writeErrors.map(({ index, errmsg }: { index: number; errmsg?: string }) => ({ index, message: errmsg ?? "" }));
}
