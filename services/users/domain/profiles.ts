import { DomainError, notFound } from "../../../lib/errors.ts";

export const DEFAULT_LOCALE = "en";

export interface Profile {
	id: string;
	email: string;
	name: string | null;
	locale: string;
	createdAt: Date;
	version: number;
}

export type NewProfile = Omit<Profile, "version">;
export type ProfileChanges = Partial<Pick<Profile, "name" | "locale">>;

export interface Profiles {
	byId(id: string): Promise<Profile | null>;
	/** False when there is one already. */
	insert(profile: NewProfile): Promise<boolean>;
	/** One step; null when there is no such profile in this version (undefined: in any). */
	change(id: string, version: number | undefined, changes: ProfileChanges, now: Date): Promise<Profile | null>;
}

/** The profile of a verified account; a repeat finds the first one unchanged. */
export async function createProfile(profiles: Profiles, profile: NewProfile): Promise<Profile> {
	if (await profiles.insert(profile)) return { ...profile, version: 1 };
	return getProfile(profiles, profile.id);
}

/** @throws NOT_FOUND */
export async function getProfile(profiles: Profiles, id: string): Promise<Profile> {
	const profile = await profiles.byId(id);
	if (!profile) throw notFound("The profile");
	return profile;
}

const isThat = (profile: Profile, { name = profile.name, locale = profile.locale }: ProfileChanges): boolean =>
	name === profile.name && locale === profile.locale;

/** What changes nothing is no new version. @param version what the client has seen. @throws VERSION_MISMATCH, NOT_FOUND */
export async function changeProfile(
	profiles: Profiles,
	id: string,
	{ version, changes, now }: { version: number | undefined; changes: ProfileChanges; now: Date },
): Promise<Profile> {
	const before = await getProfile(profiles, id);
	if (isThat(before, changes) && (version ?? before.version) === before.version) return before;
	const changed = await profiles.change(id, version, changes, now);
	if (changed) return changed;
	const { version: current } = await getProfile(profiles, id);
	throw new DomainError("VERSION_MISMATCH", "The profile was changed meanwhile; read it again", {
		details: { currentVersion: current },
	});
}
