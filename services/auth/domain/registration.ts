import { mailboxOf } from "../../../lib/email.ts";
import { DomainError } from "../../../lib/errors.ts";
import { normalisePassword } from "../../../lib/password-policy.ts";
import { checkPassword, normaliseEmail } from "./credentials.ts";
import type { AuthDeps } from "./ports.ts";
import { type IssuedTokens, openSession } from "./sessions.ts";

/** How long a mailed link is good for. */
const VERIFICATION_MS = 86_400_000;
/** Mails a day to one mailbox, by whichever of its addresses, because of one network. */
const MAX_MAILS_FROM_A_NETWORK = 8;
/**
 * Thirty mails a day may go to a mailbox that nobody has verified. Whoever asks again and again, from some network or
 * some neighbourhood, uses up the share of those who do and no other: the owner, who comes from elsewhere, still gets a
 * link. Who is new may use what is left of the shares behind, too.
 */
const SHARES = [
	{ of: "new-neighbourhood", max: 8 },
	{ of: "new-network", max: 8 },
	{ of: "again", max: 14 },
] as const;

/** Who asks, from where. */
interface Asked {
	requestId?: string;
	network?: string;
	neighbourhood?: string;
}

export interface RegisterInput extends Asked {
	email: string;
	password: string;
	name?: string;
}

/**
 * Registers an address, beside whoever else has: it gets a link of its own. Known or not: the same work, the same
 * answer.
 * @throws VALIDATION_ERROR for a password that is too short, too long or too common; RATE_LIMITED; SERVICE_UNAVAILABLE
 */
export async function register(deps: AuthDeps, input: RegisterInput): Promise<void> {
	const email = normaliseEmail(input.email);
	const password = normalisePassword(input.password);
	checkPassword(password, email);
	const about = `mail:${mailboxOf(email)}`;
	await deps.limiter.check(`register:${about}:${input.network ?? ""}`);
	const passwordHash = await deps.passwords.hash(password);
	if (!(await mayMail(deps, about, input))) return;
	const createdAt = deps.clock.now();
	const expiresAt = new Date(createdAt.getTime() + VERIFICATION_MS);
	const registration = { id: deps.ids.registration(), email, passwordHash, name: input.name ?? null };
	await deps.registrations.add({ ...registration, createdAt, expiresAt }, input.requestId);
}

async function mayMail({ allowances }: AuthDeps, about: string, { network = "", neighbourhood = "" }: Asked) {
	const ofNetwork = `${about}:${network}`;
	if (!(await allowances.take(ofNetwork, MAX_MAILS_FROM_A_NETWORK))) return false;
	const isNewThere = await allowances.take(`${about}:in:${neighbourhood}`, 1);
	const isNew = await allowances.take(`${ofNetwork}:first`, 1);
	for (const { of, max } of SHARES.slice(isNewThere ? 0 : isNew ? 1 : 2))
		if (await allowances.take(`${about}:${of}`, max)) return true;
	return false;
}

/**
 * The mailed link comes back, with the password of its registration: whoever has both owns the address and asked for
 * the account. A stranger who registered the address has no link, and the owner who opens a stranger's link does not
 * know its password; so neither can end up with the other's account. The link stays good until the activation is
 * committed: neither a failure on the way nor a wrong password loses it.
 * @throws UNAUTHENTICATED for a token that is unknown, used or old, and for another password; RATE_LIMITED;
 *   SERVICE_UNAVAILABLE
 */
export async function verifyEmail(
	deps: AuthDeps,
	{ token, password, requestId }: Asked & { token: string; password: string },
): Promise<IssuedTokens> {
	const id = deps.secrets.registrationOf(token);
	if (id === undefined) throw linkNotValid();
	await deps.limiter.check(id);
	const registration = await deps.registrations.byId(id);
	if (!registration || registration.expiresAt <= deps.clock.now()) throw linkNotValid();
	if (!(await deps.passwords.verify(normalisePassword(password), registration.passwordHash))) throw wrongPassword();
	const account = await deps.accounts.claim(registration, deps.clock.now());
	if (!account) throw linkNotValid();
	await deps.profiles.create(account);
	if (!(await deps.accounts.activate(account, registration, deps.clock.now(), requestId))) throw linkNotValid();
	await deps.registrations.forgetAllOf(registration.email);
	return openSession(deps, account);
}

/** The token of a registration's mail; null when it is too old, or the address has its account. */
export async function verificationOf(deps: AuthDeps, registrationId: string) {
	const registration = await deps.registrations.byId(registrationId);
	if (!registration || registration.expiresAt <= deps.clock.now()) return null;
	const account = await deps.accounts.byEmail(registration.email);
	if (account && account.status !== "unverified") return null;
	return { token: deps.secrets.verificationToken(registrationId), email: registration.email };
}

const linkNotValid = (): DomainError =>
	new DomainError("UNAUTHENTICATED", "This link was used, or is too old; register again");

const wrongPassword = (): DomainError =>
	new DomainError("UNAUTHENTICATED", "The password is not the one that was chosen in this registration");
