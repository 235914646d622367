import type { Books } from "./order-books.ts";
import { isEnded } from "./order-states.ts";
import type { Reader, Stored } from "./reader.ts";
import type { Tell } from "./violation.ts";

const DAY_MS = 86_400_000;
/** No setting lets an order wait longer for its money; its own deadline, where it has one, comes first. */
const LONGEST_WAIT_MS = 61 * DAY_MS;
/** A deadline is met by a sweep: it may be so much late. */
const GRACE_MS = 60_000;

/** I10: no saga and no refund of an order is left half-way, and its charge is not left open. */
export function checkOrderSaga({ order, payments, charges }: Books, now: Date, tell: Tell): void {
	const say = (message: string) => tell("I10", order._id, message);
	if (!isEnded(order)) say(`its saga stands at ${order.position}`);
	for (const { id, status } of order.refunds) if (status === "pending") say(`its refund ${id} is pending`);
	for (const { outcome, refundId } of order.commands ?? [])
		if (!outcome && isEnded(order) && !isUnderWay(order, refundId))
			say("has a key that waits for an answer nobody works on");
	if (order.status === "pending" && isEnded(order)) say("is pending, and nobody works on it");
	const deadline = deadlineOf(order);
	if (order.status === "awaiting_payment" && now.getTime() > deadline + GRACE_MS)
		say("waits for its payment past its deadline");
	for (const book of [order, ...payments, ...charges]) if (isParked(book)) say("work on it was given up and is parked");
	const isWaiting = order.status === "awaiting_payment" || !isEnded(order);
	for (const { status, refunds, cleanUpAt } of payments) {
		if (cleanUpAt) say("its voided payment may still stand at the provider");
		for (const refund of refunds) if (refund.status === "pending") say(`its payment's refund ${refund.id} is pending`);
		if (!isWaiting && (status === "pending" || status === "authorized")) say(`has ended, its payment is ${status}`);
	}
	for (const { _id, state, webhook } of charges) {
		if (webhook) say("a webhook of the provider is on its way");
		else if (!isWaiting && (state === "pending" || state === "authorized"))
			say(`has ended, its charge ${_id} is ${state}`);
	}
}

const isUnderWay = ({ refunds }: Books["order"], refundId: string | null): boolean =>
	refunds.some(({ id, status }) => id === refundId && status === "pending");

/** Wherever in a document the tries of its work are counted: once in vain too often, it says when it was given up. */
function isParked(value: unknown): boolean {
	if (typeof value !== "object" || value === null || value instanceof Date) return false;
	return Object.entries(value).some(
		([name, field]) => (name === "parkedAt" && field instanceof Date) || isParked(field),
	);
}

function deadlineOf({ createdAt, ...order }: Books["order"]): number {
	const { payBy } = order as { payBy?: unknown };
	return payBy instanceof Date ? payBy.getTime() : createdAt.getTime() + LONGEST_WAIT_MS;
}

/** Where documents carry an outbox. */
const OUTBOXES: readonly [service: string, collection: string][] = [
	["auth", "accounts"],
	["auth", "registrations"],
	["products", "products"],
	["products", "import_jobs"],
	["inventory", "announcements"],
	["orders", "orders"],
	["payments", "payments"],
];
const PRODUCERS = ["auth", "products", "inventory", "orders", "payments"];
const CONSUMERS = ["products", "orders", "notifications", "users", "carts"];

/** I11: nothing waits to be told or written down, and nothing was given up. */
export async function checkOutboxes(reader: Reader, now: Date, tell: Tell): Promise<void> {
	for (const [service, collection] of OUTBOXES) {
		const filter = { "outbox.0": { $exists: true } };
		for await (const { _id } of reader.each<Stored>(service, collection, { filter, fields: ["_id"] }))
			tell("I11", _id, `has events that ${service} has not moved on`);
	}
	for (const service of PRODUCERS) {
		const query = { filter: { nextAt: { $type: "date" } }, fields: ["name"] };
		for await (const { _id, name } of reader.each<Stored & { name: string }>(service, "events", query))
			tell("I11", _id, `${name} is not published`);
	}
	for (const service of CONSUMERS) {
		// Dead letters had a collection of their own once; a consumer takes them into its inbox when it starts.
		for (const [collection, filter] of [
			["inbox", { deadAt: { $type: "date" } }],
			["dead_letters", {}],
		] as const)
			for await (const { _id } of reader.each<Stored>(service, collection, { filter, fields: ["_id"] }))
				tell("I11", _id, `is a dead letter of ${service}`);
		const waits = { filter: { nextAt: { $type: "date" } }, fields: ["_id"] };
		for await (const { _id } of reader.each<Stored>(service, "inbox", waits))
			tell("I11", _id, `waits for another attempt of ${service}`);
	}
	const late = { filter: { dirtyAt: { $lt: new Date(now.getTime() - GRACE_MS) } }, fields: ["_id"] };
	for await (const { _id } of reader.each<Stored>("inventory", "stock", late))
		tell("I11", _id, "has a journal that is not in the ledger");
}

/** Where work is parked that belongs to no order, and the field that says so. */
const PARKED: readonly (readonly [service: string, collection: string, field: string])[] = [
	["carts", "carts", "checkout.parkedAt"],
	["products", "import_jobs", "parkedAt"],
	["inventory", "stock", "parkedAt"],
	["notifications", "deliveries", "parkedAt"],
	...PRODUCERS.map(service => [service, "events", "parkedAt"] as const),
];

/** I10: nothing waits for an operator. */
export async function checkParked(reader: Reader, tell: Tell): Promise<void> {
	for (const [service, collection, field] of PARKED) {
		const query = { filter: { [field]: { $type: "date" } }, fields: ["_id"] };
		for await (const { _id } of reader.each<Stored>(service, collection, query))
			tell("I10", _id, `work of ${service} on it was given up and is parked`);
	}
}

/** I10: imports end, one way or the other. */
export async function checkImports(reader: Reader, now: Date, tell: Tell): Promise<void> {
	const filter = { finishedAt: null, leaseAt: { $lt: new Date(now.getTime() - 10 * GRACE_MS) } };
	for await (const { _id } of reader.each<Stored>("products", "import_jobs", { filter, fields: ["_id"] }))
		tell("I10", _id, "is an import that nobody works on");
}
