import { isEqual, type Money } from "../../../lib/money.ts";
import type { LineProblem } from "../carts.contract.ts";

/**
 * Why a line cannot be bought as it stands in the cart. A price in another currency is a changed one too: a cart has
 * one currency, so such a line can only be taken out.
 * @param now the price of now; undefined when the SKU is no longer for sale
 */
export function problemOf(line: { unitPrice: Money }, now: Money | undefined): LineProblem | undefined {
	if (now === undefined) return "withdrawn";
	return isEqual(line.unitPrice, now) ? undefined : "price_changed";
}
