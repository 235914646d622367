import { ServiceBroker } from "moleculer";
import { createLogger } from "../../lib/logger.ts";
import { BullJobs } from "../../ports/jobs/bull.ts";
import { InProcessJobs } from "../../ports/jobs/in-process.ts";
import type { JobQueue } from "../../ports/jobs/port.ts";

/** A node's job engine as the node starts it: Bull lives in a service of a broker. `stop` ends both. */
export async function startJobs(engine: JobQueue["engine"], redisUrl: string): Promise<JobQueue> {
	if (engine === "in-process") return new InProcessJobs(createLogger("silent"));
	const jobs = new BullJobs(redisUrl);
	const broker = new ServiceBroker({ logger: false });
	await jobs.start();
	broker.createService(jobs.service("test"));
	await broker.start();
	const stopJobs = jobs.stop.bind(jobs);
	jobs.stop = async () => {
		await broker.stop();
		await stopJobs();
	};
	return jobs;
}
