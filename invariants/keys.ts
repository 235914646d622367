import type { CommandDocument, Outcome } from "./documents.ts";
import type { Books } from "./order-books.ts";
import { isPlaced } from "./order-states.ts";
import type { Reader } from "./reader.ts";
import type { Tell } from "./violation.ts";

/** I6: what a key was answered is what happened, and it happened once. */
export function checkAnswers({ order, cart }: Books, tell: Tell): void {
	const say = (message: string) => tell("I6", order._id, message);
	if (isPlaced(order.status)) {
		const told = order.outcome && answerOf(order.outcome);
		if (!told) say(`is ${order.status}, and no answer of its checkout is kept`);
		else if (told["id"] !== order._id || told["number"] !== order.number) say("another order is kept as its answer");
		else if (totalIn(told) !== JSON.stringify(order.totals.total)) say("another total is kept as its answer");
		if (cart?.attempts?.some(({ keyHash }) => keyHash === order.keyHash))
			say("was bought with a key that is kept as refused");
	} else if (order.status === "failed" && order.outcome?.status === "done") {
		say("failed, and is kept as bought");
	}
	const keys = new Set<string>();
	const refunds = new Set<string>();
	for (const { keyHash, refundId } of order.commands ?? []) {
		if (keys.has(keyHash)) say("has a key twice");
		keys.add(keyHash);
		if (refundId === null) continue;
		if (refunds.has(refundId)) say(`has two keys for the refund ${refundId}`);
		refunds.add(refundId);
		if (order.refunds.every(({ id }) => id !== refundId)) say(`has a key for the refund ${refundId}, which it has not`);
	}
}

function answerOf({ status, text }: Outcome): Record<string, unknown> | undefined {
	if (status !== "done") return undefined;
	const content: unknown = JSON.parse(text);
	return typeof content === "object" && content !== null ? (content as Record<string, unknown>) : undefined;
}

const totalIn = (answer: Record<string, unknown>): string => {
	const { amount, currency } = (answer["totals"] as { total: { amount: number; currency: string } }).total;
	return JSON.stringify({ amount, currency });
};

const BATCH = 200;

/** I9: what a kept answer says was made is there. */
export async function checkMade(reader: Reader, tell: Tell): Promise<void> {
	for (const [service, collection] of [
		["carts", "carts"],
		["products", "products"],
	] as const) {
		for await (const { documents } of reader.pages<CommandDocument>(service, "commands")) {
			const ids = documents.flatMap(({ outcome }) => {
				const id = outcome && answerOf(outcome)?.["id"];
				return typeof id === "string" ? [id] : [];
			});
			// Other services' ids are answered here as well: a category is in no collection of its own.
			const made = ids.filter(id => id.startsWith(collection === "carts" ? "crt_" : "prd_"));
			const known = new Set(
				(await reader.byIds<{ _id: string }>(service, collection, "_id", made, ["_id"])).map(({ _id }) => _id),
			);
			for (const id of made) if (!known.has(id)) tell("I9", id, `was answered by ${service}, and is nowhere`);
		}
	}
	await checkReceipts(reader, tell);
}

/** A receipt or a correction has no document of its own: it is in the ledger, or waits in its stock document. */
async function checkReceipts(reader: Reader, tell: Tell): Promise<void> {
	let batch: string[] = [];
	const look = async () => {
		const missing = await Promise.all(
			batch.map(async reference => ((await isMoved(reader, reference)) ? [] : [reference])),
		);
		for (const reference of missing.flat())
			tell("I9", reference, "was answered as done, and the ledger has no such entry");
		batch = [];
	};
	for await (const { seed, outcome } of reader.each<CommandDocument>("inventory", "commands")) {
		if (outcome?.status !== "done") continue;
		batch.push(`led_${seed}`);
		if (batch.length === BATCH) await look();
	}
	await look();
}

async function isMoved(reader: Reader, reference: string): Promise<boolean> {
	const inLedger = { _id: { $gte: `${reference}:`, $lt: `${reference};` } };
	if ((await reader.all("inventory", "ledger", { filter: inLedger, fields: ["_id"] })).length > 0) return true;
	const waits = { dirtyAt: { $exists: true }, "journal.reference": reference };
	return (await reader.all("inventory", "stock", { filter: waits, fields: ["_id"] })).length > 0;
}
