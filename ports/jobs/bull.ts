import type { ServiceSchema } from "moleculer";
import BullService from "moleculer-bull";
import type { JobQueue } from "./port.ts";

const MAX_ATTEMPTS = 5;

interface BullJob {
	data: { jobId: string };
}
interface BullQueue {
	add(data: { jobId: string }, options: Record<string, unknown>): Promise<unknown>;
	process(concurrency: number, handler: (job: BullJob) => Promise<void>): Promise<void>;
	on(event: "error", listener: (error: Error) => void): void;
	close(doNotWait?: boolean): Promise<void>;
}
interface BullHost {
	getQueue(name: string): BullQueue;
	$queues: Record<string, BullQueue>;
	logger: { warn(message: string): void };
}

/**
 * Wake-ups through Bull on Redis. moleculer-bull is a service mixin, so the engine brings a small service of its own,
 * which the node starts before all others.
 */
export class BullJobs implements JobQueue {
	readonly engine = "bull";
	readonly #url: string;
	readonly #handlers = new Map<string, { concurrency: number; handler: (jobId: string) => Promise<void> }>();
	readonly #listened = new Set<string>();
	#host: BullHost | undefined;

	constructor(url: string) {
		this.#url = url;
	}

	/** The service that holds the queues. moleculer-bull leaves its connections open at the end; this one does not. */
	service(nodeId: string): ServiceSchema {
		const attach = (host: BullHost) => {
			this.#host = host;
			for (const [queue, { concurrency, handler }] of this.#handlers) this.#work(queue, concurrency, handler);
		};
		return {
			name: `jobs-${nodeId}`,
			mixins: [
				BullService(this.#url, {
					prefix: "stoa:bull",
					settings: { stalledInterval: 10_000 },
				}) as Partial<ServiceSchema>,
			],
			created() {
				attach(this as unknown as BullHost);
			},
		};
	}

	async start(): Promise<void> {
		await Promise.resolve();
	}

	async stop(): Promise<void> {
		const queues = Object.values(this.#host?.$queues ?? {});
		this.#host = undefined;
		await Promise.all(queues.map(queue => queue.close()));
	}

	async wake(queue: string, jobId: string, delayMs = 0): Promise<void> {
		const options = {
			// The same job waiting twice is one wake-up too many; done ones must not block the next.
			jobId,
			delay: delayMs,
			attempts: MAX_ATTEMPTS,
			backoff: { type: "exponential", delay: 500 },
			removeOnComplete: true,
			removeOnFail: true,
		};
		await this.#queue(queue)?.add({ jobId }, options);
	}

	process(queue: string, concurrency: number, handler: (jobId: string) => Promise<void>): void {
		this.#handlers.set(queue, { concurrency, handler });
		if (this.#host) this.#work(queue, concurrency, handler);
	}

	isReady(): boolean {
		return this.#host !== undefined;
	}

	#work(queue: string, concurrency: number, handler: (jobId: string) => Promise<void>): void {
		// The promise ends with the queue; what goes wrong on the way comes as 'error'.
		void this.#queue(queue)?.process(concurrency, job => handler(job.data.jobId));
	}

	#queue(name: string): BullQueue | undefined {
		const host = this.#host;
		const queue = host?.getQueue(name);
		if (host && queue && !this.#listened.has(name)) {
			this.#listened.add(name);
			queue.on("error", error => host.logger.warn(`Queue ${name}: ${error.message}`));
		}
		return queue;
	}
}
