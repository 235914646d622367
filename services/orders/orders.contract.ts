import type { Action, ListParams, Page } from "../../lib/contracts.ts";
import type { Money } from "../../lib/money.ts";
import type { Totals } from "../../lib/totals.ts";

export type OrderStatus =
	| "pending"
	| "awaiting_payment"
	| "paid"
	| "failed"
	| "partially_shipped"
	| "shipped"
	| "delivered"
	| "cancelled";

export interface Address {
	name: string;
	company?: string;
	line1: string;
	line2?: string;
	city: string;
	/** Where the country has them. */
	postalCode?: string;
	region?: string;
	/** ISO 3166-1 alpha-2. */
	country: string;
	phone?: string;
}

export interface OrderLine {
	id: string;
	sku: string;
	productId: string;
	title: string;
	quantity: number;
	unitPrice: Money;
	lineTotal: Money;
}
export interface RefundLine {
	lineId: string;
	sku: string;
	quantity: number;
	amount: Money;
}
export interface OrderRefund {
	id: string;
	amount: Money;
	/** What it is for. An amount refunded without lines belongs to none of them. */
	lines: RefundLine[];
	/** As much of it as is for shipping. */
	shipping: Money;
	reason: string;
	status: "pending" | "done" | "failed";
	createdAt: string;
}
export interface OrderHistoryEntry {
	from: OrderStatus | null;
	to: OrderStatus;
	at: string;
	/** A user's id, or the part of the system that did it. */
	actor: string;
	cause: string;
}
export interface OrderFulfilment {
	id: string;
	lines: { sku: string; quantity: number }[];
	carrier: string | null;
	trackingNumber: string | null;
	createdAt: string;
}

export interface Order {
	id: string;
	number: string;
	status: OrderStatus;
	email: string;
	lines: OrderLine[];
	totals: Totals;
	shippingAddress: Address;
	billingAddress: Address;
	/** The shipping address as it is written on a parcel, line by line, in the order of its country. */
	shippingLabel: string[];
	payment: { status: string; method: string; amount: Money };
	fulfilments: OrderFulfilment[];
	refunds: OrderRefund[];
	history: OrderHistoryEntry[];
	createdAt: string;
	version: number;
	/** Only in the answer of a guest's checkout: what reads the order later. */
	accessToken?: string;
}

export interface CheckoutInput {
	/** The cart's id. */
	id: string;
	email: string;
	shippingAddress: Address;
	billingAddress?: Address;
	shippingMethod?: string;
	payment: { method: string; token: string };
	/** What the customer saw; PRICE_CHANGED when it is not the total now. */
	expectedTotal: Money;
}

export interface OrdersActions {
	/** PAYMENT_DECLINED, STOCK_INSUFFICIENT, PRICE_CHANGED, CART_NOT_OPEN, SERVICE_UNAVAILABLE. */
	"orders.place": Action<CheckoutInput, Order>;
	"orders.list": Action<ListParams, Page<Order>>;
	"orders.get": Action<{ id: string }, Order>;
	/**
	 * Before shipping; gives the goods back, voids or refunds, each once. INVALID_TRANSITION; FORBIDDEN for staff who may
	 * not refund, once it was paid.
	 */
	"orders.cancel": Action<{ id: string; reason?: string }, Order>;
	"orders.adminList": Action<ListParams & { status?: OrderStatus; email?: string }, Page<Order>>;
	"orders.adminGet": Action<{ id: string }, Order>;
	/** Internal: an order as its owner sees it, for the services that tell people of it. */
	"orders.snapshot": Action<{ id: string }, Order>;
	/**
	 * Internal: what became of the attempt that holds a cart. One that was never written is ended for good by the question,
	 * so that a process that wakes up late cannot write it.
	 */
	"orders.fate": Action<{ orderId: string; cartId: string }, { fate: "placed" | "running" | "abandoned" }>;
	/**
	 * An amount, or lines and shipping, or, without any, all that is left. The refund in the answer is `done`, or `pending`
	 * when the provider says later. CONFLICT, which says what is refundable, above what is left of the order, of a line
	 * (pieces and money) or of shipping.
	 */
	"orders.refund": Action<
		{
			id: string;
			amount?: Money;
			lines?: { sku: string; quantity: number }[];
			shipping?: Money;
			reason: string;
		},
		Order
	>;
}

export interface OrdersEvents {
	"order.placed": { orderId: string; number: string; total: Money };
	"order.failed": { orderId: string; reason: string };
	"order.cancelled": { orderId: string; reason: string };
	"order.refunded": { orderId: string; refundId: string; amount: Money };
}

declare module "../../lib/contracts.ts" {
	interface ActionContracts extends OrdersActions {}
	interface EventContracts extends OrdersEvents {}
}
