import { DomainError, type ErrorData } from "../../../lib/errors.ts";
import { normalisePassword } from "../../../lib/password-policy.ts";
import { normaliseEmail } from "./credentials.ts";
import type { Account, AuthDeps, OpenSession, RefreshClaims, Session } from "./ports.ts";

const DAY_MS = 86_400_000;
/** A session that is not used for so long ends. */
const IDLE_MS = 30 * DAY_MS;
/** No session is older, however much it is used. */
const MAX_LIFE_MS = 90 * DAY_MS;
/** A refresh token that was spent so short a time ago is taken for the same refresh, sent twice. */
const GRACE_MS = 20_000;

/** What a client signs its requests with from now on. */
export interface IssuedTokens {
	accessToken: string;
	refreshToken: string;
	tokenType: "Bearer";
	expiresIn: number;
}

/**
 * Signs in. Unknown, wrong, unverified and disabled cost the same and answer the same.
 * @throws UNAUTHENTICATED, RATE_LIMITED, SERVICE_UNAVAILABLE
 */
export async function login(
	deps: AuthDeps,
	input: { email: string; password: string; address?: string },
): Promise<IssuedTokens> {
	const email = normaliseEmail(input.email);
	const password = normalisePassword(input.password);
	const attempt = await deps.limiter.attempt(email, input.address);
	const account = await deps.accounts.byEmail(email);
	const isRight = await deps.passwords.verify(password, account?.passwordHash);
	if (!account || !isRight || account.status !== "active") {
		await attempt.failed();
		throw new DomainError("UNAUTHENTICATED", "The e-mail address or the password is wrong");
	}
	await attempt.passed();
	if (deps.passwords.isOutdated(account.passwordHash)) {
		await deps.accounts.upgradeHash(account.id, account.passwordHash, await deps.passwords.hash(password));
	}
	return openSession(deps, account);
}

/** Starts a family of refresh tokens for an account that has just proven itself. */
export async function openSession(deps: AuthDeps, account: Pick<Account, "id" | "roles">): Promise<IssuedTokens> {
	const session = { id: deps.ids.session(), userId: account.id, family: deps.secrets.nonce(), rotation: 0 };
	const now = deps.clock.now();
	await deps.sessions.open(session, now, endOf(now, now));
	return issue(deps, session, account);
}

/**
 * Spends a refresh token for a new one. A token that was spent a moment ago gives the same tokens once more: two tabs
 * that refresh at once, or an answer that was lost, are one refresh, and no second branch grows. A token that was spent
 * longer ago, or twice over, ends the session for all who have tokens of it: nobody can tell the thief from the owner.
 * @throws UNAUTHENTICATED, RATE_LIMITED
 */
export async function refresh(deps: AuthDeps, refreshToken: string): Promise<IssuedTokens> {
	const claims = deps.secrets.readRefreshToken(refreshToken);
	if (!claims) throw notValid();
	await deps.limiter.check(claims.id);
	const session = await deps.sessions.find(claims, deps.clock.now());
	if (!session) throw notValid();
	const account = await deps.accounts.byId(session.userId);
	if (account?.status !== "active") {
		if (await deps.sessions.revoke(session, deps.clock.now())) deps.announcements.revoked(session.id);
		throw notValid();
	}
	const isCurrent = session.rotation === claims.rotation;
	const tokens = isCurrent ? await spend(deps, session, account) : undefined;
	return tokens ?? (await givenBefore(deps, claims));
}

/** Undefined when somebody else spent it meanwhile. */
async function spend(deps: AuthDeps, session: OpenSession, account: Account): Promise<IssuedTokens | undefined> {
	const at = deps.clock.now();
	const tokens = issue(deps, { ...session, rotation: session.rotation + 1 }, account);
	const given = { at, accessToken: tokens.accessToken };
	return (await deps.sessions.rotate(session, given, endOf(session.openedAt, at))) ? tokens : undefined;
}

/** What was given for this token a moment ago; the end of the session when that is too long ago. */
async function givenBefore(deps: AuthDeps, claims: RefreshClaims): Promise<IssuedTokens> {
	const now = deps.clock.now();
	const session = await deps.sessions.find(claims, now);
	const ageMs = now.getTime() - (session?.given?.at.getTime() ?? 0);
	if (session?.given && session.rotation === claims.rotation + 1 && ageMs <= GRACE_MS) {
		const expiresIn = deps.accessTokens.lifeSeconds - Math.max(0, Math.ceil(ageMs / 1000));
		return tokensOf(deps, session, session.given.accessToken, expiresIn);
	}
	if (!(await deps.sessions.revokeIfSpent(claims, now))) throw notValid();
	deps.announcements.revoked(claims.id);
	throw notValid({ suspicion: "refresh_token_reused" });
}

/** Ends a session; a token that is none, or of a session that has ended, changes nothing. */
export async function logout(deps: AuthDeps, refreshToken: string): Promise<void> {
	const claims = deps.secrets.readRefreshToken(refreshToken);
	if (!claims) return;
	if (await deps.sessions.revoke(claims, deps.clock.now())) deps.announcements.revoked(claims.id);
}

function issue(deps: AuthDeps, session: Session, { roles }: Pick<Account, "roles">): IssuedTokens {
	const accessToken = deps.accessTokens.sign({ id: session.userId, sessionId: session.id, roles });
	return tokensOf(deps, session, accessToken, deps.accessTokens.lifeSeconds);
}

const tokensOf = (deps: AuthDeps, session: Session, accessToken: string, expiresIn: number): IssuedTokens => ({
	accessToken,
	refreshToken: deps.secrets.refreshToken(session),
	tokenType: "Bearer",
	expiresIn,
});

/** When a session ends that is not used again: a month from now, and never more than 90 days after it was opened. */
const endOf = (openedAt: Date, now: Date): Date =>
	new Date(Math.min(now.getTime() + IDLE_MS, openedAt.getTime() + MAX_LIFE_MS));

const notValid = (data: ErrorData = {}): DomainError =>
	new DomainError("UNAUTHENTICATED", "The refresh token is not valid; sign in again", data);
