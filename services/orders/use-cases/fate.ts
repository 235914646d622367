import { newOrderNumber } from "../../../lib/ids.ts";
import { zero } from "../../../lib/money.ts";
import type { Address } from "../orders.contract.ts";
import type { OrderDocument } from "../orders.model.ts";
import type { Deps } from "./ports.ts";

const NOWHERE: Address = { name: "", line1: "", city: "", postalCode: "", country: "" };

/**
 * What became of the order that a cart waits for. An order that is not there is ruled out: a failed one is written
 * under its id, so that a process that wakes up late finds the id taken.
 */
export async function fateOf(deps: Deps, orderId: string): Promise<"placed" | "running" | "abandoned"> {
	const order =
		(await deps.orders.find(orderId)) ??
		(await deps.orders.create(tombstone(orderId, deps.clock.now()))) ??
		(await deps.orders.find(orderId));
	if (!order) return "running";
	if (order.status === "pending") return "running";
	if (order.status !== "failed") return "placed";
	// Under a lease its own saga still frees the cart, with the outcome for repeats of the key.
	return order.lease ? "running" : "abandoned";
}

function tombstone(orderId: string, now: Date): OrderDocument {
	const none = zero("EUR");
	return {
		_id: orderId,
		number: newOrderNumber(),
		userId: null,
		email: "",
		cartId: "",
		keyHash: "",
		requestHash: "",
		status: "failed",
		position: "done",
		lease: null,
		lines: [],
		totals: { subtotal: none, discount: none, shipping: none, tax: none, total: none },
		shippingAddress: NOWHERE,
		billingAddress: NOWHERE,
		payment: { status: "failed", method: "none", amount: none, chargeId: null, captured: 0 },
		fulfilments: [],
		refunds: [],
		refundTotal: 0,
		history: [{ from: null, to: "failed", at: now.toISOString(), actor: "carts", cause: "never written" }],
		failure: null,
		outcome: null,
		commands: [],
		cancelReason: null,
		createdAt: now,
		version: 1,
	};
}
