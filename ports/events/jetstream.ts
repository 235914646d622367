import {
	AckPolicy,
	type ConsumerMessages,
	connect,
	DeliverPolicy,
	type JetStreamClient,
	type JetStreamManager,
	type JsMsg,
	type NatsConnection,
	nanos,
	StorageType,
} from "nats";
import type { Logger } from "pino";
import type { DomainEvent, EventBus, EventConsumer, EventHandler, EventName } from "./port.ts";

const STREAM = "STOA_EVENTS";
const SUBJECTS = "stoa.events";
const MAX_AGE_MS = 7 * 86_400_000;
const DEDUPLICATION_MS = 120_000;
const ACK_WAIT_MS = 30_000;
const WORKING_EVERY_MS = 10_000;
const TIMEOUT_MS = 5_000;
/** Messages of one consumer in work at once, over all its nodes. */
const MAX_IN_FLIGHT = 64;

interface Subscription {
	consumer: EventConsumer;
	event: EventName;
	handler: EventHandler;
	messages: ConsumerMessages | undefined;
}

/**
 * Events over NATS JetStream: one stream, and one durable pull consumer per (service, event), which all nodes of the
 * service share. The event's id is the message id, so that publishing twice within two minutes stores it once; the
 * consumers' inboxes cover what is older.
 */
export class JetStreamEvents implements EventBus {
	readonly engine = "jetstream";
	readonly #url: string;
	readonly #log: Logger;
	readonly #subscriptions: Subscription[] = [];
	readonly #running = new Set<Promise<void>>();
	readonly #lost: (() => void)[] = [];
	#connection: NatsConnection | undefined;
	#manager: JetStreamManager | undefined;
	#client: JetStreamClient | undefined;
	#created: string | undefined;
	#isUp = false;
	#recovering: Promise<void> | undefined;

	constructor(url: string, log: Logger) {
		this.#url = url;
		this.#log = log;
	}

