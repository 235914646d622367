import type { Clock } from "../../../lib/clock.ts";
import type { Failpoints } from "../../../lib/failpoints.ts";
import type { Money } from "../../../lib/money.ts";
import type { CartClaim, LinePrice } from "../../carts/carts.contract.ts";
import type { Payment } from "../../payments/payments.contract.ts";
import type { Quote } from "../../products/products.contract.ts";
import type { OrderDocument } from "../orders.model.ts";

interface Goods {
	sku: string;
	quantity: number;
}

/** The cart of a checkout. */
export interface Carts {
	/**
	 * A cart that is not the caller's is NOT_FOUND.
	 * @param isNew the key is known to stand for nothing any more, whatever the cart remembers of it
	 */
	claim(cartId: string, orderId: string, keyHash: string, isNew?: boolean): Promise<CartClaim>;
	/** Only for a claim that is ended in the register. @param keptKey the key whose final refusal the register keeps */
	free(cartId: string, orderId: string, keptKey?: string, prices?: LinePrice[]): Promise<void>;
	finish(cartId: string, orderId: string): Promise<void>;
}

export interface Prices {
	/** What is for sale of these SKUs, at its price now. */
	quote(skus: string[]): Promise<Quote[]>;
}

/** All idempotent by the order's id. */
export interface Stock {
	reserve(orderId: string, lines: Goods[]): Promise<void>;
	commit(orderId: string, lines: Goods[]): Promise<void>;
	/** Puts each line right, whether it is held, sold, neither or both are on their way. */
	giveBack(orderId: string, lines: Goods[]): Promise<void>;
}

/** All idempotent by the order's id, refunds by their own. */
export interface Payments {
	authorize(input: { orderId: string; amount: Money; method: string; token: string }): Promise<Payment>;
	capture(input: { orderId: string; method: string; chargeId: string; amount: Money }): Promise<Payment>;
	void(orderId: string): Promise<Payment>;
	get(orderId: string): Promise<Payment>;
	/** Asks the provider first. */
	sync(orderId: string): Promise<Payment>;
	refund(input: { orderId: string; refundId: string; amount: Money }): Promise<Payment>;
}

/** A change of an order: fields to set, made from the document as it is. */
export type Change = (order: OrderDocument) => Partial<Omit<OrderDocument, "_id" | "version" | "lease" | "outbox">> & {
	outbox?: OrderDocument["outbox"];
	/** `keep` stays with the epoch that works on it, `end` means that the saga is over. */
	lease: "keep" | "end";
};

/** What became of the wish to write an attempt: it stands, or another one stands under its id or its key. */
export type Created =
	| { created: OrderDocument; taken: null }
	| { created: null; taken: "id" | "key"; by: OrderDocument };

/** Where orders are kept, and all other attempts at a checkout. */
export interface Orders {
	/** Writes an attempt, an order with a lease of epoch 1; at most one per id, and one per key that is still kept. */
	create(attempt: OrderDocument): Promise<Created>;
	/** An order. */
	find(id: string): Promise<OrderDocument | null>;
	/** An order or a tombstone. */
	attempt(id: string): Promise<OrderDocument | null>;
	/** What a key stands for, unless its time is over. */
	byKey(keyHash: string): Promise<OrderDocument | null>;
	/**
	 * Writes a change if the order is still in the version and under the lease it was made from. Under a lease that is
	 * still held the change is made anew from what someone else wrote beside it (a refund), so that neither is lost.
	 * @throws STALE when someone else works on it
	 */
	write(order: OrderDocument, change: Change): Promise<OrderDocument>;
	/**
	 * Takes a lease that ran out, by the database's clock; null when it has not.
	 * @param by a recovery counts its tries and waits for its time; a client's repeat does neither
	 */
	takeLease(id: string, by?: "client" | "recovery"): Promise<OrderDocument | null>;
	/** Ends the try that the lease stands for: the next one comes after a pause, or never when there is no use in it. */
	giveUp(order: OrderDocument, error: unknown): Promise<void>;
	renewLease(order: OrderDocument): Promise<void>;
}

export interface Deps {
	orders: Orders;
	carts: Carts;
	prices: Prices;
	stock: Stock;
	payments: Payments;
	clock: Clock;
	failpoints: Failpoints;
	/** How long an order waits for a payment that settles later. */
	awaitingPaymentMs: number;
	/** The request behind it, for the events it causes. */
	requestId?: string;
	/** Work that goes on after the answer; the node waits for it when it stops. */
	later(what: string, work: () => Promise<void>): void;
}
