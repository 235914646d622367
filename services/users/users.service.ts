import { DomainError } from "../../lib/errors.ts";
import type { Principal } from "../../lib/permissions.ts";
import { emailRule, idRule, textRule } from "../../lib/rules.ts";
import { defineService } from "../../lib/typed.ts";
import { type DbVars, db } from "../../mixins/db.mixin.ts";
import { changeProfile, createProfile, DEFAULT_LOCALE, getProfile, type Profile } from "./domain/profiles.ts";
import { ProfileRepository } from "./profile.repository.ts";
import { usersModels } from "./users.model.ts";

interface Vars extends DbVars<typeof usersModels> {
	profiles: ProfileRepository;
}

const LOCALE_PATTERN = /^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|\d{3}))?$/;

export default defineService<Record<string, unknown>, object, Vars>()({
	name: "users",
	mixins: [db(usersModels)],
	actions: {
		me: {
			visibility: "published",
			rest: "GET /me",
			permissions: "user",
			isIdempotent: true,
			openapi: { summary: "Who is signed in", response: "Me", tags: ["users"] },
			params: {},
			async handler(ctx) {
				const user = signedIn(ctx.meta.user);
				return toMe(await getProfile(this.profiles, user.id), user);
			},
		},
		updateMe: {
			visibility: "published",
			rest: "PATCH /me",
			permissions: "user",
			openapi: { summary: "Change the own profile", response: "Me", tags: ["users"] },
			params: {
				name: textRule(200, { optional: true, nullable: true }),
				locale: { type: "string", pattern: LOCALE_PATTERN, optional: true },
			},
			async handler(ctx) {
				const user = signedIn(ctx.meta.user);
				const change = { version: ctx.meta.ifMatch, changes: ctx.params, now: this.broker.stoa.clock.now() };
				return toMe(await changeProfile(this.profiles, user.id, change), user);
			},
		},
		create: {
			visibility: "public",
			isIdempotent: true,
			params: { id: idRule(), email: emailRule(), name: textRule(200, { optional: true, nullable: true }) },
			async handler(ctx) {
				const { id, email, name = null } = ctx.params;
				const createdAt = this.broker.stoa.clock.now();
				return toDto(await createProfile(this.profiles, { id, email, name, locale: DEFAULT_LOCALE, createdAt }));
			},
		},
		get: {
			visibility: "public",
			isIdempotent: true,
			params: { id: idRule() },
			async handler(ctx) {
				return toDto(await getProfile(this.profiles, ctx.params.id));
			},
		},
	},
	created() {
		this.profiles = new ProfileRepository(this.models.profiles);
	},
});

const toDto = (profile: Profile) => ({ ...profile, createdAt: profile.createdAt.toISOString() });

/** The roles are those of the access token: what this caller may do now. */
const toMe = (profile: Profile, { roles }: Principal) => ({ ...toDto(profile), roles });

function signedIn(user: Principal | undefined): Principal {
	if (!user) throw new DomainError("UNAUTHENTICATED", "Sign in first: this needs an access token");
	return user;
}
