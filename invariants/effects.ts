import { createHash } from "node:crypto";
import type { DeliveryDocument, EventDocument, OrderDocument } from "./documents.ts";
import type { Reader, Stored } from "./reader.ts";
import { withinPrefixed } from "./reader.ts";
import type { ShopPicture } from "./shop-picture.ts";
import type { Tell } from "./violation.ts";

/** Who hears what, and from whom: each event that was published must be known to each of them. */
const HEARERS: readonly [producer: string, name: string, consumer: string][] = [
	["auth", "account.registered", "notifications"],
	["orders", "order.placed", "notifications"],
	["payments", "payment.settled", "orders"],
	["inventory", "inventory.level_changed", "products"],
];
/** Events are kept for a week after they were published; a day less, since a sweep may come early. */
const EVENTS_KEPT_MS = 6 * 86_400_000;

/** I2, I7, I12: each paid order was told once, in words that are its own, and by exactly one message to its buyer. */
export async function checkPlaced(reader: Reader, picture: ShopPicture, tell: Tell): Promise<void> {
	const query = { filter: { name: "order.placed" } };
	for await (const { documents: events, stretch } of reader.pages<EventDocument>("orders", "events", query)) {
		const ids = events.map(({ aggregateId }) => aggregateId);
		const found = await reader.byIds<OrderDocument>("orders", "orders", "_id", ids, ["number", "email", "totals"]);
		const orders = new Map(found.map(order => [order._id, order]));
		const deliveries = await reader.all<DeliveryDocument>("notifications", "deliveries", {
			filter: { _id: withinPrefixed(stretch), template: "order-confirmation" },
		});
		const mails = Map.groupBy(deliveries, ({ eventId }) => eventId);
		for (const event of events) {
			const order = orders.get(event.aggregateId);
			if (!order) tell("I2", event.aggregateId, "was placed, and there is no such order");
			else checkWords(event, order, tell);
			const paid = picture.paid.get(event.aggregateId);
			if (paid?.isTold) tell("I7", event.aggregateId, "was placed more than once");
			if (paid) paid.isTold = true;
			checkMails(event, order, mails.get(event._id) ?? [], tell);
		}
	}
	for (const [id, { at, isTold }] of picture.paid)
		if (!isTold && picture.now.getTime() - at < EVENTS_KEPT_MS)
			tell("I2", id, "is paid, and nobody was told that it was placed");
}

function checkWords({ _id, data }: EventDocument, order: OrderDocument, tell: Tell): void {
	const { total } = order.totals;
	const isRight =
		data.orderId === order._id &&
		data.number === order.number &&
		data.total?.amount === total.amount &&
		data.total.currency === total.currency;
	if (!isRight) tell("I2", order._id, `was told by ${_id} as something else`);
}

const recipientOf = (email: string): string =>
	createHash("sha256").update(email.toLowerCase()).digest("hex").slice(0, 16);

function checkMails(event: EventDocument, order: OrderDocument | undefined, own: DeliveryDocument[], tell: Tell): void {
	const sent = new Set(own.filter(({ status }) => status === "sent").map(({ messageId }) => messageId));
	if (sent.size !== 1) tell("I12", event._id, `was confirmed by ${sent.size} messages`);
	if (own.length > 1) tell("I7", event._id, `has ${own.length} deliveries`);
	const to = order && recipientOf(order.email);
	if (to && own.some(({ _id, messageId }) => !_id.endsWith(`:${to}`) || !messageId.includes(`.${to}@`)))
		tell("I12", event._id, "was confirmed to somebody who did not buy");
}

/** I7: every message has its event, and no event made two of one kind. */
export async function checkDeliveries(reader: Reader, now: Date, tell: Tell): Promise<void> {
	const messages = new Set<string>();
	for await (const { documents } of reader.pages<DeliveryDocument>("notifications", "deliveries")) {
		const ids = documents.map(({ eventId }) => eventId);
		const found = await Promise.all(
			["orders", "auth"].map(service => reader.byIds<Stored>(service, "events", "_id", ids, ["_id"])),
		);
		const known = new Set(found.flat().map(({ _id }) => _id));
		const made = new Map<string, number>();
		for (const { _id, eventId, template, messageId, status, createdAt, sentAt } of documents) {
			const isRecent = now.getTime() - createdAt.getTime() < EVENTS_KEPT_MS;
			if (!known.has(eventId) && isRecent) tell("I7", _id, `is of ${eventId}, which never was`);
			if (!_id.startsWith(`${eventId}:${template}:`)) tell("I7", _id, `is of ${eventId}, by its id of another`);
			if (status === "sent" && !sentAt) tell("I7", _id, "was sent at no time");
			if (status !== "sent") tell("I11", _id, `is ${status}: its message is not with the mail server`);
			if (messages.has(messageId)) tell("I7", _id, "has the Message-ID of another");
			messages.add(messageId);
			made.set(`${eventId}:${template}`, (made.get(`${eventId}:${template}`) ?? 0) + 1);
		}
		for (const [event, count] of made)
			if (count > 1 && event.endsWith(":verify-email")) tell("I7", event, `made ${count} messages`);
	}
}

/** I11: whoever listens has heard every event that was published, or has it as a dead letter. */
export async function checkHeard(reader: Reader, tell: Tell): Promise<void> {
	for (const [producer, name, consumer] of HEARERS) {
		// A service that never ran has nothing to hear with.
		if (!(await reader.hasCollection(consumer, "inbox"))) continue;
		const query = { filter: { name, publishedAt: { $type: "date" } }, fields: ["_id"] };
		for await (const { documents } of reader.pages<Stored>(producer, "events", query)) {
			const ids = documents.map(({ _id }) => _id);
			const found = await Promise.all(
				["inbox", "dead_letters"].map(place => reader.byIds<Stored>(consumer, place, "_id", ids, ["_id"])),
			);
			const known = new Set(found.flat().map(({ _id }) => _id));
			for (const id of ids) if (!known.has(id)) tell("I11", id, `${name} was not heard by ${consumer}`);
		}
	}
}
