import type { BrokerOptions } from "moleculer";
import type { Config, LogLevel } from "./lib/config.ts";
import { errorType } from "./lib/errors.ts";
import { logDestination, loggerOptions } from "./lib/logger.ts";
import { natsOptions } from "./lib/nats-url.ts";
import { cache } from "./middlewares/cache.ts";
import { createCircuitBreaker } from "./middlewares/circuit-breaker.ts";
import { clusterCache } from "./middlewares/cluster-cache.ts";
import { domainErrors } from "./middlewares/domain-errors.ts";
import { httpDrain } from "./middlewares/http-drain.ts";
import { idempotency } from "./middlewares/idempotency.ts";
import { asMiddlewares, type Middleware } from "./middlewares/middleware.ts";
import { nodeRestarts } from "./middlewares/node-restarts.ts";
import { permissions } from "./middlewares/permissions.ts";

/** Errors that mean 'the action never ran', so that a retry cannot run it twice. */
const NEVER_EXECUTED = new Set(["SERVICE_NOT_AVAILABLE", "SERVICE_NOT_FOUND", "BUS_DOWN"]);

/**
 * The broker's options: only what differs from Moleculer's defaults, and why.
 * @param outer middlewares beyond the built-in chain (metrics, message bus guard, HTTP drain)
 */
export function brokerOptions(config: Config, { outer = [] }: { outer?: Middleware[] } = {}): BrokerOptions {
	return {
		namespace: "stoa",
		nodeID: config.nodeId,
		logger: brokerLogger(config.logLevel),
		// Plain JSON is the fastest serializer for what Stoa sends.
		serializer: "JSON",
		...(config.natsUrl ? { transporter: natsTransporter(config.natsUrl) } : {}),
		// The default is to wait for ever.
		requestTimeout: 10_000,
		maxCallLevel: 20,
		heartbeatInterval: 2,
		heartbeatTimeout: 6,
		dependencyInterval: 50,
		tracking: { enabled: true, shutdownTimeout: 10_000 },
		registry: { preferLocal: true, strategy: "RoundRobin", stopDelay: 200 },
		retryPolicy: {
			enabled: true,
			retries: 3,
			delay: 100,
			maxDelay: 1_000,
			factor: 2,
			check: error => NEVER_EXECUTED.has(errorType(error) ?? ""),
		},
		// Stoa stops in its own order, with a deadline: see node.ts.
		skipProcessEventRegistration: true,
		// The default order answers from the cache before it validates and authorises; this one does not.
		internalMiddlewares: false,
		middlewares: asMiddlewares([
			"ActionHook",
			"Bulkhead",
			idempotency,
			cache,
			"Validator",
			permissions,
			domainErrors,
			"ContextTracker",
			createCircuitBreaker(),
			"Timeout",
			"Retry",
			"Fallback",
			"ErrorHandler",
			...outer,
			clusterCache,
			nodeRestarts,
			httpDrain,
		]),
	};
}

/** At `info` the broker tells every step of every module's start: that is for who looks for it with `debug`. */
function brokerLogger(logLevel: LogLevel): NonNullable<BrokerOptions["logger"]> {
	const level = logLevel === "info" ? "warn" : logLevel;
	return {
		type: "Pino",
		options: {
			level,
			pino: { options: loggerOptions(level), ...(logDestination ? { destination: logDestination } : {}) },
		},
	};
}

function natsTransporter(url: string): NonNullable<BrokerOptions["transporter"]> {
	return {
		type: "NATS",
		options: {
			...natsOptions(url),
			// For ever: a node that gives up on NATS is a node someone must restart by hand.
			maxReconnectAttempts: -1,
			reconnectTimeWait: 500,
			reconnectJitter: 100,
			// The default notices a half-open connection after four minutes.
			pingInterval: 10_000,
			maxPingOut: 2,
		},
	};
}
