import type { Model } from "mongoose";
import { isDuplicateKey } from "../../lib/errors.ts";
import type { NewProfile, Profile, ProfileChanges, Profiles } from "./domain/profiles.ts";
import type { ProfileDocument } from "./users.model.ts";

const MAX_TIME_MS = 5_000;

export class ProfileRepository implements Profiles {
	readonly #model: Model<ProfileDocument>;

	constructor(model: Model<ProfileDocument>) {
		this.#model = model;
	}

	async byId(id: string): Promise<Profile | null> {
		return toProfile(await this.#model.findOne({ _id: id }).maxTimeMS(MAX_TIME_MS).lean<ProfileDocument>());
	}

	async insert({ id, ...profile }: NewProfile): Promise<boolean> {
		try {
			await this.#model.create({ _id: id, ...profile, updatedAt: profile.createdAt, version: 1 });
			return true;
		} catch (error) {
			if (!isDuplicateKey(error)) throw error;
			return false;
		}
	}

	async change(id: string, version: number | undefined, changes: ProfileChanges, now: Date): Promise<Profile | null> {
		const changed = await this.#model
			.findOneAndUpdate(
				{ _id: id, ...(version === undefined ? {} : { version }) },
				{ $set: { ...changes, updatedAt: now }, $inc: { version: 1 } },
				{ returnDocument: "after", maxTimeMS: MAX_TIME_MS },
			)
			.lean<ProfileDocument>();
		return toProfile(changed);
	}
}

function toProfile(document: ProfileDocument | null): Profile | null {
	if (!document) return null;
	const { _id, email, name, locale, createdAt, version } = document;
	return { id: _id, email, name, locale, createdAt, version };
}
