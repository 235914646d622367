import type { Logger } from "pino";
import { tag } from "./crypto.ts";
import { createLineBudget } from "./line-budget.ts";
import type { Metrics } from "./metrics.ts";

/** What whoever watches over the shop wants to be told. */
export type SecurityEvent =
	| "sign_in_failed"
	| "refresh_token_reused"
	| "locked_out"
	| "webhook_forged"
	/** 401, 403, and 404 for what is somebody else's. */
	| "access_denied";

export interface SecurityDetails {
	/** An address or an account's id; only its keyed hash is written. */
	account?: string | undefined;
	/** Of the client; only a keyed hash of its network is written. */
	address?: string | undefined;
	requestId?: string | undefined;
	/** The route's pattern, the provider: nothing that a client wrote. */
	about?: string | undefined;
}

export interface SecurityLog {
	record(event: SecurityEvent, details: SecurityDetails): void;
}

const HASH_CHARACTERS = 22;

/**
 * Writes security events to the log and counts them as `stoa_security_events_total`. Accounts and networks are keyed
 * hashes of the node's secret: lines about the same one can be put together, and nobody learns whose they are. What
 * a client's limit refused no limit bounds: all of it is counted, not all of it written.
 * @param networkOf what counts as one client's network
 */
export function createSecurityLog(
	secret: string,
	metrics: Metrics,
	log: Pick<Logger, "warn">,
	networkOf: (address: string) => string,
): SecurityLog {
	const counter = metrics.counter("stoa_security_events_total", "Events that may be an attack", ["event"]);
	const hash = (what: string, text: string | undefined) =>
		text === undefined ? undefined : tag(secret, `security-${what}`, text).slice(0, HASH_CHARACTERS);
	const lines = createLineBudget(leftOut => log.warn({ leftOut }, "security events without a line of their own"));
	return {
		record(event, { account, address, requestId, about }) {
			counter.inc({ event });
			if (event === "locked_out" && account === undefined && !lines.isLeft(event, address)) return;
			const network = address === undefined ? undefined : networkOf(address);
			log.warn(
				{ event, account: hash("account", account), network: hash("network", network), requestId, about },
				"security event",
			);
		},
	};
}
