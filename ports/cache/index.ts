import type { Config } from "../../lib/config.ts";
import { createLogger } from "../../lib/logger.ts";
import { MemoryCache } from "./memory.ts";
import type { CacheStore } from "./port.ts";
import { RedisCache } from "./redis.ts";

export const createCacheStore = (config: Config): CacheStore =>
	config.redisUrl
		? new RedisCache(config.redisUrl, createLogger(config.logLevel).child({ mod: "cache" }))
		: new MemoryCache();
