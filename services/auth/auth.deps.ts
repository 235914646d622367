import { ACCESS_TOKEN_SECONDS, signAccessToken } from "../../lib/access-token.ts";
import { seal, tag, unseal } from "../../lib/crypto.ts";
import { DomainError } from "../../lib/errors.ts";
import { broadcastHint } from "../../lib/hints.ts";
import { newId } from "../../lib/ids.ts";
import type { AppBroker } from "../../lib/typed.ts";
import type { DbVars } from "../../mixins/db.mixin.ts";
import type { OutboxVars } from "../../mixins/outbox.mixin.ts";
import { AccountRepository } from "./account.repository.ts";
import { AllowanceRepository } from "./allowance.repository.ts";
import type { authModels } from "./auth.model.ts";
import type { AuthDeps, Profiles } from "./domain/ports.ts";
import type { Keyring } from "./keyring.ts";
import { createLimiter } from "./limiter.ts";
import type { PasswordHasher } from "./password-hasher.ts";
import { RegistrationRepository } from "./registration.repository.ts";
import { createSecrets } from "./secrets.ts";
import { SessionRepository } from "./session.repository.ts";

interface Host extends DbVars<typeof authModels>, OutboxVars {
	broker: AppBroker;
	keyring: Keyring;
	hasher: PasswordHasher;
}

/** Wires the use cases to this node's engines. */
export function createDeps(host: Host): AuthDeps {
	const { broker, models, keyring } = host;
	const { clock, secret } = broker.stoa;
	return {
		accounts: new AccountRepository(models.accounts, id => host.outbox.hint("accounts", id)),
		registrations: new RegistrationRepository(models.registrations, id => host.outbox.hint("registrations", id)),
		allowances: new AllowanceRepository(models.allowances, about => tag(secret, "allowance", about)),
		sessions: new SessionRepository(models.sessions, {
			seal: (id, token) => seal(secret, "access-token", id, token),
			unseal: (id, sealed) => unseal(secret, "access-token", id, sealed),
		}),
		passwords: host.hasher,
		secrets: createSecrets(secret),
		accessTokens: {
			lifeSeconds: ACCESS_TOKEN_SECONDS,
			sign: principal => signAccessToken(principal, keyring.active, clock.now()),
		},
		profiles: profiles(broker),
		announcements: { revoked: id => broadcastHint(broker, "session.revoked", { sessionIds: [id] }) },
		limiter: createLimiter(broker.stoa),
		clock,
		ids: { session: () => newId("ses", clock.nowMs()), registration: () => newId("reg", clock.nowMs()) },
	};
}

/** Whatever keeps users from answering, the caller may try again: nothing is lost. */
const profiles = (broker: AppBroker): Profiles => ({
	async create({ id, email, name }) {
		try {
			await broker.call("users.create", { id, email, name });
		} catch (error) {
			broker.logger.warn(`The profile of ${id} was not made yet`, error);
			throw new DomainError("SERVICE_UNAVAILABLE", "The account could not be set up just now; try again", {
				retryAfterSeconds: 2,
			});
		}
	},
});
