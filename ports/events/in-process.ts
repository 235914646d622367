import type { DomainEvent, EventBus, EventConsumer } from "./port.ts";

/**
 * Events inside one process. The relay's outbox is what makes them durable: `publish` resolves only when every consumer
 * is done with the event, and otherwise the relay comes back. Consumers that were done already are filtered by their
 * inbox. How often an event failed is kept in memory: a restart only means more attempts.
 */
export class InProcessEvents implements EventBus {
	readonly engine = "in-process";
	readonly #consumers: EventConsumer[] = [];
	readonly #failures = new Map<string, number>();
	readonly #running = new Set<Promise<void>>();
	#isOpen = false;

	async start(): Promise<void> {
		await Promise.resolve();
	}

	open(): void {
		this.#isOpen = true;
	}

	async stop(): Promise<void> {
		this.#isOpen = false;
		await Promise.allSettled([...this.#running]);
	}

	async publish(event: DomainEvent): Promise<void> {
		if (!this.#isOpen) throw new Error("Events are not delivered before every service of this node has started");
		const done = this.#deliver(event);
		this.#running.add(done);
		try {
			await done;
		} finally {
			this.#running.delete(done);
		}
	}

	async subscribe(consumer: EventConsumer): Promise<void> {
		this.#consumers.push(consumer);
		await Promise.resolve();
	}

	onStreamLost(): void {
		// There is no stream to lose: the outbox is the only store.
	}

	isReady(): boolean {
		return this.#isOpen;
	}

	async #deliver(event: DomainEvent): Promise<void> {
		const listeners = this.#consumers.filter(consumer => consumer.handlers[event.name]);
		const results = await Promise.allSettled(listeners.map(consumer => this.#attempt(consumer, event)));
		const failed = results.find(result => result.status === "rejected");
		if (failed) throw failed.reason;
	}

	async #attempt(consumer: EventConsumer, event: DomainEvent): Promise<void> {
		const key = `${consumer.name}:${event.id}`;
		const attempt = (this.#failures.get(key) ?? 0) + 1;
		try {
			await consumer.handlers[event.name]?.(event as never, { attempt });
		} catch (error) {
			if (attempt < consumer.retry.maxAttempts) {
				this.#failures.set(key, attempt);
				throw error;
			}
			await consumer.onDead(event, error, attempt);
		}
		this.#failures.delete(key);
	}
}