	async start(): Promise<void> {
		const connection = await connect({
			servers: [this.#url],
			name: "stoa-events",
			maxReconnectAttempts: -1,
			reconnectTimeWait: 500,
			pingInterval: 10_000,
			maxPingOut: 2,
			timeout: TIMEOUT_MS,
		});
		this.#connection = connection;
		this.#client = connection.jetstream({ timeout: TIMEOUT_MS });
		this.#manager = await connection.jetstreamManager({ timeout: TIMEOUT_MS });
		await this.#ensureStream();
		this.#isUp = true;
		void this.#watch(connection);
	}

	open(): void {
		// A durable consumer keeps what came before its service: there is nothing to wait for.
	}

	async stop(): Promise<void> {
		this.#isUp = false;
		await Promise.all(this.#subscriptions.map(subscription => closeQuietly(subscription)));
		await Promise.allSettled([...this.#running]);
		await this.#connection?.close();
	}

	async publish(event: DomainEvent): Promise<void> {
		if (!this.#client) throw new Error("JetStream is not connected yet");
		const publishOnce = () =>
			this.#client?.publish(`${SUBJECTS}.${event.name}`, JSON.stringify(event), {
				msgID: event.id,
				timeout: TIMEOUT_MS,
			});
		try {
			await publishOnce();
		} catch (error) {
			// 503: nobody stores this subject, so the stream is gone.
			if (!isCode(error, "503")) throw error;
			await this.#recover();
			await publishOnce();
		}
	}

	async subscribe(consumer: EventConsumer): Promise<void> {
		for (const [event, handler] of Object.entries(consumer.handlers)) {
			const subscription = {
				consumer,
				event: event as EventName,
				handler: handler as EventHandler,
				messages: undefined,
			};
			this.#subscriptions.push(subscription);
			await this.#consume(subscription);
		}
	}

	onStreamLost(listener: () => void): void {
		this.#lost.push(listener);
	}

	isReady(): boolean {
		return this.#isUp;
	}

	async #watch(connection: NatsConnection): Promise<void> {
		for await (const status of connection.status()) {
			if (status.type === "disconnect") this.#isUp = false;
			if (status.type !== "reconnect") continue;
			this.#recover().catch(error => this.#log.error({ err: error }, "JetStream could not be recovered"));
		}
		this.#isUp = false;
	}

	/** After a reconnect: the stream may be gone or another one, and the pulls of before are not to be relied on. */
	#recover(): Promise<void> {
		this.#recovering ??= (async () => {
			try {
				const before = this.#created;
				await this.#ensureStream();
				await Promise.all(this.#subscriptions.map(subscription => this.#consume(subscription)));
				this.#isUp = true;
				if (before === this.#created) return;
				this.#log.warn("The event stream came back empty: relays publish again what consumers may have missed");
				for (const listener of this.#lost) listener();
			} finally {
				this.#recovering = undefined;
			}
		})();
		return this.#recovering;
	}

	async #ensureStream(): Promise<void> {
		const manager = this.#manager;
		if (!manager) throw new Error("JetStream is not connected yet");
		const config = {
			name: STREAM,
			subjects: [`${SUBJECTS}.>`],
			storage: StorageType.File,
			max_age: nanos(MAX_AGE_MS),
			duplicate_window: nanos(DEDUPLICATION_MS),
		};
		const known = await manager.streams.info(STREAM).catch((error: unknown) => {
			if (isCode(error, "404")) return undefined;
			throw error;
		});
		const info =
			known ??
			(await manager.streams.add(config).catch(async (error: unknown) => {
				// Another node made it in the same moment.
				this.#log.debug({ err: error }, "The event stream was not added");
				return manager.streams.info(STREAM);
			}));
		this.#created = String(info.created);
	}

	async #consume(subscription: Subscription): Promise<void> {
		await closeQuietly(subscription);
		const { consumer, event } = subscription;
		const durable = `${consumer.name}-${event.replaceAll(/[^a-z0-9]/gi, "_")}`;
		await this.#manager?.consumers.add(STREAM, {
			durable_name: durable,
			filter_subject: `${SUBJECTS}.${event}`,
			ack_policy: AckPolicy.Explicit,
			deliver_policy: DeliverPolicy.All,
			ack_wait: nanos(ACK_WAIT_MS),
			max_deliver: -1,
			max_ack_pending: MAX_IN_FLIGHT,
		});
		const pull = await this.#client?.consumers.get(STREAM, durable);
		const messages = await pull?.consume({ max_messages: MAX_IN_FLIGHT, expires: 5_000 });
		if (!messages) return;
		subscription.messages = messages;
		void (async () => {
			for await (const message of messages) this.#track(this.#handle(subscription, message));
		})().catch(error => this.#log.warn({ err: error, durable }, "A pull of events ended"));
	}

	#track(work: Promise<void>): void {
		const tracked = work.catch(error => this.#log.error({ err: error }, "An event could not be settled"));
		this.#running.add(tracked);
		void tracked.then(() => this.#running.delete(tracked));
	}

	async #handle({ consumer, handler }: Subscription, message: JsMsg): Promise<void> {
		const attempt = message.info.redeliveryCount;
		const alive = setInterval(() => message.working(), WORKING_EVERY_MS);
		try {
			const event = parse(message);
			if (!event) {
				this.#log.error({ subject: message.subject, seq: message.seq }, "An event that is not JSON was dropped");
				message.term();
				return;
			}
			try {
				await handler(event as never, { attempt });
			} catch (error) {
				if (attempt < consumer.retry.maxAttempts) {
					message.nak(Math.min(consumer.retry.baseMs * 2 ** (attempt - 1), consumer.retry.maxMs));
					return;
				}
				await consumer.onDead(event, error, attempt);
			}
			message.ack();
		} finally {
			clearInterval(alive);
		}
	}
}

async function closeQuietly(subscription: Subscription): Promise<void> {
	const { messages } = subscription;
	subscription.messages = undefined;
	// A pull that lost its connection rejects its own end; it is over either way.
	await messages?.close().catch(() => undefined);
}

function parse(message: JsMsg): DomainEvent | undefined {
	try {
		const event = message.json<DomainEvent>();
		return typeof event?.id === "string" ? event : undefined;
	} catch {
		return undefined;
	}
}

const isCode = (error: unknown, code: string): boolean =>
	typeof error === "object" && error !== null && "code" in error && String(error.code) === code;
