import { Schema } from "mongoose";
import { defineModel } from "../../mixins/db.mixin.ts";

/** What a customer tells about themselves. `_id` is the account's id. */
export interface ProfileDocument {
	_id: string;
	email: string;
	name: string | null;
	locale: string;
	createdAt: Date;
	updatedAt: Date;
	version: number;
}

const profileSchema = new Schema<ProfileDocument>(
	{
		_id: { type: String, required: true },
		email: { type: String, required: true },
		name: { type: String, default: null },
		locale: { type: String, required: true },
		createdAt: { type: Date, required: true },
		updatedAt: { type: Date, required: true },
		version: { type: Number, required: true },
	},
	{ versionKey: false },
);
profileSchema.index({ email: 1 });

export const usersModels = { profiles: defineModel("profiles", profileSchema) };
