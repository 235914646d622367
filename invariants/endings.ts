import type { ShopState } from "./shop-state.ts";
import type { Violation } from "./violation.ts";

/** I8: ids are unique by construction; order numbers are checked. */
export function checkNumbers({ orders }: ShopState): Violation[] {
	return [...Map.groupBy(orders, ({ number }) => number)]
		.filter(([, own]) => own.length > 1)
		.map(([number, own]) => ({ invariant: "I8", subject: number, message: `is the number of ${own.length} orders` }));
}

/** I10: no saga is left half-way, and what is held is held for an order that still needs it. */
export function checkSagas({ orders, payments, charges, carts, stock }: ShopState): Violation[] {
	const found: Violation[] = [];
	const tell = (subject: string, message: string) => found.push({ invariant: "I10", subject, message });
	const running = new Set<string>();
	for (const order of orders) {
		if (order.position !== "done" || order.lease) {
			running.add(order._id);
			tell(order._id, `its saga stands at ${order.position}`);
		}
		for (const refund of order.refunds)
			if (refund.status === "pending") tell(order._id, `its refund ${refund.id} is pending`);
	}
	for (const payment of payments) {
		if (payment.cleanUpAt) tell(payment.orderId, "its voided payment may still stand at the provider");
		for (const refund of payment.refunds)
			if (refund.status === "pending") tell(payment.orderId, `its payment's refund ${refund.id} is pending`);
	}
	for (const charge of charges) if (charge.webhook) tell(charge.orderId, "a webhook of the provider is on its way");
	for (const cart of carts) {
		if (cart.status === "open" && cart.checkout) tell(cart._id, `is held by ${cart.checkout.orderId}`);
	}
	for (const { _id, reservations } of stock) {
		for (const { ref } of reservations) if (!running.has(ref)) tell(_id, `is held for ${ref}, which does not run`);
	}
	return found;
}

/** I11: nothing waits to be told, and nothing was given up. */
export function checkOutboxes({ outboxes, events, deadLetters }: ShopState): Violation[] {
	return [
		...outboxes.map(({ service, id }) => ({ subject: id, message: `has events that ${service} has not moved on` })),
		...events
			.filter(({ nextAt }) => nextAt)
			.map(({ _id, name }) => ({ subject: _id, message: `${name} is not published` })),
		...deadLetters.map(({ service, id }) => ({ subject: id, message: `is a dead letter of ${service}` })),
	].map(violation => ({ invariant: "I11", ...violation }));
}

/** I12: each placed order is confirmed by exactly one message. */
export function checkNotifications({ events, deliveries }: ShopState): Violation[] {
	const byEvent = Map.groupBy(deliveries, ({ eventId }) => eventId);
	const found: Violation[] = [];
	for (const { _id, name } of events) {
		if (name !== "order.placed") continue;
		const own = byEvent.get(_id) ?? [];
		const sent = new Set(own.filter(({ status }) => status === "sent").map(({ messageId }) => messageId));
		if (sent.size !== 1)
			found.push({ invariant: "I12", subject: _id, message: `was confirmed by ${sent.size} messages` });
	}
	return found;
}
