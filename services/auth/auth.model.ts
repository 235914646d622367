import { Schema } from "mongoose";
import type { OutboxEntry } from "../../lib/events.ts";
import type { Role } from "../../lib/permissions.ts";
import { defineModel } from "../../mixins/db.mixin.ts";
import { outboxFields, outboxIndex } from "../../mixins/outbox.mixin.ts";
import type { PublicJwk } from "./auth.contract.ts";
import type { AccountStatus } from "./domain/ports.ts";

export interface AccountDocument {
	_id: string;
	email: string;
	passwordHash: string;
	name: string | null;
	roles: Role[];
	status: AccountStatus;
	/** The registration whose link was opened with its password, until the account is active. */
	claimedBy?: string;
	/** When an account goes whose verification was begun and not finished. */
	purgeAt?: Date;
	version: number;
	createdAt: Date;
	updatedAt: Date;
	outbox?: OutboxEntry[];
}

const accountSchema = new Schema<AccountDocument>(
	{
		_id: { type: String, required: true },
		email: { type: String, required: true },
		passwordHash: { type: String, required: true },
		name: { type: String, default: null },
		roles: { type: [String], required: true },
		status: { type: String, enum: ["unverified", "active", "disabled"], required: true },
		claimedBy: String,
		purgeAt: Date,
		version: { type: Number, required: true, default: 1 },
		createdAt: { type: Date, required: true },
		updatedAt: { type: Date, required: true },
		...outboxFields,
	},
	{ versionKey: false },
);
accountSchema.index({ email: 1 }, { unique: true });
accountSchema.index({ roles: 1, status: 1 });
accountSchema.index({ purgeAt: 1 }, { expireAfterSeconds: 0, sparse: true });
outboxIndex(accountSchema);

/** Somebody asked for an account at an address. There may be many for one; each has its own password and link. */
export interface RegistrationDocument {
	_id: string;
	email: string;
	passwordHash: string;
	name: string | null;
	createdAt: Date;
	expiresAt: Date;
	outbox?: OutboxEntry[];
}

const registrationSchema = new Schema<RegistrationDocument>(
	{
		_id: { type: String, required: true },
		email: { type: String, required: true },
		passwordHash: { type: String, required: true },
		name: { type: String, default: null },
		createdAt: { type: Date, required: true },
		expiresAt: { type: Date, required: true },
		...outboxFields,
	},
	{ versionKey: false },
);
registrationSchema.index({ email: 1 });
registrationSchema.index({ expiresAt: 1 }, { expireAfterSeconds: 0 });
outboxIndex(registrationSchema);

/** How often something was done within a day. `_id` is a keyed hash: it tells nobody about whom. */
export interface AllowanceDocument {
	_id: string;
	count: number;
	endsAt: Date;
}

const allowanceSchema = new Schema<AllowanceDocument>(
	{ _id: { type: String, required: true }, count: Number, endsAt: Date },
	{ versionKey: false },
);
allowanceSchema.index({ endsAt: 1 }, { expireAfterSeconds: 0 });

export interface SessionDocument {
	_id: string;
	userId: string;
	/** Hash of the random part that all refresh tokens of this session share. */
	family: string;
	/** The one refresh token that is good; those with a smaller number are spent. */
	rotation: number;
	/** When the one before it was spent, and the access token that was given for it, sealed. */
	rotatedAt?: Date;
	successor?: string;
	createdAt: Date;
	lastUsedAt: Date;
	expiresAt: Date;
	revokedAt?: Date;
}

const sessionSchema = new Schema<SessionDocument>(
	{
		_id: { type: String, required: true },
		userId: { type: String, required: true },
		family: { type: String, required: true },
		rotation: { type: Number, required: true, default: 0 },
		rotatedAt: Date,
		successor: String,
		createdAt: { type: Date, required: true },
		lastUsedAt: { type: Date, required: true },
		expiresAt: { type: Date, required: true },
		revokedAt: Date,
	},
	{ versionKey: false },
);
sessionSchema.index({ userId: 1, createdAt: -1, _id: -1 });
sessionSchema.index({ revokedAt: -1 }, { sparse: true });
sessionSchema.index({ expiresAt: 1 }, { expireAfterSeconds: 0 });

/** `_id` is the generation: nodes that make one at once make the same one, and one of them wins. */
export interface SigningKeyDocument {
	_id: string;
	kid: string;
	publicJwk: PublicJwk;
	/** PKCS #8, sealed with the node's secret. */
	sealedKey: string;
	createdAt: Date;
	/** Set once a newer one signs: until then what it signed is still good. */
	expiresAt?: Date;
}

const signingKeySchema = new Schema<SigningKeyDocument>(
	{
		_id: { type: String, required: true },
		kid: { type: String, required: true },
		publicJwk: { type: Schema.Types.Mixed, required: true },
		sealedKey: { type: String, required: true },
		createdAt: { type: Date, required: true },
		expiresAt: Date,
	},
	{ versionKey: false },
);
signingKeySchema.index({ expiresAt: 1 }, { expireAfterSeconds: 0, sparse: true });

export const authModels = {
	accounts: defineModel("accounts", accountSchema),
	registrations: defineModel("registrations", registrationSchema),
	allowances: defineModel("allowances", allowanceSchema),
	sessions: defineModel("sessions", sessionSchema),
	signingKeys: defineModel("signing_keys", signingKeySchema),
};
