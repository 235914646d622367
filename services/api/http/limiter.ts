import type { ServerResponse } from "node:http";
import type { Principal } from "../../../lib/permissions.ts";
import type { CacheStore } from "../../../ports/cache/port.ts";
import { httpError } from "./problem.ts";
import { networkOf } from "./request.ts";
import type { Route } from "./route.ts";

const WINDOW_MS = 60_000;

export interface Limits {
	/** Requests a minute; 0 means no limit. */
	rateLimit: number;
	authRateLimit: number;
}

/**
 * Counts a request against its caller's minute and says so in the answer.
 * @throws RATE_LIMITED
 */
export async function countRequest(
	cache: CacheStore,
	{ rateLimit, authRateLimit }: Limits,
	{ route, user, address, response }: { route: Route; user?: Principal; address: string; response: ServerResponse },
): Promise<void> {
	const limit = route.isAuth ? authRateLimit : rateLimit;
	if (limit === 0 || route.isProbe) return;
	const who = user && !route.isAuth ? `user:${user.id}` : `address:${networkOf(address)}`;
	const { count, resetMs } = await cache.hit(`${route.isAuth ? "auth" : "api"}:${who}`, WINDOW_MS);
	const reset = String(Math.max(1, Math.ceil(resetMs / 1000)));
	response.setHeader("RateLimit-Limit", limit);
	response.setHeader("RateLimit-Remaining", Math.max(0, limit - count));
	response.setHeader("RateLimit-Reset", reset);
	if (count > limit) throw httpError("RATE_LIMITED", "Too many requests in this minute", { "Retry-After": reset });
}
