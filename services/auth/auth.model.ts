import { Schema } from "mongoose";
import type { OutboxEntry } from "../../lib/events.ts";
import type { Role } from "../../lib/permissions.ts";
import { defineModel } from "../../mixins/db.mixin.ts";
import { outboxFields, outboxIndex } from "../../mixins/outbox.mixin.ts";
import type { PublicJwk } from "./auth.contract.ts";
import type { AccountStatus, Verification } from "./domain/ports.ts";

export interface AccountDocument {
	_id: string;
	email: string;
	passwordHash: string;
	name: string | null;
	roles: Role[];
	status: AccountStatus;
	/** `mails` were asked for since `since`: a stranger must not fill someone's mailbox. */
	verification?: Verification & { mails: number; since: Date };
	/** Someone registered the address again. Written for its time, which must not tell whether an address is known. */
	registeredAgainAt?: Date;
	/** When an account that nobody verified goes. */
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
		verification: {
			type: { _id: false, nonce: String, expiresAt: Date, mails: Number, since: Date },
			default: undefined,
		},
		registeredAgainAt: Date,
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

export interface SessionDocument {
	_id: string;
	userId: string;
	/** Hash of the random part that all refresh tokens of this session share. */
	family: string;
	/** The one refresh token that is good; those with a smaller number are spent. */
	rotation: number;
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
	sessions: defineModel("sessions", sessionSchema),
	signingKeys: defineModel("signing_keys", signingKeySchema),
};
