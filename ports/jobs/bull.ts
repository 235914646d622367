import { setTimeout as delay } from "node:timers/promises";
import type { ServiceSchema } from "moleculer";
import BullService from "moleculer-bull";
import type { JobQueue } from "./port.ts";

const MAX_ATTEMPTS = 5;
/** A wake-up may be lost, so a request does not wait for a Redis that is away. */
const WAKE_TIMEOUT_MS = 500;
const CLOSE_TIMEOUT_MS = 3_000;
const TELL_EVERY_MS = 60_000;
const WORK_AGAIN_MS = 1_000;

interface BullJob {
	data: { jobId: string };
	isDelayed(): Promise<boolean>;
	promote(): Promise<void>;
}
interface BullClient {
	status: string;
	disconnect(): void;
	sendCommand(...args: unknown[]): unknown;
}
interface BullQueue {
	clients: BullClient[];
	/** Made when they are first asked for. */
	client: BullClient;
	eclient: BullClient;
	bclient: BullClient;
	setWorkerName(): Promise<void>;
	add(data: { jobId: string }, options: Record<string, unknown>): Promise<BullJob>;
	process(concurrency: number, handler: (job: BullJob) => Promise<void>): Promise<void>;
	on(event: "error", listener: (error: Error) => void): void;
	close(doNotWait?: boolean): Promise<void>;
}
interface BullHost {
	getQueue(name: string): BullQueue;
	$queues: Record<string, BullQueue>;
	logger: { warn(message: string): void };
}
interface Worker {
	concurrency: number;
	handler: (jobId: string) => Promise<void>;
}

/**
 * Wake-ups through Bull on Redis. moleculer-bull is a service mixin, so the engine brings a small service of its own,
 * which the node starts before all others.
 */
export class BullJobs implements JobQueue {
	readonly engine = "bull";
	readonly #url: string;
	readonly #workers = new Map<string, Worker>();
	readonly #listened = new WeakSet<BullQueue>();
	readonly #running = new Set<Promise<void>>();
	#toldAt = Number.NEGATIVE_INFINITY;
	#host: BullHost | undefined;
	#stopping: Promise<void> | undefined;

	constructor(url: string) {
		this.#url = url;
	}

	/** The service that holds the queues. moleculer-bull leaves its connections open at the end; this engine does not. */
	service(nodeId: string): ServiceSchema {
		const attach = (host: BullHost) => {
			this.#host = host;
			for (const [queue, worker] of this.#workers) void this.#work(queue, worker);
		};
		return {
			name: `jobs-${nodeId}`,
			mixins: [
				BullService(this.#url, {
					prefix: "stoa:bull",
					settings: { stalledInterval: 10_000 },
					// Bull reads everything from the URL but that it is to be encrypted.
					...(this.#url.startsWith("rediss:") ? { redis: { tls: { servername: new URL(this.#url).hostname } } } : {}),
				}) as Partial<ServiceSchema>,
			],
			created() {
				attach(this as unknown as BullHost);
			},
			// With the services whose handlers it calls, not after them.
			stopped: () => this.#stopOnce(),
		};
	}

	async start(): Promise<void> {
		await Promise.resolve();
	}

	stop(): Promise<void> {
		return this.#stopOnce();
	}

	#stopOnce(): Promise<void> {
		this.#stopping ??= this.#close();
		return this.#stopping;
	}

