import type { DomainEvent, EventBus, EventConsumer } from "./port.ts";

/** A handler that takes longer must not hold up the relay, and with it all other events. */
const PATIENCE_MS = 5_000;

/**
 * Events inside one process. The relay's outbox is what makes them durable: `publish` resolves only when every consumer
 * is done with the event or keeps it, and otherwise the relay comes back. Consumers that have it already are filtered by
 * their inbox.
 */
export class InProcessEvents implements EventBus {
	readonly engine = "in-process";
	readonly since = undefined;
	readonly #consumers: EventConsumer[] = [];
	/** By consumer and event: what still runs is waited for, not run again beside itself. */
	readonly #running = new Map<string, Promise<void>>();
	readonly #patienceMs: number;
	#isOpen = false;

	/** @param patienceMs how long `publish` waits for handlers before it says that the event is not safe yet */
	constructor({ patienceMs = PATIENCE_MS }: { patienceMs?: number } = {}) {
		this.#patienceMs = patienceMs;
	}

	async start(): Promise<void> {
		await Promise.resolve();
	}

	open(): void {
		this.#isOpen = true;
	}

	async stop(): Promise<void> {
		this.#isOpen = false;
		await Promise.allSettled([...this.#running.values()]);
	}

	async publish(event: DomainEvent): Promise<void> {
		if (!this.#isOpen) throw new Error("Events are not delivered before every service of this node has started");
		const listeners = this.#consumers.filter(consumer => consumer.handlers[event.name]);
		const results = await Promise.allSettled(listeners.map(consumer => this.#work(consumer, event)));
		const failed = results.find(result => result.status === "rejected");
		if (failed) throw failed.reason;
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

	async #work(consumer: EventConsumer, event: DomainEvent): Promise<void> {
		const key = `${consumer.name}:${event.id}`;
		const running = this.#running.get(key) ?? consumer.handlers[event.name]?.(event as never, { attempt: 1 });
		if (!running) return;
		this.#running.set(key, running);
		const over = () => this.#running.get(key) === running && this.#running.delete(key);
		running.then(over, over);
		let timer: NodeJS.Timeout | undefined;
		const impatience = new Promise<never>((_, reject) => {
			timer = setTimeout(() => reject(new Error(`${consumer.name} is still at work on ${event.id}`)), this.#patienceMs);
		});
		try {
			await Promise.race([running, impatience]);
		} finally {
			clearTimeout(timer);
		}
	}
}
