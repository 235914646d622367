import { ACCESS_TOKEN_SECONDS } from "../../lib/access-token.ts";
import { DomainError } from "../../lib/errors.ts";
import { neighbourhoodOf, widestNetwork } from "../../lib/network.ts";
import { emailRule, idRule, textRule } from "../../lib/rules.ts";
import { type AppMeta, defineService } from "../../lib/typed.ts";
import { type DbVars, db } from "../../mixins/db.mixin.ts";
import { type OutboxVars, outbox } from "../../mixins/outbox.mixin.ts";
import { adoptAccounts } from "./adopt.ts";
import { createDeps } from "./auth.deps.ts";
import { authModels } from "./auth.model.ts";
import { createFirstAdmin } from "./domain/admin.ts";
import type { AuthDeps } from "./domain/ports.ts";
import { register, verificationOf, verifyEmail } from "./domain/registration.ts";
import { login, logout, refresh } from "./domain/sessions.ts";
import { type BackgroundStart, startFirstAdmin } from "./first-admin.ts";
import { Keyring } from "./keyring.ts";
import { PasswordHasher } from "./password-hasher.ts";
import { tellRefusal } from "./security-hook.ts";

/** A key that was rotated for good reason should not sign for much longer. */
const RELOAD_KEYS_MS = 5_000;
/** A gateway's clock and its poll may be late by so much. */
const REVOKED_MARGIN_MS = 120_000;

interface Vars extends DbVars<typeof authModels>, OutboxVars {
	deps: AuthDeps;
	keyring: Keyring;
	hasher: PasswordHasher;
	reload?: NodeJS.Timeout;
	firstAdmin?: BackgroundStart;
}

/** Its length is the domain's to judge, in characters; this only bounds the work. */
const passwordRule = { type: "string", empty: false, max: 512 };
const tokenRule = { type: "string", min: 10, max: 200 };
const tokensDto = { response: "Tokens", tags: ["auth"] };

