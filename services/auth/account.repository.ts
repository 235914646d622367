import type { Model } from "mongoose";
import { isDuplicateKey } from "../../lib/errors.ts";
import { newEvent } from "../../lib/events.ts";
import { newId } from "../../lib/ids.ts";
import type { AccountDocument } from "./auth.model.ts";
import type { Account, Accounts, Registration } from "./domain/ports.ts";

const MAX_TIME_MS = 5_000;
/** An account whose verification stopped half-way goes after so long: longer than any link of it is good. */
const PURGE_MS = 2 * 86_400_000;

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

	async claim({ id: claimedBy, email, passwordHash, name }: Registration, now: Date): Promise<Account | null> {
		const claimed = { passwordHash, name, claimedBy, purgeAt: later(now, PURGE_MS), updatedAt: now };
		const fresh = {
			_id: newId("usr", now.getTime()),
			email,
			roles: ["customer" as const],
			status: "unverified" as const,
		};
		try {
			const document = await this.#model.create({ ...fresh, ...claimed, version: 1, createdAt: now });
			return toAccount(document.toObject());
		} catch (error) {
			if (!isDuplicateKey(error)) throw error;
		}
		const taken = await this.#model
			.findOneAndUpdate(
				{ email, status: "unverified", roles: { $ne: "admin" } },
				{ $set: claimed, $inc: { version: 1 } },
				{ returnDocument: "after", maxTimeMS: MAX_TIME_MS },
			)
			.lean<AccountDocument>();
		return toAccount(taken);
	}

	async activate(
		{ id, version }: Account,
		registration: Registration,
		now: Date,
		requestId?: string,
	): Promise<boolean> {
		const event = newEvent("account.verified", { accountId: id }, { sequence: version + 1, now, ...about(requestId) });
		const { modifiedCount } = await this.#model.updateOne(
			{ _id: id, status: "unverified", version, claimedBy: registration.id },
			{
				$set: { status: "active", updatedAt: now },
				$unset: { claimedBy: 1, purgeAt: 1 },
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
					{ $set: admin, $unset: { claimedBy: 1, purgeAt: 1 }, $inc: { version: 1 } },
					{ returnDocument: "after", maxTimeMS: MAX_TIME_MS },
				)
				.lean<AccountDocument>(),
		);
	}

	async activateAdmin(id: string, now: Date): Promise<void> {
		await this.#model.updateOne(
			{ _id: id, roles: "admin", status: { $ne: "active" } },
			{ $set: { status: "active", updatedAt: now }, $unset: { claimedBy: 1, purgeAt: 1 }, $inc: { version: 1 } },
			{ maxTimeMS: MAX_TIME_MS },
		);
	}
}

const about = (requestId: string | undefined) => (requestId === undefined ? {} : { requestId });

function toAccount(document: AccountDocument | null): Account | null {
	if (!document) return null;
	const { _id, email, passwordHash, name, roles, status, version } = document;
	return { id: _id, email, passwordHash, name, roles, status, version };
}

function orFail(document: AccountDocument | null): Account {
	const account = toAccount(document);
	if (!account) throw new Error("The admin's account is gone while it was made");
	return account;
}
