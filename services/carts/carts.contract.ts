import type { Action } from "../../lib/contracts.ts";
import type { Money } from "../../lib/money.ts";
import type { Totals } from "../../lib/totals.ts";

/** Why a line cannot be bought as it stands: its price is another one now, or it is no longer for sale. */
export type LineProblem = "price_changed" | "withdrawn";

export interface CartLine {
	id: string;
	sku: string;
	productId: string;
	title: string;
	quantity: number;
	unitPrice: Money;
	lineTotal: Money;
	/** A changed quantity takes the price of now; a line that is withdrawn, or priced in another currency, has to go. */
	problem?: LineProblem;
}
export interface Cart {
	id: string;
	currency: string;
	lines: CartLine[];
	totals: Totals;
	version: number;
	status: "open" | "checking_out" | "ordered";
}

/** What a checkout gets when it asks for the cart. */
export interface CartClaim {
	cart: Cart;
	userId: string | null;
	/**
	 * Who has the cart: this checkout (`own`), an earlier request with the same key (`same`), one with another key
	 * (`other`), or nobody, since this key's checkout is remembered to have ended (`ended`).
	 */
	holder: "own" | "same" | "other" | "ended";
	/** The attempt of the holder, or the one that ended. */
	orderId: string;
	/** It is held for longer than the way from a claim to an order takes. */
	isStale: boolean;
}

export interface LinePrice {
	sku: string;
	unitPrice: Money;
	title: string;
}

export interface CartsActions {
	"carts.create": Action<{ currency?: string; lines?: { sku: string; quantity: number }[] }, Cart>;
	"carts.get": Action<{ id: string }, Cart>;
	/** The same SKU adds up, at the price of now. CONFLICT for a price in another currency than the cart's; NOT_FOUND for a SKU that is not for sale; CART_NOT_OPEN. */
	"carts.addLine": Action<{ id: string; sku: string; quantity: number }, Cart>;
	/** The line gets the price of now; a quantity of 0 removes it. CONFLICT for a line that can only be removed. */
	"carts.updateLine": Action<{ id: string; lineId: string; quantity: number }, Cart>;
	"carts.removeLine": Action<{ id: string; lineId: string }, Cart>;
	/**
	 * Internal: takes the cart for one attempt, or says who has it. NOT_FOUND for a cart that is not the caller's.
	 * `isNew`: takes it although an attempt with this key is remembered.
	 */
	"carts.claim": Action<{ id: string; orderId: string; keyHash: string; isNew?: boolean }, CartClaim>;
	/**
	 * Internal, idempotent: the attempt made no order, the cart is open again. Only for attempts that the register of
	 * orders says have ended. `keptKey`: a key for whose repeats the register has the answer; `prices` are what the lines
	 * cost now, where that is why it failed.
	 */
	"carts.free": Action<{ id: string; orderId: string; keptKey?: string; prices?: LinePrice[] }, void>;
	/** Internal, idempotent: the order is placed, the cart is done. */
	"carts.finish": Action<{ id: string; orderId: string }, void>;
}

declare module "../../lib/contracts.ts" {
	interface ActionContracts extends CartsActions {}
}
