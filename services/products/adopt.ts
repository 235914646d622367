import type { AnyBulkWriteOperation, Model } from "mongoose";
import { slotsOf } from "./domain/product.ts";
import type { ProductDocument } from "./products.model.ts";

const BATCH = 500;
/** Indexes that only an earlier version made: one price per product, whatever its currency. */
const isOfOld = ({ key }: { key?: object }): boolean => key !== undefined && "minPrice" in key;

/**
 * Products that an earlier version wrote have no prices per currency, and would be in no list by price. Its own indexes
 * tell that they may be here, so that no start looks through a catalogue in vain; they go last.
 * @returns whether there were any
 */
export async function adoptProducts(products: Model<ProductDocument>): Promise<boolean> {
	const old = (await products.collection.indexes()).filter(isOfOld);
	if (old.length === 0) return false;
	const missing = { prices: { $exists: false }, status: { $ne: "deleted" as const } };
	const found = products.find(missing, { "variants.price": 1 }).lean().cursor({ batchSize: BATCH });
	let writes: AnyBulkWriteOperation<ProductDocument>[] = [];
	const write = async () => {
		if (writes.length > 0) await products.collection.bulkWrite(writes as never[], { ordered: false });
		writes = [];
	};
	for await (const { _id, variants } of found as AsyncIterable<Pick<ProductDocument, "_id" | "variants">>) {
		const prices = slotsOf(variants.map(({ price }) => price));
		// Whoever changed it meanwhile has given it its prices.
		const update = { $set: { prices }, $unset: { minPrice: 1 as const } };
		writes.push({ updateOne: { filter: { _id, prices: { $exists: false } }, update: update as object } });
		if (writes.length >= BATCH) await write();
	}
	await write();
	// Another node may have been faster.
	for (const { name } of old) if (name) await products.collection.dropIndex(name).catch(() => undefined);
	return true;
}
