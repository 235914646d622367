import type { Runtime } from "../../lib/runtime.ts";
import type { TypedCaller } from "../../lib/typed.ts";
import type { OrderRepository } from "./orders.repository.ts";
import type { CancelDeps } from "./use-cases/cancel-order.ts";
import type { Deps } from "./use-cases/ports.ts";

/**
 * A call inside a call would otherwise wait as long as its parent may: these end early enough for the saga to be undone
 * within the request.
 */
const QUICK = { timeout: 5_000 };
/** Longer than payments waits for its provider, retries included. */
const PAYING = { timeout: 12_000 };

/**
 * The use cases' ports, wired to the other services. @param caller a request's context, so that its id goes along, or
 * the broker for what nobody asked for
 */
export function createDeps(
	{ config, database, failpoints }: Runtime,
	orders: OrderRepository,
	later: Deps["later"],
	caller: TypedCaller,
	requestId?: string,
): CancelDeps {
	return {
		orders,
		clock: database.clockOf("orders"),
		failpoints,
		awaitingPaymentMs: config.awaitingPaymentDays * 86_400_000,
		later,
		...(requestId ? { requestId } : {}),
		carts: {
			claim: (id, orderId, keyHash, isNew) =>
				caller.call("carts.claim", { id, orderId, keyHash, ...(isNew ? { isNew } : {}) }, QUICK),
			free: (id, orderId, keptKey, prices) =>
				caller.call(
					"carts.free",
					{ id, orderId, ...(keptKey ? { keptKey } : {}), ...(prices?.length ? { prices } : {}) },
					QUICK,
				),
			finish: (id, orderId) => caller.call("carts.finish", { id, orderId }, QUICK),
		},
		prices: { quote: async skus => (await caller.call("products.quote", { skus }, QUICK)).quotes },
		stock: {
			reserve: async (reference, lines) => {
				await caller.call("inventory.reserve", { reference, lines }, QUICK);
			},
			commit: (reference, lines) => caller.call("inventory.commit", { reference, lines }, QUICK),
			giveBack: async (reference, lines) => {
				await caller.call("inventory.giveBack", { reference, lines }, QUICK);
			},
		},
		payments: {
			authorize: input => caller.call("payments.authorize", input, PAYING),
			capture: input => caller.call("payments.capture", input, PAYING),
			get: orderId => caller.call("payments.get", { orderId }, QUICK),
			sync: orderId => caller.call("payments.sync", { orderId }, PAYING),
			void: orderId => caller.call("payments.void", { orderId }, PAYING),
			refund: input => caller.call("payments.refund", input, PAYING),
		},
	};
}
