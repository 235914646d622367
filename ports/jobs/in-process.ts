import type { Logger } from "pino";
import type { JobQueue } from "./port.ts";

const MAX_ATTEMPTS = 5;
const RETRY_BASE_MS = 500;
/** Wake-ups that wait; beyond it the oldest is dropped, and the sweep of its service finds the job. */
const MAX_WAITING = 10_000;

interface Worker {
	concurrency: number;
	handler: (jobId: string) => Promise<void>;
	waiting: { jobId: string; attempt: number }[];
	running: Set<Promise<void>>;
}

export class InProcessJobs implements JobQueue {
	readonly engine = "in-process";
	readonly #log: Logger;
	readonly #workers = new Map<string, Worker>();
	/** Wake-ups that are not due yet, by queue and job: of two the earlier one counts. */
	readonly #later = new Map<string, { timer: NodeJS.Timeout; dueAt: number }>();
	#isStopping = false;

	constructor(log: Logger) {
		this.#log = log;
	}

	async start(): Promise<void> {
		await Promise.resolve();
	}

	async stop(): Promise<void> {
		this.#isStopping = true;
		for (const { timer } of this.#later.values()) clearTimeout(timer);
		this.#later.clear();
		await Promise.allSettled([...this.#workers.values()].flatMap(worker => [...worker.running]));
	}

	async wake(queue: string, jobId: string, delayMs = 0): Promise<void> {
		this.#schedule(queue, jobId, delayMs, 1);
		await Promise.resolve();
	}

	process(queue: string, concurrency: number, handler: (jobId: string) => Promise<void>): void {
		this.#workers.set(queue, { concurrency, handler, waiting: [], running: new Set() });
	}

	isReady(): boolean {
		return !this.#isStopping;
	}

	#schedule(queue: string, jobId: string, delayMs: number, attempt: number): void {
		const key = `${queue} ${jobId}`;
		const dueAt = Date.now() + delayMs;
		const known = this.#later.get(key);
		if (this.#isStopping || (known && known.dueAt <= dueAt)) return;
		clearTimeout(known?.timer);
		const timer = setTimeout(() => {
			this.#later.delete(key);
			this.#enqueue(queue, jobId, attempt);
		}, delayMs);
		this.#later.set(key, { timer, dueAt });
	}

	#enqueue(queue: string, jobId: string, attempt: number): void {
		const worker = this.#workers.get(queue);
		if (!worker || this.#isStopping || worker.waiting.some(waiting => waiting.jobId === jobId)) return;
		worker.waiting.push({ jobId, attempt });
		if (worker.waiting.length > MAX_WAITING) worker.waiting.shift();
		this.#drain(queue, worker);
	}

	#drain(queue: string, worker: Worker): void {
		while (worker.running.size < worker.concurrency && !this.#isStopping) {
			const next = worker.waiting.shift();
			if (!next) return;
			const run = this.#run(queue, worker, next.jobId, next.attempt);
			worker.running.add(run);
			void run.finally(() => {
				worker.running.delete(run);
				this.#drain(queue, worker);
			});
		}
	}

	async #run(queue: string, worker: Worker, jobId: string, attempt: number): Promise<void> {
		try {
			await worker.handler(jobId);
		} catch (error) {
			this.#log.warn({ err: error, queue, jobId, attempt }, "A job failed");
			if (attempt >= MAX_ATTEMPTS) return;
			this.#schedule(queue, jobId, RETRY_BASE_MS * 2 ** (attempt - 1), attempt + 1);
		}
	}
}
