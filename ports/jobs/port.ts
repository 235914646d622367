/**
 * Wakes workers. The truth of a job is a document in its service's database (status, lease, cursor), so a lost wake-up
 * delays a job until the next sweep and a repeated one finds nothing to do. Two engines: in process, and Bull on Redis.
 */
export interface JobQueue {
	readonly engine: "in-process" | "bull";
	start(): Promise<void>;
	/** Waits for running handlers, then closes its connections. */
	stop(): Promise<void>;
	/**
	 * Asks some worker of `queue` to look at this job, after `delayMs` at the earliest. Twice while it waits is once, and
	 * an undelayed one counts before a delayed one; while it runs, it may be lost. Never fails, and never waits for long.
	 */
	wake(queue: string, jobId: string, delayMs?: number): Promise<void>;
	/** Registers this node as a worker of `queue`, with at most `concurrency` jobs at once. A throw is retried with back-off. */
	process(queue: string, concurrency: number, handler: (jobId: string) => Promise<void>): void;
	isReady(): boolean;
}
