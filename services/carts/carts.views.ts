import { lineTotal, totalsOf } from "../../lib/totals.ts";
import type { Quote } from "../products/products.contract.ts";
import type { Cart } from "./carts.contract.ts";
import type { CartDocument } from "./carts.model.ts";
import { problemOf } from "./domain/line-problems.ts";

/** @param quotes of all its SKUs now; without them nothing is said of problems */
export function toCart(cart: CartDocument, quotes?: ReadonlyMap<string, Quote>): Cart {
	return {
		id: cart._id,
		currency: cart.currency,
		lines: cart.lines.map(line => {
			const problem = quotes && problemOf(line, quotes.get(line.sku)?.price);
			return { ...line, lineTotal: lineTotal(line), ...(problem ? { problem } : {}) };
		}),
		totals: totalsOf(cart.lines, cart.currency),
		version: cart.version,
		status: cart.status === "open" && cart.checkout ? "checking_out" : cart.status,
	};
}
