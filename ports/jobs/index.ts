import type { Config } from "../../lib/config.ts";
import { createLogger } from "../../lib/logger.ts";
import { BullJobs } from "./bull.ts";
import { InProcessJobs } from "./in-process.ts";
import type { JobQueue } from "./port.ts";

export const createJobQueue = (config: Config): JobQueue =>
	config.redisUrl
		? new BullJobs(config.redisUrl)
		: new InProcessJobs(createLogger(config.logLevel).child({ mod: "jobs" }));
