import { createHmac, timingSafeEqual } from "node:crypto";

/**
 * What lets a guest read an order: derived from the node's secret and the order's id, 256 bits, so that it need not be
 * stored and every repeat of the checkout's answer has the same.
 */
export const orderTokenOf = (secret: string, orderId: string): string =>
	createHmac("sha256", secret).update(`order-token:${orderId}`).digest("base64url");

export function isOrderToken(secret: string, orderId: string, given: string): boolean {
	const expected = Buffer.from(orderTokenOf(secret, orderId));
	const actual = Buffer.from(given);
	return actual.length === expected.length && timingSafeEqual(actual, expected);
}
