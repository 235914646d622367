import type { Payment } from "../../payments/payments.contract.ts";
import type { PaymentBook } from "../orders.model.ts";

/**
 * What the order's book says after an answer of payments. Of two answers the one that was given later counts, whichever
 * was written first: whoever asked may have slept since.
 */
export const bookedFrom = (book: PaymentBook, { status, captured, chargeId, version }: Payment): PaymentBook =>
	version < (book.version ?? 0)
		? book
		: { ...book, status, captured: captured.amount, chargeId: chargeId ?? book.chargeId, version };
