import { createPublicKey, type KeyObject } from "node:crypto";
import { LRUCache } from "lru-cache";
import { verifyAccessToken } from "../../../lib/access-token.ts";
import type { Clock } from "../../../lib/clock.ts";
import { DomainError } from "../../../lib/errors.ts";
import type { Principal } from "../../../lib/permissions.ts";
import type { PublicJwk } from "../../auth/auth.contract.ts";

/** What the authenticator asks of `auth`. */
export interface AuthSource {
	keys(): Promise<PublicJwk[]>;
	revokedSessions(): Promise<string[]>;
}

/** An unknown key id makes the keys be asked for again, but a flood of them does not. */
const REFETCH_AFTER_MS = 5_000;
/** How long a proven token is taken at its word; its session may be revoked meanwhile, that is looked up each time. */
const PROVEN_MS = 30_000;
/** Longer than any token lives: after that a revoked session proves nothing any more. */
const KEEP_REVOKED_MS = 20 * 60_000;
const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/** Proves who calls, from the access token alone: public keys and revoked sessions are held here. */
export class Authenticator {
	readonly #source: AuthSource;
	readonly #clock: Clock;
	readonly #keys = new Map<string, KeyObject>();
	readonly #proven = new LRUCache<string, Principal>({ max: 5_000, ttl: PROVEN_MS });
	readonly #revoked = new LRUCache<string, true>({ max: 200_000, ttl: KEEP_REVOKED_MS });
	#fetchedAt = Number.NEGATIVE_INFINITY;
	#fetching: Promise<void> | undefined;
	#refreshing: Promise<void> | undefined;
	#hasRevocations = false;

	constructor(source: AuthSource, clock: Clock) {
		this.#source = source;
		this.#clock = clock;
	}

	/**
	 * Who sent this `Authorization` header; undefined without one.
	 * @throws UNAUTHENTICATED for anything but a good token, SERVICE_UNAVAILABLE while nothing can be proven
	 */
	async principal(authorization: string | undefined): Promise<Principal | undefined> {
		if (authorization === undefined) return undefined;
		const token = BEARER.exec(authorization)?.[1];
		if (token === undefined) throw refused();
		const principal = this.#proven.get(token) ?? (await this.#prove(token));
		if (this.#revoked.has(principal.sessionId)) throw refused();
		return principal;
	}

	/** Ends sessions here at once. */
	revoke(sessionIds: readonly string[]): void {
		for (const id of sessionIds) this.#revoked.set(id, true);
	}

	/** Asks what a lost hint may have said; to be called every two seconds. */
	refresh(): Promise<void> {
		// Once for all who wait: tokens are proven before requests are counted, so a flood of them must not become one of calls.
		this.#refreshing ??= (async () => {
			this.revoke(await this.#source.revokedSessions());
			this.#hasRevocations = true;
		})().finally(() => {
			this.#refreshing = undefined;
		});
		return this.#refreshing;
	}

	async #prove(token: string): Promise<Principal> {
		// Before the first answer a revoked session would pass.
		if (!this.#hasRevocations) await this.refresh();
		const now = this.#clock.now();
		const principal = await verifyAccessToken(token, kid => this.#keyOf(kid), now);
		const leftMs = expiryOf(token) * 1000 - now.getTime();
		if (leftMs > 0) this.#proven.set(token, principal, { ttl: Math.min(PROVEN_MS, leftMs) });
		return principal;
	}

	async #keyOf(kid: string): Promise<KeyObject | undefined> {
		if (!this.#keys.has(kid)) await this.#fetchKeys();
		return this.#keys.get(kid);
	}

	async #fetchKeys(): Promise<void> {
		if (!this.#fetching && performance.now() - this.#fetchedAt < REFETCH_AFTER_MS) return;
		this.#fetching ??= (async () => {
			const keys = await this.#source.keys();
			this.#keys.clear();
			for (const jwk of keys) this.#keys.set(jwk.kid, createPublicKey({ key: { ...jwk }, format: "jwk" }));
			this.#fetchedAt = performance.now();
		})().finally(() => {
			this.#fetching = undefined;
		});
		await this.#fetching;
	}
}

/** The claim of a token that was verified. */
function expiryOf(token: string): number {
	const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as { exp: number };
	return claims.exp;
}

const refused = (): DomainError => new DomainError("UNAUTHENTICATED", "The access token is not valid; sign in again");
