import type { AnnouncedLevelDocument, LevelDocument, ProductDocument, StockDocument } from "./documents.ts";
import type { Reader } from "./reader.ts";
import type { Tell } from "./violation.ts";

const LOW_STOCK = 5;
const levelOf = (available: number): string =>
	available <= 0 ? "out_of_stock" : available <= LOW_STOCK ? "low_stock" : "in_stock";

/** What the shelves say of these SKUs, over all places. */
async function levelsOf(reader: Reader, skus: readonly string[]): Promise<Map<string, string>> {
	const stock = await reader.byIds<StockDocument>("inventory", "stock", "sku", skus, ["sku", "available"]);
	const sums = new Map<string, number>();
	for (const { sku, available } of stock) sums.set(sku, (sums.get(sku) ?? 0) + available);
	return new Map([...sums].map(([sku, available]) => [sku, levelOf(available)]));
}

/** I14: what inventory, products' notes and the products themselves show is what lies on the shelves. */
export async function checkLevels(reader: Reader, tell: Tell): Promise<void> {
	// Without a service that sells them there are no levels to be right.
	if (!(await reader.hasCollection("inventory", "stock"))) return;
	for await (const { documents } of reader.pages<AnnouncedLevelDocument>("inventory", "levels")) {
		const levels = await levelsOf(
			reader,
			documents.map(({ _id }) => _id),
		);
		for (const { _id, level, changed, announced } of documents) {
			const expected = levels.get(_id) ?? "out_of_stock";
			if (level !== expected) tell("I14", _id, `is ${expected}, inventory's level is ${level}`);
			if (announced < changed) tell("I11", _id, "has a level that was not announced");
		}
	}
	for await (const { documents } of reader.pages<LevelDocument>("products", "levels")) {
		const levels = await levelsOf(
			reader,
			documents.map(({ _id }) => _id),
		);
		for (const { _id, level } of documents) {
			const expected = levels.get(_id) ?? "out_of_stock";
			if (level !== expected) tell("I14", _id, `is ${expected}, products know it as ${level}`);
		}
	}
	await checkProducts(reader, tell);
}

async function checkProducts(reader: Reader, tell: Tell): Promise<void> {
	const query = { fields: ["status", "isInStock", "variants.sku", "variants.available"] };
	for await (const { documents } of reader.pages<ProductDocument>("products", "products", query)) {
		const levels = await levelsOf(
			reader,
			documents.flatMap(({ variants = [] }) => variants.map(({ sku }) => sku)),
		);
		for (const { _id, status, isInStock, variants = [] } of documents) {
			if (status === "deleted") continue;
			for (const { sku, available } of variants) {
				const expected = levels.get(sku) ?? "out_of_stock";
				if (available !== expected) tell("I14", sku, `is ${expected}, ${_id} shows it as ${available}`);
			}
			if (isInStock !== variants.some(({ available }) => available !== "out_of_stock"))
				tell("I14", _id, `says isInStock ${isInStock}, which its variants do not`);
		}
	}
}
