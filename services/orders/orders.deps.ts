import type { Runtime } from "../../lib/runtime.ts";
import type { TypedCaller } from "../../lib/typed.ts";
import type { OrderRepository } from "./orders.repository.ts";
import type { CancelDeps } from "./use-cases/cancel-order.ts";
import type { Deps } from "./use-cases/ports.ts";

/**
 * The use cases' ports, wired to the other services. @param caller a request's context, so that its id goes along, or
 * the broker for what nobody asked for
 */
export function createDeps(
	{ clock, failpoints }: Runtime,
	orders: OrderRepository,
	later: Deps["later"],
	caller: TypedCaller,
	requestId?: string,
): CancelDeps {
	return {
		orders,
		clock,
		failpoints,
		later,
		...(requestId ? { requestId } : {}),
		carts: {
			claim: (id, orderId, keyHash) => caller.call("carts.claim", { id, orderId, keyHash }),
			free: (id, orderId, attempt, prices) =>
				caller.call("carts.free", {
					id,
					orderId,
					...(attempt ? { attempt } : {}),
					...(prices?.length ? { prices } : {}),
				}),
			finish: (id, orderId) => caller.call("carts.finish", { id, orderId }),
		},
		prices: { quote: async skus => (await caller.call("products.quote", { skus })).quotes },
		stock: {
			reserve: async (reference, lines) => {
				await caller.call("inventory.reserve", { reference, lines });
			},
			commit: (reference, lines) => caller.call("inventory.commit", { reference, lines }),
			release: (reference, lines) => caller.call("inventory.release", { reference, lines }),
			restock: (reference, lines) => caller.call("inventory.restock", { reference, lines }),
		},
		payments: {
			authorize: input => caller.call("payments.authorize", input),
			capture: input => caller.call("payments.capture", input),
			void: orderId => caller.call("payments.void", { orderId }),
			refund: input => caller.call("payments.refund", input),
		},
	};
}
