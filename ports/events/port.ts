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

/** What a consumer is told beside the event: which attempt this is, counted from 1. */
export interface Delivery {
	attempt: number;
}

export type EventHandler<E extends EventName = EventName> = (
	event: DomainEvent<E>,
	delivery: Delivery,
) => Promise<void>;

/** How a consumer wants its failures treated. */
export interface RetryPolicy {
	/** After so many attempts the event becomes a dead letter. */
	maxAttempts: number;
	/** The wait before attempt n+1 is `min(baseMs * 2^(n-1), maxMs)`. */
	baseMs: number;
	maxMs: number;
}

/**
 * One consuming service and what it listens to. Its events are delivered at least once, in no promised order; with
 * several nodes of the same consumer one of them gets each event. When `maxAttempts` have failed, `onDead` is awaited
 * before the event is given up, so that nothing is lost in between.
 */
export interface EventConsumer {
	name: string;
	handlers: { [E in EventName]?: EventHandler<E> };
	retry: RetryPolicy;
	onDead(event: DomainEvent, error: unknown, attempts: number): Promise<void>;
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
	 * Resolves once the event is safe: stored by the stream, or (in process) done by every consumer. Publishing the same
	 * id twice is harmless. Rejects when it is not safe yet; the relay then tries again later.
	 */
	publish(event: DomainEvent): Promise<void>;
	subscribe(consumer: EventConsumer): Promise<void>;
	/** When the engine's store began: what was published before is not in it. Undefined when it has no store of its own. */
	readonly since: Date | undefined;
	/** Called when the stream came back empty, so that relays publish again what consumers may have missed. */
	onStreamLost(listener: () => void): void;
	/** False while the engine cannot take events: readiness reports it. */
	isReady(): boolean;
}
