import { ObjectId } from "bson";
import type { Collection, Document } from "mongodb";
import type { Violation } from "../../../invariants/index.ts";
import type { WholeShop } from "../whole-shop.ts";

/** How a database is reached whose changes are undone after each corruption. */
export type At = (service: string, collection: string) => Collection<Record_>;
export type Record_ = Document & { _id: string };

export interface Corruption {
	/** What somebody did who wants to hide it, or what a mistake leaves. */
	what: string;
	invariant: Violation["invariant"];
	/** What it must be told of. */
	subject: (shop: WholeShop) => string;
	corrupt: (at: At, shop: WholeShop) => Promise<unknown>;
}

export const of = (name: keyof WholeShop["orders"]) => (shop: WholeShop) => shop.orders[name];
export const always = (subject: string) => () => subject;
export const anything = () => "";
export const order = (at: At, id: string, update: object) => at("orders", "orders").updateOne({ _id: id }, update);
export const payment = (at: At, orderId: string, update: object) =>
	at("payments", "payments").updateOne({ orderId }, update);
export const charge = (at: At, orderId: string, update: object) =>
	at("test-payments", "charges").updateOne({ orderId }, update);
export const stock = (at: At, sku: string, update: object) => at("inventory", "stock").updateOne({ sku }, update);
export async function copy(
	at: At,
	service: string,
	collection: string,
	filter: object,
	changes: object,
): Promise<void> {
	const original = await at(service, collection).findOne(filter);
	if (!original) throw new Error(`There is nothing to copy in ${service}.${collection}`);
	await at(service, collection).insertOne({
		...original,
		_id: `${String(original._id)}${new ObjectId().toHexString()}`,
		...changes,
	});
}

/** An order as it stands. */
export async function the(at: At, id: string): Promise<Record_> {
	const found = await at("orders", "orders").findOne({ _id: id });
	if (!found) throw new Error(`There is no order ${id}`);
	return found;
}
