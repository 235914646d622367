import { DomainError } from "../../../lib/errors.ts";
import { normaliseEmail, normalisePassword } from "./credentials.ts";
import type { Account, AuthDeps, Session } from "./ports.ts";

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
export async function login(deps: AuthDeps, input: { email: string; password: string }): Promise<IssuedTokens> {
	const email = normaliseEmail(input.email);
	const password = normalisePassword(input.password);
	await deps.limiter.check(email);
	const account = await deps.accounts.byEmail(email);
	const isRight = await deps.passwords.verify(password, account?.passwordHash);
	if (!account || !isRight || account.status !== "active") {
		throw new DomainError("UNAUTHENTICATED", "The e-mail address or the password is wrong");
	}
	if (deps.passwords.isOutdated(account.passwordHash)) {
		await deps.accounts.upgradeHash(account.id, account.passwordHash, await deps.passwords.hash(password));
	}
	return openSession(deps, account);
}

/** Starts a family of refresh tokens for an account that has just proven itself. */
export async function openSession(deps: AuthDeps, account: Pick<Account, "id" | "roles">): Promise<IssuedTokens> {
	const session = { id: deps.ids.session(), userId: account.id, family: deps.secrets.nonce(), rotation: 0 };
	await deps.sessions.open(session, deps.clock.now());
	return issue(deps, session, account);
}

/**
 * Spends a refresh token for a new one. Of several that come at once with the same token exactly one gets tokens; the
 * others have used a spent one, so the session ends for all of them: nobody can tell the thief from the owner.
 * @throws UNAUTHENTICATED, RATE_LIMITED
 */
export async function refresh(deps: AuthDeps, refreshToken: string): Promise<IssuedTokens> {
	const claims = deps.secrets.readRefreshToken(refreshToken);
	if (!claims) throw notValid();
	await deps.limiter.check(claims.id);
	const now = deps.clock.now();
	const session = await deps.sessions.rotate(claims, now);
	if (!session) {
		if (await deps.sessions.revokeIfSpent(claims, now)) deps.announcements.revoked(claims.id);
		throw notValid();
	}
	const account = await deps.accounts.byId(session.userId);
	if (account?.status !== "active") {
		if (await deps.sessions.revoke(session, now)) deps.announcements.revoked(session.id);
		throw notValid();
	}
	return issue(deps, session, account);
}

/** Ends a session; a token that is none, or of a session that has ended, changes nothing. */
export async function logout(deps: AuthDeps, refreshToken: string): Promise<void> {
	const claims = deps.secrets.readRefreshToken(refreshToken);
	if (!claims) return;
	if (await deps.sessions.revoke(claims, deps.clock.now())) deps.announcements.revoked(claims.id);
}

function issue(deps: AuthDeps, session: Session, { roles }: Pick<Account, "roles">): IssuedTokens {
	return {
		accessToken: deps.accessTokens.sign({ id: session.userId, sessionId: session.id, roles }),
		refreshToken: deps.secrets.refreshToken(session),
		tokenType: "Bearer",
		expiresIn: deps.accessTokens.lifeSeconds,
	};
}

const notValid = (): DomainError => new DomainError("UNAUTHENTICATED", "The refresh token is not valid; sign in again");
