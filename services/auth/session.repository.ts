import type { Model } from "mongoose";
import type { SessionDocument } from "./auth.model.ts";
import type { RefreshClaims, Session, Sessions } from "./domain/ports.ts";
import { familyHash } from "./secrets.ts";

const MAX_TIME_MS = 5_000;
const DAY_MS = 86_400_000;
/** A session that is not used for so long ends. */
const IDLE_MS = 30 * DAY_MS;
/** A revoked one is kept longer than any access token of it lives. */
const KEEP_REVOKED_MS = DAY_MS;
const MAX_REVOKED = 10_000;

const later = (date: Date, ms: number): Date => new Date(date.getTime() + ms);

/** Sessions in MongoDB. Rotation, reuse and the end are one conditional update each. */
export class SessionRepository implements Sessions {
	readonly #model: Model<SessionDocument>;

	constructor(model: Model<SessionDocument>) {
		this.#model = model;
	}

	async open({ id, userId, family, rotation }: Session, now: Date): Promise<void> {
		await this.#model.create({
			_id: id,
			userId,
			family: familyHash(family),
			rotation,
			createdAt: now,
			lastUsedAt: now,
			expiresAt: later(now, IDLE_MS),
		});
	}

	async rotate({ id, family, rotation }: RefreshClaims, now: Date): Promise<Session | null> {
		const session = await this.#model
			.findOneAndUpdate(
				{ _id: id, family: familyHash(family), rotation, revokedAt: { $exists: false }, expiresAt: { $gt: now } },
				{ $inc: { rotation: 1 }, $set: { lastUsedAt: now, expiresAt: later(now, IDLE_MS) } },
				{ returnDocument: "after", maxTimeMS: MAX_TIME_MS },
			)
			.lean<SessionDocument>();
		return session && { id, userId: session.userId, family, rotation: session.rotation };
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

const ended = (now: Date) => ({ $set: { revokedAt: now, expiresAt: later(now, KEEP_REVOKED_MS) } });
