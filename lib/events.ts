import type { DomainEvent, EventName } from "../ports/events/port.ts";
import type { EventContracts } from "./contracts.ts";
import { newId } from "./ids.ts";

/**
 * An event as it waits in the `outbox` array of the document whose change it tells: written by the very update that
 * makes the change, so there is never one without the other. `at` is when the relay may take it.
 */
export interface OutboxEntry<E extends EventName = EventName> {
	id: string;
	name: E;
	version: number;
	sequence: number;
	occurredAt: string;
	requestId?: string;
	data: EventContracts[E];
	at: Date;
}

/** Documents hold at most so many events that wait; beyond it their commands answer SERVICE_UNAVAILABLE. */
export const MAX_PENDING_EVENTS = 1_000;

/** An event for the outbox. @param sequence the aggregate's version after the change */
export function newEvent<E extends EventName>(
	name: E,
	data: EventContracts[E],
	about: { sequence: number; now: Date; requestId?: string },
): OutboxEntry<E> {
	return {
		id: newId("evt", about.now.getTime()),
		name,
		version: 1,
		sequence: about.sequence,
		occurredAt: about.now.toISOString(),
		...(about.requestId === undefined ? {} : { requestId: about.requestId }),
		data,
		at: about.now,
	};
}

export function toDomainEvent(aggregateId: string, { at: _, ...entry }: OutboxEntry): DomainEvent {
	return { ...entry, aggregateId };
}
