import { setTimeout as delay } from "node:timers/promises";
import {
	AckPolicy,
	ConsumerEvents,
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
import { endsWithin } from "../../lib/deadline.ts";
import { natsOptions } from "../../lib/nats-url.ts";
import type { DomainEvent, EventBus, EventConsumer, EventHandler, EventName } from "./port.ts";

const STREAM = "STOA_EVENTS";
const SUBJECTS = "stoa.events";
const MAX_AGE_MS = 7 * 86_400_000;
const DEDUPLICATION_MS = 120_000;
/** What a node that died had in work comes again after this; a handler that lives says so. */
const ACK_WAIT_MS = 10_000;
const WORKING_EVERY_MS = 3_000;
/** The pauses while a consumer's database is away. */
const REDELIVER_BASE_MS = 200;
const REDELIVER_MAX_MS = 5_000;
const TIMEOUT_MS = 5_000;
const STOP_MS = 1_500;
const RECOVER_AFTER_MS = 250;
/** How soon a node that only publishes notices that another one had to make the stream anew. */
const CHECK_EVERY_MS = 5_000;
/** What tells that the stream or its consumer went away under a pull, though NATS itself stayed. */
const GONE: ReadonlySet<string> = new Set([
	ConsumerEvents.ConsumerDeleted,
	ConsumerEvents.ConsumerNotFound,
	ConsumerEvents.StreamNotFound,
]);
/** Messages of one consumer in work at once, over all its nodes. None of them waits for a later attempt here. */
const MAX_IN_FLIGHT = 64;

interface Subscription {
	consumer: EventConsumer;
	event: EventName;
	handler: EventHandler;
	messages: ConsumerMessages | undefined;
	isGone: boolean;
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
	#isStopped = false;
	#check: NodeJS.Timeout | undefined;
	#recovering: Promise<void> | undefined;

	constructor(url: string, log: Logger) {
		this.#url = url;
		this.#log = log;
	}

	get since(): Date | undefined {
		return this.#created === undefined ? undefined : new Date(this.#created);
	}

	async start(): Promise<void> {
		const connection = await connect({
			...natsOptions(this.#url),
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
		this.#check = setInterval(() => void (this.#isUp && this.#recover()), CHECK_EVERY_MS).unref();
	}

	open(): void {
		// A durable consumer keeps what came before its service: there is nothing to wait for.
	}

	async stop(): Promise<void> {
		this.#isUp = false;
		this.#isStopped = true;
		clearInterval(this.#check);
		const closed = Promise.all(this.#subscriptions.map(subscription => closeQuietly(subscription)));
		// What does not end is delivered again; a frozen server would not let it end at all.
		await endsWithin(STOP_MS, Promise.allSettled([closed, ...this.#running]));
		await this.#connection?.close();
	}

	async publish(event: DomainEvent): Promise<void> {
		// NATS would keep it until it is back, or until the time-out: better to know at once.
		if (!this.#client || !this.#isUp) throw new Error("JetStream is not connected");
		try {
			await this.#client.publish(`${SUBJECTS}.${event.name}`, JSON.stringify(event), {
				msgID: event.id,
				timeout: TIMEOUT_MS,
			});
		} catch (error) {
			// 503: nobody stores this subject, so the stream is gone. The relay comes back with the event.
			if (isCode(error, "503")) void this.#recover();
			throw error;
		}
	}

	async subscribe(consumer: EventConsumer): Promise<void> {
		for (const [event, handler] of Object.entries(consumer.handlers)) {
			const subscription = {
				consumer,
				event: event as EventName,
				handler: handler as EventHandler,
				messages: undefined,
				isGone: false,
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
			if (status.type === "reconnect") void this.#recover();
		}
		this.#isUp = false;
	}

	/**
	 * The stream may be gone or another one. Tries until it is there, after a wait: JetStream is up later than NATS
	 * itself, and a stream made while its files are removed stays broken. Pulls go on by themselves where their consumer
	 * still exists; closing one loses what is on the way to it until its time to acknowledge has passed.
	 */
	#recover(): Promise<void> {
		this.#recovering ??= (async () => {
			do {
				await delay(RECOVER_AFTER_MS, undefined, { ref: false });
			} while (!this.#isStopped && !(await this.#isRecovered()));
			this.#recovering = undefined;
		})();
		return this.#recovering;
	}

	async #isRecovered(): Promise<boolean> {
		const before = this.#created;
		try {
			await this.#ensureStream();
			const broken = this.#subscriptions.filter(({ isGone }) => isGone || before !== this.#created);
			await Promise.all(broken.map(subscription => this.#consume(subscription)));
		} catch (error) {
			this.#log.warn({ err: error }, "JetStream is not back yet");
			// The next try has to see the difference again.
			this.#created = before;
			return false;
		}
		this.#isUp = true;
		if (before !== this.#created) {
			this.#log.warn("The event stream came back empty: relays publish again what consumers may have missed");
			for (const listener of this.#lost) listener();
		}
		return true;
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
		if (this.#isStopped) return;
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
		subscription.isGone = false;
		void (async () => {
			for await (const message of messages) this.#track(this.#handle(subscription, message));
		})().catch(error => this.#log.warn({ err: error, durable }, "A pull of events ended"));
		void this.#watchPull(subscription, messages);
	}

	async #watchPull(subscription: Subscription, messages: ConsumerMessages): Promise<void> {
		for await (const status of await messages.status()) {
			if (!GONE.has(status.type) || subscription.messages !== messages) continue;
			subscription.isGone = true;
			void this.#recover();
		}
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
			await handler(event as never, { attempt });
			message.ack();
		} catch (error) {
			// The consumer could not even keep it, nor could it the events behind it: a slot that waits costs nothing.
			this.#log.warn({ err: error, consumer: consumer.name, attempt }, "An event comes again");
			message.nak(Math.min(REDELIVER_BASE_MS * 2 ** (attempt - 1), REDELIVER_MAX_MS));
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
