import type { Role } from "../../../lib/permissions.ts";

export type AccountStatus = "unverified" | "active" | "disabled";

/** Who may sign in: an address, a password, roles. What a person tells about themselves lives in `users`. */
export interface Account {
	id: string;
	/** Normalised, unique. */
	email: string;
	passwordHash: string;
	/** As it was given at registration, for the profile. */
	name: string | null;
	roles: Role[];
	status: AccountStatus;
	version: number;
}

/**
 * Somebody asked for an account at an address, which proves nothing yet: its link comes by mail, its password is with
 * whoever asked. Several may wait for one address, and none touches another.
 */
export interface Registration {
	id: string;
	email: string;
	passwordHash: string;
	name: string | null;
	createdAt: Date;
	expiresAt: Date;
}

export interface Registrations {
	/** Tells `account.registered`, so that the link is mailed. */
	add(registration: Registration, requestId?: string): Promise<void>;
	byId(id: string): Promise<Registration | null>;
	/** Once the address has its account, no link of it is good for anything. */
	forgetAllOf(email: string): Promise<void>;
}

/** Counts within a day of the first time, over all nodes. */
export interface Allowances {
	/** Counts one more; false when that was one too many. */
	take(about: string, max: number): Promise<boolean>;
}

export interface Accounts {
	byEmail(email: string): Promise<Account | null>;
	byId(id: string): Promise<Account | null>;
	/**
	 * An account that cannot sign in yet, with the password of this registration; one that another registration of the
	 * address had begun is taken over, under its id. Null when the address has its account.
	 */
	claim(registration: Registration, now: Date): Promise<Account | null>;
	/** False when another registration of the address was faster. */
	activate(account: Account, registration: Registration, now: Date, requestId?: string): Promise<boolean>;
	/** Replaces a password hash by one of today's cost, unless it changed meanwhile. */
	upgradeHash(id: string, from: string, to: string): Promise<void>;
	hasActiveAdmin(): Promise<boolean>;
	/** An admin who cannot sign in yet, or an existing account made into one; the password is the given one. */
	prepareAdmin(admin: { email: string; passwordHash: string; now: Date }): Promise<Account>;
	activateAdmin(id: string, now: Date): Promise<void>;
}

/** One sign-in. Its refresh tokens are a family: each rotation makes the one before spent. */
export interface Session {
	id: string;
	userId: string;
	/** Random, known only inside the tokens; the database keeps its hash. */
	family: string;
	/** Which refresh token is the current one, counted from 0. */
	rotation: number;
}

/** What a genuine refresh token says. */
export type RefreshClaims = Omit<Session, "userId">;

/** A live session as it is kept. */
export interface OpenSession extends Session {
	openedAt: Date;
	/** What was given for the token before the current one; undefined while none was spent. */
	given: { at: Date; accessToken: string } | undefined;
}

export interface Sessions {
	open(session: Session, now: Date, expiresAt: Date): Promise<void>;
	/** The session of this family, whichever of its tokens this is; null when there is none, or it has ended. */
	find(claims: Pick<RefreshClaims, "id" | "family">, now: Date): Promise<OpenSession | null>;
	/** Spends the token for this access token and the next refresh token, in one step; false when it was spent before. */
	rotate(claims: RefreshClaims, given: { at: Date; accessToken: string }, expiresAt: Date): Promise<boolean>;
	/** Ends the session if this token was spent. True when this call ended it. */
	revokeIfSpent(claims: RefreshClaims, now: Date): Promise<boolean>;
	/** Ends the session whichever of its tokens this is. True when this call ended it. */
	revoke(claims: Pick<RefreshClaims, "id" | "family">, now: Date): Promise<boolean>;
	/** Ends whatever sessions this account has. */
	revokeAllOf(userId: string, now: Date): Promise<void>;
	/** The newest first, a bounded number. */
	revokedSince(since: Date): Promise<string[]>;
}

export interface Passwords {
	/** SERVICE_UNAVAILABLE when too many wait. */
	hash(password: string): Promise<string>;
	/** Without a hash it costs the same and is false. */
	verify(password: string, hash: string | undefined): Promise<boolean>;
	/** Whether the hash was made at another cost than today's. */
	isOutdated(hash: string): boolean;
}

/** Makes and reads the secrets that are handed out. */
export interface Secrets {
	nonce(): string;
	refreshToken(claims: RefreshClaims): string;
	/** Undefined for a token that was not made here. */
	readRefreshToken(token: string): RefreshClaims | undefined;
	/** The token in a registration's link: always the same one. */
	verificationToken(registrationId: string): string;
	/** Whose it is; undefined for a token that was not made here. */
	registrationOf(token: string): string | undefined;
}

export interface AccessTokens {
	sign(principal: { id: string; sessionId: string; roles: Role[] }): string;
	readonly lifeSeconds: number;
}

export interface Profiles {
	/** A repeat finds it. SERVICE_UNAVAILABLE when users is away. */
	create(account: Pick<Account, "id" | "email" | "name">): Promise<void>;
}

/** Tells the gateways at once; they poll as well. */
export interface Announcements {
	revoked(sessionId: string): void;
}

/** A try to sign in, to be told how it ended. */
export interface Attempt {
	failed(): Promise<void>;
	passed(): Promise<void>;
}

export interface Limiter {
	/** RATE_LIMITED when this was asked for too often. */
	check(about: string): Promise<void>;
	/**
	 * Only failures count, by account and network: nobody can lock an owner out from elsewhere.
	 * @throws RATE_LIMITED when this network failed too often at this account, or all networks together far too often
	 *   and nobody has signed in from this one yet
	 */
	attempt(account: string, address: string | undefined): Promise<Attempt>;
}

/** All that the use cases of accounts need from outside. */
export interface AuthDeps {
	accounts: Accounts;
	registrations: Registrations;
	allowances: Allowances;
	sessions: Sessions;
	passwords: Passwords;
	secrets: Secrets;
	accessTokens: AccessTokens;
	profiles: Profiles;
	announcements: Announcements;
	limiter: Limiter;
	clock: { now(): Date };
	ids: { session(): string; registration(): string };
}
