import { DomainError } from "../../../lib/errors.ts";
import { checkPassword, normaliseEmail, normalisePassword } from "./credentials.ts";
import type { AuthDeps } from "./ports.ts";
import { type IssuedTokens, openSession } from "./sessions.ts";

/** How long a mailed link is good for. */
export const VERIFICATION_MS = 86_400_000;

export interface RegisterInput {
	email: string;
	password: string;
	name?: string;
	requestId?: string;
}

/**
 * Registers an address. Known or not: the same work, the same answer.
 * @throws VALIDATION_ERROR for a password that is too short, too long or too common; RATE_LIMITED; SERVICE_UNAVAILABLE
 */
export async function register(deps: AuthDeps, input: RegisterInput): Promise<void> {
	const email = normaliseEmail(input.email);
	const password = normalisePassword(input.password);
	checkPassword(password, email);
	await deps.limiter.check(email);
	await deps.accounts.register({
		email,
		passwordHash: await deps.passwords.hash(password),
		name: input.name ?? null,
		nonce: deps.secrets.nonce(),
		now: deps.clock.now(),
		...(input.requestId === undefined ? {} : { requestId: input.requestId }),
	});
}

/**
 * The mailed link comes back: makes the profile, activates the account, signs in. The link stays good until the
 * activation is committed, so a failure on the way loses nothing.
 * @throws UNAUTHENTICATED for a token that is unknown, used or old; SERVICE_UNAVAILABLE
 */
export async function verifyEmail(deps: AuthDeps, token: string, requestId?: string): Promise<IssuedTokens> {
	const account = await deps.accounts.byId(deps.secrets.accountOf(token));
	const expected = account && deps.secrets.verificationToken(account);
	const isExpired = !account?.verification || account.verification.expiresAt <= deps.clock.now();
	if (!account || !expected || isExpired || !deps.secrets.isSame(token, expected)) throw linkNotValid();
	await deps.profiles.create(account);
	if (!(await deps.accounts.activate(account, deps.clock.now(), requestId))) throw linkNotValid();
	return openSession(deps, account);
}

/** The token of an account's mail; null when there is nothing to verify any more. */
export async function verificationOf(deps: AuthDeps, accountId: string) {
	const account = await deps.accounts.byId(accountId);
	if (!account?.verification || account.verification.expiresAt <= deps.clock.now()) return null;
	const token = deps.secrets.verificationToken(account);
	return token ? { token, email: account.email, name: account.name } : null;
}

const linkNotValid = (): DomainError =>
	new DomainError("UNAUTHENTICATED", "This link was used, replaced by a newer one, or is too old; register again");
