import type { Role } from "../../../lib/permissions.ts";

export type AccountStatus = "unverified" | "active" | "disabled";

/** Who may sign in: an address, a password, roles. What a person tells about themselves lives in `users`. */
export interface Account {
	id: string;
	/** Normalised, unique. */
	email: string;
	passwordHash: string;
	/** As it was given at registration, for the first mail and the profile. */
	name: string | null;
	roles: Role[];
	status: AccountStatus;
	/** Only while the address is unverified. */
	verification?: Verification;
	version: number;
}

/** What the mailed link proves; a repeated registration replaces it together with the password. */
export interface Verification {
	nonce: string;
	expiresAt: Date;
}

export interface Registration {
	email: string;
	passwordHash: string;
	name: string | null;
	nonce: string;
	now: Date;
	requestId?: string;
}

export interface Accounts {
	byEmail(email: string): Promise<Account | null>;
	byId(id: string): Promise<Account | null>;
	/**
	 * Makes an unverified account, or renews the registration of one that is unverified still (a bounded number of
	 * times). Leaves any other account as it is. One durable write each way, so that the time tells nothing.
	 */
	register(registration: Registration): Promise<void>;
	/** False when the link was used or replaced meanwhile. */
	activate(account: Account, now: Date, requestId?: string): Promise<boolean>;
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

export interface Sessions {
	open(session: Session, now: Date): Promise<void>;
	/** Makes the token spent, in one step; null when it is not the current one of a live session. */
	rotate(claims: RefreshClaims, now: Date): Promise<Session | null>;
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
	/** The same for equal accounts, for as long as their registration lasts. */
	verificationToken(account: Account): string | undefined;
	/** Whose it claims to be; proven only when it equals that account's token. */
	accountOf(token: string): string;
	isSame(a: string, b: string): boolean;
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

export interface Limiter {
	/** RATE_LIMITED when this account asked too often. */
	check(about: string): Promise<void>;
}

/** All that the use cases of accounts need from outside. */
export interface AuthDeps {
	accounts: Accounts;
	sessions: Sessions;
	passwords: Passwords;
	secrets: Secrets;
	accessTokens: AccessTokens;
	profiles: Profiles;
	announcements: Announcements;
	limiter: Limiter;
	clock: { now(): Date };
	ids: { session(): string };
}