	async #close(): Promise<void> {
		const queues = Object.values(this.#host?.$queues ?? {});
		this.#host = undefined;
		// Closing stops the intake first; with Redis away it would not end by itself.
		const closed = Promise.allSettled(queues.map(queue => queue.close()));
		await Promise.allSettled([...this.#running]);
		await Promise.race([closed, delay(CLOSE_TIMEOUT_MS, undefined, { ref: false })]);
		for (const client of queues.flatMap(queue => queue.clients)) if (client.status !== "end") client.disconnect();
	}

	async wake(queue: string, jobId: string, delayMs = 0): Promise<void> {
		const woken = this.#add(queue, jobId, delayMs).catch((error: unknown) =>
			this.#host?.logger.warn(`Job ${jobId} of ${queue} waits for the next sweep: ${String(error)}`),
		);
		await Promise.race([woken, delay(WAKE_TIMEOUT_MS, undefined, { ref: false })]);
	}

	process(queue: string, concurrency: number, handler: (jobId: string) => Promise<void>): void {
		const worker = { concurrency, handler };
		this.#workers.set(queue, worker);
		void this.#work(queue, worker);
	}

	isReady(): boolean {
		return this.#host !== undefined;
	}

	async #add(queue: string, jobId: string, delayMs: number): Promise<void> {
		const job = await this.#queue(queue)?.add(
			{ jobId },
			{
				// The same job waiting twice is one wake-up too many; done ones must not block the next.
				// Bull keeps a job beside its own keys: one with the id 'delayed' would break the queue.
				jobId: `wake.${jobId}`,
				delay: delayMs,
				attempts: MAX_ATTEMPTS,
				backoff: { type: "exponential", delay: 500 },
				removeOnComplete: true,
				removeOnFail: true,
			},
		);
		// It was there already, and later than it is wanted now.
		if (job && delayMs === 0 && (await job.isDelayed())) await job.promote();
	}

	/** Takes jobs until the queue is closed. A queue whose first connection failed never works: it is replaced. */
	async #work(name: string, { concurrency, handler }: Worker): Promise<void> {
		while (this.#host) {
			const host = this.#host;
			const queue = this.#queue(name);
			for (const client of queue ? [queue.eclient, queue.bclient] : []) leaveNoRejection(client);
			try {
				await queue?.process(concurrency, job => this.#run(handler, job.data.jobId));
				return;
			} catch (error) {
				if (!this.#host) return;
				this.#tell(`queue ${name} is tried again: ${String(error)}`);
				if (queue && host.$queues[name] === queue) delete host.$queues[name];
				for (const client of queue?.clients ?? []) client.disconnect();
				await delay(WORK_AGAIN_MS, undefined, { ref: false });
			}
		}
	}

	async #run(handler: Worker["handler"], jobId: string): Promise<void> {
		// Bull hands out one more while it closes: another node takes it, after its pause.
		if (!this.#host) throw new Error("This node stops");
		const run = handler(jobId);
		this.#running.add(run);
		try {
			await run;
		} finally {
			this.#running.delete(run);
		}
	}

	/** Every queue says so at every try while Redis is away: a line a minute is as much as anybody reads. */
	#tell(what: string): void {
		const now = performance.now();
		if (now - this.#toldAt < TELL_EVERY_MS) return;
		this.#toldAt = now;
		this.#host?.logger.warn(
			`Redis does not serve jobs, which start late, by the sweep, until it is back; start it, or correct REDIS_URL: ${what}`,
		);
	}

	#queue(name: string): BullQueue | undefined {
		const host = this.#host;
		const queue = host?.getQueue(name);
		if (host && queue && !this.#listened.has(queue)) {
			this.#listened.add(queue);
			// Names its connection for a list that nobody asks for, and leaves the promise to itself.
			queue.setWorkerName = () => Promise.resolve();
			leaveNoRejection(queue.client);
			queue.on("error", error => this.#tell(`queue ${name}: ${error.message}`));
		}
		return queue;
	}
}

/**
 * Commands that the client sends by itself, such as subscribing again after a reconnect, have nobody who waits for them.
 * Where one is refused, an error of the queue tells so; a rejection that nobody handles would end the node.
 */
function leaveNoRejection(client: BullClient): void {
	const send = client.sendCommand.bind(client);
	client.sendCommand = (...args) => {
		const answer = send(...args);
		Promise.resolve(answer).catch(() => undefined);
		return answer;
	};
}
