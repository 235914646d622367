import type { Action } from "../../lib/contracts.ts";
import type { Role } from "../../lib/permissions.ts";

export interface Tokens {
	/** ES256, 15 minutes. */
	accessToken: string;
	/** Good for one refresh. */
	refreshToken: string;
	tokenType: "Bearer";
	/** Seconds until the access token ends. */
	expiresIn: number;
}

/** A public key as of RFC 7517. */
export interface PublicJwk {
	kty: "EC";
	crv: "P-256";
	x: string;
	y: string;
	kid: string;
	alg: "ES256";
	use: "sig";
}

export interface AuthActions {
	/** The same answer whether or not the address is known. */
	"auth.register": Action<{ email: string; password: string; name?: string }, { status: "verification_sent" }>;
	/**
	 * The password is that of the registration which the link belongs to: a link proves an address, not who opened the
	 * account. UNAUTHENTICATED for a token that is unknown, used or old, and for another password; the link stays good.
	 */
	"auth.verifyEmail": Action<{ token: string; password: string }, Tokens>;
	/** UNAUTHENTICATED, the same for unknown, wrong and unverified, in the same time. */
	"auth.login": Action<{ email: string; password: string }, Tokens>;
	/** Rotates. A token spent within 20 s answers the same once more; an older one UNAUTHENTICATED, and the session ends. */
	"auth.refresh": Action<{ refreshToken: string }, Tokens>;
	"auth.logout": Action<{ refreshToken: string }, void>;
	/** The public keys, also at `/.well-known/jwks.json`. */
	"auth.jwks": Action<void, { keys: PublicJwk[] }>;
	/** Internal: the sessions revoked within an access token's life, for the gateways' poll. */
	"auth.revokedSessions": Action<void, { sessionIds: string[] }>;
	/** Internal: the token of a registration's mail, the same one for every repeat; null when it is not to be sent. */
	"auth.verificationToken": Action<{ registrationId: string }, { token: string; email: string } | null>;
	/** Internal, for the first start and the REPL: does nothing when an admin exists. */
	"auth.createAdmin": Action<{ email: string; password: string }, { created: boolean; userId: string | null }>;
	/** Internal: the roles of a user, for `GET /me`. */
	"auth.rolesOf": Action<{ userId: string }, { roles: Role[] }>;
	/** Internal, for the REPL: a new signing key; the old one stays published until what it signed has ended. */
	"auth.rotateKeys": Action<void, { kid: string }>;
}

export interface AuthEvents {
	/** A registration waits for its address to be verified. */
	"account.registered": { registrationId: string };
	"account.verified": { accountId: string };
}

/** Broadcast, not durable: gateways also poll. */
export interface SessionRevoked {
	sessionIds: string[];
}

export interface AuthHints {
	"session.revoked": SessionRevoked;
}

declare module "../../lib/contracts.ts" {
	interface ActionContracts extends AuthActions {}
	interface EventContracts extends AuthEvents {}
}
declare module "../../lib/hints.ts" {
	interface HintContracts extends AuthHints {}
}
