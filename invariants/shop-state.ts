import mongoose, { type Connection } from "mongoose";

/**
 * The state of a shop as it stands in the databases. The shapes are declared here and not taken from the services: a
 * checker must not share the mistakes of what it checks.
 */
export interface StockState {
	_id: string;
	sku: string;
	available: number;
	reserved: number;
	sold: number;
	received: number;
	returned: number;
	adjusted: number;
	reservations: { ref: string; quantity: number; expiresAt: Date }[];
	journal?: unknown[];
}
export interface LedgerState {
	_id: string;
	sku: string;
	location: string;
	kind: "receive" | "adjust" | "reserve" | "commit" | "release" | "return";
	quantity: number;
}
interface Money {
	amount: number;
	currency: string;
}
export interface OrderState {
	_id: string;
	number: string;
	status: string;
	position: string;
	lease: unknown;
	lines: { sku: string; quantity: number; unitPrice: Money; lineTotal: Money }[];
	totals: { subtotal: Money; discount: Money; shipping: Money; tax: Money; total: Money };
	payment: { status: string; amount: Money; captured: number };
	refunds: { id: string; amount: Money; status: string }[];
	refundTotal: number;
	history: { from: string | null; to: string }[];
	commands: { keyHash: string }[];
}
export interface PaymentState {
	_id: string;
	orderId: string;
	status: string;
	captured: number;
	refunded: number;
	refunds: { id: string; status: string }[];
	cleanUpAt: Date | null;
}
export interface ChargeState {
	_id: string;
	orderId: string;
	state: string;
	amount: Money;
	refunded: number;
	entries: { kind: string; amount: Money; key: string }[];
	webhook: unknown;
}
export interface CartState {
	_id: string;
	status: string;
	checkout: { orderId: string } | null;
}
export interface DeliveryState {
	_id: string;
	eventId: string;
	messageId: string;
	status: string;
}
export interface EventState {
	_id: string;
	service: string;
	name: string;
	nextAt: Date | null;
}
/** Something that waits in an outbox, or was given up. */
export interface Leftover {
	service: string;
	collection: string;
	id: string;
}

export interface ShopState {
	stock: StockState[];
	ledger: LedgerState[];
	orders: OrderState[];
	payments: PaymentState[];
	charges: ChargeState[];
	carts: CartState[];
	deliveries: DeliveryState[];
	/** Of `order.placed`, and whatever else was not published yet. */
	events: EventState[];
	outboxes: Leftover[];
	deadLetters: Leftover[];
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
const TIMEOUT_MS = 5_000;
/** Written on every query, so that a profiler can tell them from the shop's own. */
export const CHECKER = "invariants";

/** Reads everything, changes nothing. */
export async function readShop(mongodbUri: string): Promise<ShopState> {
	const connection = await mongoose.createConnection(mongodbUri, { serverSelectionTimeoutMS: TIMEOUT_MS }).asPromise();
	try {
		const all = <T>(service: string, collection: string, filter: object = {}): Promise<T[]> =>
			database(connection, service)
				.collection(collection)
				.find(filter, { comment: CHECKER })
				.toArray() as Promise<unknown> as Promise<T[]>;
		const ids = async (service: string, collection: string, filter: object): Promise<Leftover[]> =>
			(await all<{ _id: string }>(service, collection, filter)).map(({ _id }) => ({ service, collection, id: _id }));
		const events = PRODUCERS.map(async service => {
			const open = await all<EventState>(service, "events", {
				$or: [{ name: "order.placed" }, { nextAt: { $type: "date" } }],
			});
			return open.map(event => ({ ...event, service }));
		});
		return {
			stock: await all("inventory", "stock"),
			ledger: await all("inventory", "ledger"),
			orders: await all("orders", "orders"),
			payments: await all("payments", "payments"),
			charges: await all("test-payments", "charges"),
			carts: await all("carts", "carts", { "checkout.orderId": { $exists: true } }),
			deliveries: await all("notifications", "deliveries"),
			events: (await Promise.all(events)).flat(),
			outboxes: (await Promise.all(OUTBOXES.map(([s, c]) => ids(s, c, { "outbox.0": { $exists: true } })))).flat(),
			deadLetters: (await Promise.all(CONSUMERS.map(service => ids(service, "dead_letters", {})))).flat(),
		};
	} finally {
		await connection.close();
	}
}

function database(connection: Connection, service: string) {
	const { db } = connection.useDb(service, { useCache: true });
	if (!db) throw new Error("The database connection has no database");
	return db;
}
