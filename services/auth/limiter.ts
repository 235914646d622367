import { tag } from "../../lib/crypto.ts";
import { DomainError } from "../../lib/errors.ts";
import { networkOf } from "../../lib/network.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { Limiter } from "./domain/ports.ts";

const MINUTE_MS = 60_000;
/** So many networks may be wrong about one account before unknown ones are refused. */
const ACCOUNT_FACTOR = 100;
/** A network from which the owner has signed in is the owner's for so long. */
const KNOWN_MS = 30 * 86_400_000;

/** Shared by all nodes through the cache engine, which never learns whose account it counts. */
export function createLimiter({ cache, config, secret }: Pick<Runtime, "cache" | "config" | "secret">): Limiter {
	const limit = config.authRateLimit;
	const key = (kind: string, ...about: string[]) => `auth:${kind}:${tag(secret, "rate-limit", about.join(" "))}`;
	return {
		async check(about) {
			if (limit === 0) return;
			const { count, resetMs } = await cache.hit(key("asked", about), MINUTE_MS);
			if (count > limit) throw tooMany(resetMs);
		},
		async attempt(account, address) {
			if (limit === 0) return { failed: () => Promise.resolve(), passed: () => Promise.resolve() };
			const network = networkOf(address ?? "");
			const [here, everywhere, known] = [
				key("failed", account, network),
				key("failed", account),
				key("known", account, network),
			];
			const [ofNetwork, ofAccount] = await Promise.all([cache.look(here), cache.look(everywhere)]);
			if (ofNetwork.count >= limit) throw tooMany(ofNetwork.resetMs);
			if (ofAccount.count >= limit * ACCOUNT_FACTOR && (await cache.look(known)).count === 0)
				throw tooMany(ofAccount.resetMs);
			return {
				async failed() {
					await Promise.all([cache.hit(here, MINUTE_MS), cache.hit(everywhere, MINUTE_MS)]);
				},
				async passed() {
					await cache.hit(known, KNOWN_MS);
				},
			};
		},
	};
}

const tooMany = (resetMs: number): DomainError =>
	new DomainError("RATE_LIMITED", "Too many attempts for this account; wait a little", {
		retryAfterSeconds: Math.max(1, Math.ceil(resetMs / 1000)),
	});
