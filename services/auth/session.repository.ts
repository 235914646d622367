import type { Model } from "mongoose";
import type { SessionDocument } from "./auth.model.ts";
import type { OpenSession, RefreshClaims, Session, Sessions } from "./domain/ports.ts";
import { familyHash } from "./secrets.ts";

const MAX_TIME_MS = 5_000;
const DAY_MS = 86_400_000;
/** A revoked one is kept longer than any access token of it lives. */
const KEEP_REVOKED_MS = DAY_MS;
const MAX_REVOKED = 10_000;

const later = (date: Date, ms: number): Date => new Date(date.getTime() + ms);

/** Keeps an access token so that only a node can read it, and only for its own session. */
interface Seals {
	seal(sessionId: string, accessToken: string): string;
	unseal(sessionId: string, sealed: string): string;
}

/** Sessions in MongoDB. Rotation, reuse and the end are one conditional update each. */
export class SessionRepository implements Sessions {
	readonly #model: Model<SessionDocument>;
	readonly #seals: Seals;

	constructor(model: Model<SessionDocument>, seals: Seals) {
		this.#model = model;
		this.#seals = seals;
	}

	async open({ id, userId, family, rotation }: Session, now: Date, expiresAt: Date): Promise<void> {
		await this.#model.create({
			_id: id,
			userId,
			family: familyHash(family),
			rotation,
			createdAt: now,
			lastUsedAt: now,
			expiresAt,
		});
	}

	async find({ id, family }: Pick<RefreshClaims, "id" | "family">, now: Date): Promise<OpenSession | null> {
		const session = await this.#model
			.findOne({ _id: id, family: familyHash(family), revokedAt: { $exists: false }, expiresAt: { $gt: now } })
			.maxTimeMS(MAX_TIME_MS)
			.lean<SessionDocument>();
		if (!session) return null;
		const { userId, rotation, createdAt: openedAt, rotatedAt: at, successor } = session;
		const given = at && successor ? { at, accessToken: this.#seals.unseal(id, successor) } : undefined;
		return { id, userId, family, rotation, openedAt, given };
	}

	async rotate(
		{ id, family, rotation }: RefreshClaims,
		{ at, accessToken }: { at: Date; accessToken: string },
		expiresAt: Date,
	): Promise<boolean> {
		const given = { rotatedAt: at, successor: this.#seals.seal(id, accessToken) };
		const { modifiedCount } = await this.#model.updateOne(
			{ _id: id, family: familyHash(family), rotation, revokedAt: { $exists: false }, expiresAt: { $gt: at } },
			{ $inc: { rotation: 1 }, $set: { lastUsedAt: at, expiresAt, ...given } },
			{ maxTimeMS: MAX_TIME_MS },
		);
		return modifiedCount > 0;
	}

	async revokeIfSpent({ id, family, rotation }: RefreshClaims, now: Date): Promise<boolean> {
		return this.#end({ _id: id, family: familyHash(family), rotation: { $gt: rotation } }, now);
	}

	async revoke({ id, family }: Pick<RefreshClaims, "id" | "family">, now: Date): Promise<boolean> {
		return this.#end({ _id: id, family: familyHash(family) }, now);
	}

	async revokeAllOf(userId: string, now: Date): Promise<void> {
		await this.#model.updateMany({ userId, revokedAt: { $exists: false } }, ended(now), { maxTimeMS: MAX_TIME_MS });
	}

	async revokedSince(since: Date): Promise<string[]> {
		const sessions = await this.#model
			.find({ revokedAt: { $gte: since } }, { _id: 1 })
			.sort({ revokedAt: -1 })
			.limit(MAX_REVOKED)
			.maxTimeMS(MAX_TIME_MS)
			.lean<{ _id: string }[]>();
		return sessions.map(({ _id }) => _id);
	}

	async #end(filter: object, now: Date): Promise<boolean> {
		const { modifiedCount } = await this.#model.updateOne({ ...filter, revokedAt: { $exists: false } }, ended(now), {
			maxTimeMS: MAX_TIME_MS,
		});
		return modifiedCount > 0;
	}
}

const ended = (now: Date) => ({
	$set: { revokedAt: now, expiresAt: later(now, KEEP_REVOKED_MS) },
	$unset: { successor: 1 },
});
