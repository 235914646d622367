import { normalisePassword } from "../../../lib/password-policy.ts";
import { checkPassword, normaliseEmail } from "./credentials.ts";
import type { AuthDeps } from "./ports.ts";

/**
 * Makes the first admin, already verified. An account that has this address becomes it, with this password: whoever
 * registered it before proves nothing. A repeat after a crash goes on where it stopped.
 * @throws VALIDATION_ERROR for a refused password, SERVICE_UNAVAILABLE
 */
export async function createFirstAdmin(
	deps: AuthDeps,
	input: { email: string; password: string },
): Promise<{ created: boolean; userId: string | null }> {
	const email = normaliseEmail(input.email);
	const password = normalisePassword(input.password);
	checkPassword(password, email);
	if (await deps.accounts.hasActiveAdmin()) return { created: false, userId: null };
	const passwordHash = await deps.passwords.hash(password);
	const account = await deps.accounts.prepareAdmin({ email, passwordHash, now: deps.clock.now() });
	await deps.profiles.create(account);
	await deps.sessions.revokeAllOf(account.id, deps.clock.now());
	await deps.accounts.activateAdmin(account.id, deps.clock.now());
	return { created: true, userId: account.id };
}
