import type { Config } from "../../lib/config.ts";
import { createLogger } from "../../lib/logger.ts";
import { InProcessEvents } from "./in-process.ts";
import { JetStreamEvents } from "./jetstream.ts";
import type { EventBus } from "./port.ts";

export const createEventBus = (config: Config): EventBus =>
	config.natsUrl
		? new JetStreamEvents(config.natsUrl, createLogger(config.logLevel).child({ mod: "events" }))
		: new InProcessEvents();
