import type { mongo } from "mongoose";

/** The shape that an update gives documents, one service's collection after the other. */
const BEFORE: readonly [database: string, collection: string, update: object[]][] = [
	[
		"orders",
		"orders",
		[
			{ $set: { cartId: { $cond: ["$isTombstone", "", "$cartId"] } } },
			{ $unset: ["isTombstone", "liveKey", "keyUntil", "requestId", "recovery", "payBy", "asking", "lease.dueAt"] },
			{
				$unset: ["commands.at", ...["lines", "shipping", "epoch", "attempts", "waits"].map(name => `refunds.${name}`)],
			},
		],
	],
	[
		"payments",
		"payments",
		[
			{ $set: { refunded: { $add: ["$refunded", "$refunding"] }, token: null } },
			{ $unset: ["refunding", "isClosed", "cleanUpError", "parkedAt"] },
		],
	],
	[
		"carts",
		"carts",
		[
			{ $set: { applied: { $map: { input: "$applied", in: "$$this.seed" } } } },
			{ $unset: ["checkout.lookAt", "checkout.looks", "checkout.failures"] },
		],
	],
	[
		"test-payments",
		"charges",
		[{ $unset: ["card", "refundsAsked", "settled", "webhook.outcome", "webhook.error", "webhook.parkedAt"] }],
	],
];

/** Makes of databases what the version before deadlines, parking and ledgers of refunds left behind when it was stopped. */
export async function makeOld(client: mongo.MongoClient): Promise<void> {
	for (const [database, name, update] of BEFORE) await client.db(database).collection(name).updateMany({}, update);
	const products = client.db("products").collection("products");
	for (const { name = "" } of await products.indexes()) if (name.includes("prices.")) await products.dropIndex(name);
	await products.updateMany({}, [{ $set: { minPrice: "$prices.a.min" } }, { $unset: "prices" }]);
	await products.createIndex({ minPrice: 1, _id: 1 });
	const announcements = client.db("inventory").collection("announcements");
	await announcements.dropIndex("at_1");
	await announcements.createIndex({ at: 1 }, { expireAfterSeconds: 86_400 });
}
