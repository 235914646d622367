import type { ServerResponse } from "node:http";
import { networksOf } from "../../../lib/network.ts";
import type { Principal } from "../../../lib/permissions.ts";
import type { CacheStore } from "../../../ports/cache/port.ts";
import { httpError } from "./problem.ts";
import type { Route } from "./route.ts";

const WINDOW_MS = 60_000;

export interface Limits {
	/** Requests a minute; 0 means no limit. */
	rateLimit: number;
	authRateLimit: number;
}

/**
 * Counts a request against its caller's minute and says so in the answer. Each route of authentication has a minute of
 * its own: whoever registers too often can still sign in.
 * @throws RATE_LIMITED
 */
export async function countRequest(
	cache: CacheStore,
	{ rateLimit, authRateLimit }: Limits,
	{ route, user, address, response }: { route: Route; user?: Principal; address: string; response: ServerResponse },
): Promise<void> {
	const limit = route.isAuth ? authRateLimit : rateLimit;
	if (limit === 0 || route.isProbe) return;
	const bucket = route.isAuth ? `auth:${route.pattern}` : "api";
	const callers =
		user && !route.isAuth
			? [{ name: `user:${user.id}`, share: 1 }]
			: networksOf(address).map(({ name, share }) => ({ name: `address:${name}`, share }));
	const counts = await Promise.all(
		callers.map(async ({ name, share }) => {
			const { count, resetMs } = await cache.hit(`${bucket}:${name}`, WINDOW_MS);
			return { limit: limit * share, left: limit * share - count, resetMs };
		}),
	);
	const tightest = counts.reduce((a, b) => (b.left < a.left ? b : a));
	const reset = String(Math.max(1, Math.ceil(tightest.resetMs / 1000)));
	response.setHeader("RateLimit-Limit", tightest.limit);
	response.setHeader("RateLimit-Remaining", Math.max(0, tightest.left));
	response.setHeader("RateLimit-Reset", reset);
	if (tightest.left < 0) throw httpError("RATE_LIMITED", "Too many requests in this minute", { "Retry-After": reset });
}
