/**
 * The state of a shop as it stands in the databases. The shapes are declared here and not taken from the services: a
 * checker must not share the mistakes of what it checks. They say what a healthy document looks like; a damaged one may
 * lack anything.
 */
export interface Money {
	amount: number;
	currency: string;
}
export interface Hold {
	ref: string;
	quantity: number;
	expiresAt: Date;
}
export type MovementKind = "receive" | "adjust" | "reserve" | "commit" | "release" | "return";
export interface JournalEntry {
	id: string;
	kind: MovementKind;
	quantity: number;
	reference: string;
}
export interface StockDocument {
	_id: string;
	sku: string;
	location: string;
	available: number;
	reserved: number;
	sold: number;
	received: number;
	returned: number;
	adjusted: number;
	reservations: Hold[];
	journal?: JournalEntry[];
	dirtyAt?: Date;
}
/** A movement of goods: an entry of the ledger, or one that still waits in its stock document. */
export interface Movement {
	_id: string;
	sku: string;
	location: string;
	kind: MovementKind;
	quantity: number;
	reference: string;
}
export interface Outcome {
	status: string;
	text: string;
}
export interface RefundDocument {
	id: string;
	amount: Money;
	status: string;
	lines?: { sku: string; quantity: number; amount: Money }[];
	shipping?: Money;
}
export interface OrderDocument {
	_id: string;
	isTombstone?: boolean;
	number: string;
	email: string;
	cartId: string;
	keyHash: string;
	/** Null once the key is nobody's any more: after a day, or after an attempt that ended in nothing final. */
	liveKey?: string | null;
	status: string;
	position: string;
	lease: unknown;
	lines: { sku: string; quantity: number; unitPrice: Money; lineTotal: Money }[];
	totals: { subtotal: Money; discount: Money; shipping: Money; tax: Money; total: Money };
	payment: { status: string; amount: Money; captured: number; chargeId: string | null };
	refunds: RefundDocument[];
	refundTotal: number;
	history: { from: string | null; to: string; at: string }[];
	commands?: { keyHash: string; refundId: string | null; outcome: Outcome | null }[];
	outcome: Outcome | null;
	createdAt: Date;
	outbox?: OutboxEntry[];
}
interface OutboxEntry {
	id: string;
	name: string;
}
export interface PaymentDocument {
	_id: string;
	orderId: string;
	method: string;
	amount: Money;
	status: string;
	chargeId: string | null;
	captured: number;
	refunded: number;
	refunding?: number;
	refunds: { id: string; amount: number; status: string }[];
	cleanUpAt: Date | null;
}
export interface ChargeDocument {
	_id: string;
	orderId: string;
	state: string;
	amount: Money;
	refunded: number;
	entries: { kind: string; amount: Money; key: string }[];
	webhook: unknown;
}
export interface CartDocument {
	_id: string;
	status: string;
	lines: { sku: string; quantity: number }[];
	checkout: { orderId: string } | null;
	attempts?: { keyHash: string; outcome?: unknown }[];
}
export interface DeliveryDocument {
	_id: string;
	eventId: string;
	template: string;
	messageId: string;
	status: string;
	createdAt: Date;
	sentAt: Date | null;
}
export interface EventDocument {
	_id: string;
	name: string;
	aggregateId: string;
	publishedAt: Date | null;
	nextAt: Date | null;
	data: { orderId?: string; number?: string; total?: Money };
}
export interface CommandDocument {
	_id: string;
	seed: string;
	outcome: Outcome | null;
}
export interface ProductDocument {
	_id: string;
	status: string;
	isInStock: boolean;
	variants?: { sku: string; available: string }[];
}
export interface LevelDocument {
	_id: string;
	level: string;
}
export interface AnnouncedLevelDocument extends LevelDocument {
	changed: number;
	announced: number;
}
