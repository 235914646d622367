import type { Model } from "mongoose";
import { isDuplicateKey } from "../../lib/errors.ts";
import { newEvent } from "../../lib/events.ts";
import { newId } from "../../lib/ids.ts";
import type { AccountDocument } from "./auth.model.ts";
import type { Account, Accounts, Registration } from "./domain/ports.ts";
import { VERIFICATION_MS } from "./domain/registration.ts";

const MAX_TIME_MS = 5_000;
const MAX_MAILS_A_DAY = 5;
const DAY_MS = 86_400_000;
/** An account that nobody verified goes after so long, and the address is free again. */
const PURGE_MS = 30 * DAY_MS;

const later = (date: Date, ms: number): Date => new Date(date.getTime() + ms);

/** Accounts in MongoDB: every change is one conditional update that carries its event. */
export class AccountRepository implements Accounts {
	readonly #model: Model<AccountDocument>;
	readonly #committed: (id: string) => void;

	/** @param committed is told of each account whose outbox has something new */
	constructor(model: Model<AccountDocument>, committed: (id: string) => void) {
		this.#model = model;
		this.#committed = committed;
	}

	async byEmail(email: string): Promise<Account | null> {
		return toAccount(await this.#model.findOne({ email }).maxTimeMS(MAX_TIME_MS).lean<AccountDocument>());
	}

	async byId(id: string): Promise<Account | null> {
		return toAccount(await this.#model.findOne({ _id: id }).maxTimeMS(MAX_TIME_MS).lean<AccountDocument>());
	}

	async register(registration: Registration): Promise<void> {
		const { email, passwordHash, name, nonce, now } = registration;
		const _id = newId("usr", now.getTime());
		try {
			await this.#model.create({
				_id,
				email,
				passwordHash,
				name,
				roles: ["customer"],
				status: "unverified",
				verification: { nonce, expiresAt: later(now, VERIFICATION_MS), mails: 1, since: now },
				purgeAt: later(now, PURGE_MS),
				version: 1,
				createdAt: now,
				updatedAt: now,
				outbox: [registered(_id, registration)],
			});
			this.#committed(_id);
		} catch (error) {
			if (!isDuplicateKey(error)) throw error;
			await this.#registerAgain(registration);
		}
	}

	/**
	 * The last registration counts, with its password and its link, so that nobody can wait with a password of theirs
	 * for the owner's click on an earlier mail. Beyond the day's mails nothing changes.
	 */
	async #registerAgain(registration: Registration): Promise<void> {
		const { email, passwordHash, name, nonce, now } = registration;
		const isNewDay = { $lte: [{ $ifNull: ["$verification.since", new Date(0)] }, later(now, -DAY_MS)] };
		const mails = { $ifNull: ["$verification.mails", 0] };
		const isOpen = {
			$and: [
				{ $eq: ["$status", "unverified"] },
				{ $in: ["customer", "$roles"] },
				{ $or: [isNewDay, { $lt: [mails, MAX_MAILS_A_DAY] }] },
			],
		};
		const verification = {
			nonce: { $literal: nonce },
			expiresAt: later(now, VERIFICATION_MS),
			mails: { $cond: [isNewDay, 1, { $add: [mails, 1] }] },
			since: { $cond: [isNewDay, now, "$verification.since"] },
		};
		// The id is the document's: it is known only after the update, so the event takes it in the update.
		const event = {
			$mergeObjects: [
				{ $literal: registered("", registration) },
				{ sequence: { $add: ["$version", 1] }, data: { accountId: "$_id" } },
			],
		};
		const changes = {
			passwordHash: { $literal: passwordHash },
			name: { $literal: name },
			verification,
			purgeAt: later(now, PURGE_MS),
			version: { $add: ["$version", 1] },
			updatedAt: now,
			outbox: { $concatArrays: [{ $ifNull: ["$outbox", []] }, [event]] },
		};
		const ifOpen = Object.entries(changes).map(([field, value]) => [field, { $cond: [isOpen, value, `$${field}`] }]);
		const known = await this.#model.collection.findOneAndUpdate(
			{ email },
			[{ $set: { ...Object.fromEntries(ifOpen), registeredAgainAt: now } }],
			{ projection: { _id: 1 }, maxTimeMS: MAX_TIME_MS },
		);
		if (known) this.#committed(String(known._id));
	}

	async activate({ id, version, verification }: Account, now: Date, requestId?: string): Promise<boolean> {
		const event = newEvent("account.verified", { accountId: id }, { sequence: version + 1, now, ...about(requestId) });
		const { modifiedCount } = await this.#model.updateOne(
			{ _id: id, status: "unverified", version, "verification.nonce": verification?.nonce ?? "" },
			{
				$set: { status: "active", updatedAt: now },
				$unset: { verification: 1, purgeAt: 1 },
				$inc: { version: 1 },
				$push: { outbox: event },
			},
			{ maxTimeMS: MAX_TIME_MS },
		);
		if (modifiedCount > 0) this.#committed(id);
		return modifiedCount > 0;
	}

	async upgradeHash(id: string, from: string, to: string): Promise<void> {
		await this.#model.updateOne(
			{ _id: id, passwordHash: from },
			{ $set: { passwordHash: to, updatedAt: new Date() } },
			{ maxTimeMS: MAX_TIME_MS },
		);
	}

	async hasActiveAdmin(): Promise<boolean> {
		const admin = await this.#model
			.findOne({ roles: "admin", status: { $in: ["active", "disabled"] } }, { _id: 1 })
			.maxTimeMS(MAX_TIME_MS)
			.lean();
		return admin !== null;
	}

	async prepareAdmin({ email, passwordHash, now }: Parameters<Accounts["prepareAdmin"]>[0]): Promise<Account> {
		const fresh = { _id: newId("usr", now.getTime()), email, name: null, status: "unverified" as const, version: 1 };
		const admin = { passwordHash, roles: ["admin" as const], updatedAt: now };
		try {
			const document = await this.#model.create({ ...fresh, ...admin, createdAt: now });
			return orFail(document.toObject());
		} catch (error) {
			if (!isDuplicateKey(error)) throw error;
		}
		return orFail(
			await this.#model
				.findOneAndUpdate(
					{ email },
					{ $set: admin, $unset: { verification: 1, purgeAt: 1 }, $inc: { version: 1 } },
					{ returnDocument: "after", maxTimeMS: MAX_TIME_MS },
				)
				.lean<AccountDocument>(),
		);
	}

	async activateAdmin(id: string, now: Date): Promise<void> {
		await this.#model.updateOne(
			{ _id: id, roles: "admin", status: { $ne: "active" } },
			{ $set: { status: "active", updatedAt: now }, $unset: { verification: 1, purgeAt: 1 }, $inc: { version: 1 } },
			{ maxTimeMS: MAX_TIME_MS },
		);
	}
}

const about = (requestId: string | undefined) => (requestId === undefined ? {} : { requestId });

const registered = (accountId: string, { now, requestId }: Registration) =>
	newEvent("account.registered", { accountId }, { sequence: 1, now, ...about(requestId) });

function toAccount(document: AccountDocument | null): Account | null {
	if (!document) return null;
	const { _id, email, passwordHash, name, roles, status, verification, version } = document;
	return { id: _id, email, passwordHash, name, roles, status, ...(verification ? { verification } : {}), version };
}

function orFail(document: AccountDocument | null): Account {
	const account = toAccount(document);
	if (!account) throw new Error("The admin's account is gone while it was made");
	return account;
}
