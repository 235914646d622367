import type { EventContracts } from "../../lib/contracts.ts";

export type EventName = keyof EventContracts & string;

/**
 * A fact that happened to one aggregate: small, with ids and what changed, never a whole entity.
 * `sequence` grows by one per event of an aggregate; `version` is the version of the payload's shape.
 */
export interface DomainEvent<E extends EventName = EventName> {
	id: string;
	name: E;
	aggregateId: string;
	sequence: number;
	version: number;
	/** ISO 8601, UTC. */
	occurredAt: string;
	/** The request that caused it, where one did. */
	requestId?: string;
	data: EventContracts[E];
}

/** What a handler is told beside the event: which attempt this is, counted from 1. */
export interface Delivery {
	attempt: number;
}

export type EventHandler<E extends EventName = EventName> = (
	event: DomainEvent<E>,
	delivery: Delivery,
) => Promise<void>;

/**
 * One consuming service and what it listens to. Its events are delivered at least once, in no promised order; with
 * several nodes of the same consumer one of them gets each event. A handler resolves once the consumer has the event
 * safe, done or kept for later in its own database: what fails for its own reasons waits there, so that nothing stands
 * behind it here. It rejects when it could not even keep it; the bus then delivers it again.
 */
export interface EventConsumer {
	name: string;
	handlers: { [E in EventName]?: EventHandler<E> };
}

/** Durable events between services. Two engines: in process (over the outbox) and NATS JetStream. */
export interface EventBus {
	readonly engine: "in-process" | "jetstream";
	/** Connects and makes sure the streams exist. */
	start(): Promise<void>;
	/** Called once every service of the node runs: in process, nothing is delivered before. */
	open(): void;
	/** Stops taking events, waits for running handlers, disconnects. */
	stop(): Promise<void>;
	/**
	 * Resolves once the event is safe: stored by the stream, or (in process) done or kept by every consumer. Publishing the same
	 * id twice is harmless. Rejects when it is not safe yet; the relay then tries again later.
	 */
	publish(event: DomainEvent): Promise<void>;
	subscribe(consumer: EventConsumer): Promise<void>;
	/** When the engine's store began, which names it: what went into another is not in it. Undefined without a store. */
	readonly since: Date | undefined;
	/** Called when the stream came back empty, so that relays publish again what consumers may have missed. */
	onStreamLost(listener: () => void): void;
	/** False while the engine cannot take events: readiness reports it. */
	isReady(): boolean;
}