export default defineService<Record<string, unknown>, object, Vars>()({
	name: "auth",
	mixins: [outbox(["accounts", "registrations"]), db(authModels)],
	hooks: {
		error: {
			"*"(ctx, error) {
				tellRefusal(this.broker.stoa, ctx, error);
				throw error;
			},
		},
	},
	actions: {
		register: {
			visibility: "published",
			rest: { route: "POST /auth/register", status: 202, isAuth: true },
			permissions: "anyone",
			idempotency: "none",
			openapi: {
				summary: "Register an address; a link to verify it comes by mail",
				description: "The same answer whether or not the address is known.",
				response: "VerificationSent",
				tags: ["auth"],
			},
			params: { email: emailRule(), password: passwordRule, name: textRule(200, { optional: true }) },
			async handler(ctx) {
				await register(this.deps, { ...ctx.params, ...asked(ctx) });
				return { status: "verification_sent" as const };
			},
		},
		verifyEmail: {
			visibility: "published",
			rest: { route: "POST /auth/verify-email", isAuth: true },
			permissions: "anyone",
			idempotency: "none",
			openapi: {
				...tokensDto,
				summary: "Verify the address by the token of the mail and the password of its registration, and sign in",
			},
			params: { token: tokenRule, password: passwordRule },
			handler(ctx) {
				return verifyEmail(this.deps, { ...ctx.params, ...asked(ctx) });
			},
		},
		login: {
			visibility: "published",
			rest: { route: "POST /auth/login", isAuth: true },
			permissions: "anyone",
			idempotency: "none",
			openapi: { ...tokensDto, summary: "Sign in" },
			params: { email: emailRule(), password: passwordRule },
			handler(ctx) {
				const { clientAddress: address } = ctx.meta;
				const { admin } = this.broker.stoa.config;
				if (this.firstAdmin?.isPending && ctx.params.email.toLowerCase() === admin?.email.toLowerCase())
					throw new DomainError("SERVICE_UNAVAILABLE", "The shop is being set up; try again", { retryAfterSeconds: 1 });
				return login(this.deps, { ...ctx.params, ...(address === undefined ? {} : { address }) });
			},
		},
		refresh: {
			visibility: "published",
			rest: { route: "POST /auth/refresh", isAuth: true },
			permissions: "anyone",
			idempotency: "none",
			openapi: {
				...tokensDto,
				summary: "New tokens for a refresh token",
				description:
					"Each refresh token is good once. For 20 s a spent one answers the same tokens again; after that using it ends the session.",
			},
			params: { refreshToken: tokenRule },
			handler(ctx) {
				return refresh(this.deps, ctx.params.refreshToken);
			},
		},
		logout: {
			visibility: "published",
			rest: { route: "POST /auth/logout", status: 204, isAuth: true },
			permissions: "anyone",
			idempotency: "none",
			openapi: { summary: "End the session; its access token ends within seconds", tags: ["auth"] },
			params: { refreshToken: tokenRule },
			async handler(ctx) {
				await logout(this.deps, ctx.params.refreshToken);
			},
		},
		jwks: {
			visibility: "published",
			rest: { route: "GET /.well-known/jwks.json", isRoot: true },
			permissions: "anyone",
			isIdempotent: true,
			openapi: { summary: "The public keys of access tokens (RFC 7517)", response: "Jwks", tags: ["auth"] },
			params: {},
			async handler() {
				return { keys: await this.keyring.publicKeys(this.broker.stoa.clock.now()) };
			},
		},
		revokedSessions: {
			visibility: "public",
			isIdempotent: true,
			params: {},
			async handler() {
				const windowMs = ACCESS_TOKEN_SECONDS * 1000 + REVOKED_MARGIN_MS;
				const since = new Date(this.broker.stoa.clock.nowMs() - windowMs);
				return { sessionIds: await this.deps.sessions.revokedSince(since) };
			},
		},
		verificationToken: {
			visibility: "public",
			isIdempotent: true,
			params: { registrationId: idRule() },
			handler(ctx) {
				return verificationOf(this.deps, ctx.params.registrationId);
			},
		},
		createAdmin: {
			visibility: "public",
			params: { email: emailRule(), password: passwordRule },
			handler(ctx) {
				return createFirstAdmin(this.deps, ctx.params);
			},
		},
		rolesOf: {
			visibility: "public",
			isIdempotent: true,
			params: { userId: idRule() },
			async handler(ctx) {
				const account = await this.deps.accounts.byId(ctx.params.userId);
				return { roles: account?.status === "active" ? account.roles : [] };
			},
		},
		rotateKeys: {
			visibility: "public",
			params: {},
			async handler() {
				return { kid: await this.keyring.rotate(this.broker.stoa.clock.now()) };
			},
		},
	},
	created() {
		this.keyring = new Keyring(this.models.signingKeys, this.broker.stoa.secret);
		this.hasher = new PasswordHasher();
		this.deps = createDeps(this);
	},
	async started() {
		const { clock, config, health } = this.broker.stoa;
		await adoptAccounts(this.models.accounts);
		await Promise.all([this.keyring.load(clock.now()), this.hasher.warmUp()]);
		this.reload = setInterval(() => {
			this.keyring.load(clock.now()).catch(error => this.logger.warn("The signing keys could not be read", error));
		}, RELOAD_KEYS_MS);
		const { admin } = config;
		if (admin) {
			const release = health.hold("firstAdmin");
			this.firstAdmin = startFirstAdmin(() => createFirstAdmin(this.deps, admin), release, this.logger);
		}
	},
	async stopped() {
		clearInterval(this.reload);
		await this.firstAdmin?.stop();
	},
});

/** Who asked, from where: as far as the caller told. */
const asked = ({ requestID, meta }: { requestID?: string | null; meta: AppMeta }) => ({
	...(requestID ? { requestId: requestID } : {}),
	...(meta.clientAddress
		? { network: widestNetwork(meta.clientAddress), neighbourhood: neighbourhoodOf(meta.clientAddress) }
		: {}),
});
