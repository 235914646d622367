import type { Movement, OrderDocument } from "./documents.ts";
import { holdsGoods } from "./order-states.ts";

/** An order that must have been told to its buyer. */
export interface PaidOrder {
	/** When it became paid. */
	at: number;
	isTold: boolean;
}

/**
 * What one part of the check finds and another needs: a few words per order or SKU, never whole documents, so that it
 * stays small where the shop is large.
 */
export class ShopPicture {
	readonly now: Date;
	readonly checked = { skus: 0, orders: 0, payments: 0, charges: 0 };
	/** Movements that are not in the ledger yet, by reference. */
	readonly waitingMovements = new Map<string, Movement[]>();
	/** Orders a saga works on. */
	readonly running = new Set<string>();
	readonly placedBy = { cart: new Map<string, string>(), key: new Map<string, string>() };
	/** Pieces that orders hold, by SKU. */
	readonly heldByOrders = new Map<string, number>();
	readonly paid = new Map<string, PaidOrder>();

	constructor(now: Date) {
		this.now = now;
	}

	noteHeld(status: string, sku: string, quantity: number): void {
		if (holdsGoods(status)) this.heldByOrders.set(sku, (this.heldByOrders.get(sku) ?? 0) + quantity);
	}

	notePaid({ _id, history, outbox = [] }: OrderDocument): void {
		const at = history.find(({ to }) => to === "paid")?.at;
		this.paid.set(_id, {
			at: at === undefined ? 0 : Date.parse(at),
			isTold: outbox.some(({ name }) => name === "order.placed"),
		});
	}
}
