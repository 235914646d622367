import { lineTotal, totalsOf } from "../../lib/totals.ts";
import type { Cart } from "./carts.contract.ts";
import type { CartDocument } from "./carts.model.ts";

export function toCart(cart: CartDocument): Cart {
	return {
		id: cart._id,
		currency: cart.currency,
		lines: cart.lines.map(line => ({ ...line, lineTotal: lineTotal(line) })),
		totals: totalsOf(cart.lines, cart.currency),
		version: cart.version,
		status: cart.status === "open" && cart.checkout ? "checking_out" : cart.status,
	};
}
