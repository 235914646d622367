import type { ServiceSchema } from "moleculer";
import { type Model, Schema } from "mongoose";
import { DomainError, isDuplicateKey } from "../lib/errors.ts";
import {
	inProgress,
	KEY_TTL_SECONDS,
	keyHash,
	keyReused,
	type Outcome,
	refusal,
	replay,
	requestHash,
	success,
} from "../lib/idempotency.ts";
import { type IdPrefix, newId, newKey } from "../lib/ids.ts";
import type { AppMeta } from "../lib/typed.ts";
import { collections, type DbVars, defineModel, type ModelDefinition } from "./db.mixin.ts";

/** After so long without an answer the process that ran the command is taken for dead. */
const LEASE_MS = 15_000;
/** A guest who has no cart yet has no scope: only a key nobody can guess may stand alone. */
const MIN_ANONYMOUS_KEY = 22;

/** A command with a key. `seed` is where its ids come from, so that a repeat after a crash makes the same document. */
interface CommandRecord {
	_id: string;
	requestHash: string;
	seed: string;
	leaseUntil: Date;
	outcome: Outcome | null;
	at: Date;
}

const commandSchema = new Schema<CommandRecord>(
	{
		_id: { type: String, required: true },
		requestHash: String,
		seed: String,
		leaseUntil: Date,
		outcome: { type: Schema.Types.Mixed, default: null },
		at: Date,
	},
	{ versionKey: false },
);
commandSchema.index({ at: 1 }, { expireAfterSeconds: KEY_TTL_SECONDS });

/** To be added to the definitions of a service: `DbVars<typeof orderModels & CommandModels>`. */
export type CommandModels = { commands: ModelDefinition<CommandRecord> };
export type CommandsVars = DbVars<CommandModels>;

/** Gives a service the collection in which commands with an `Idempotency-Key` are kept. */
export const commands = (): Partial<ServiceSchema> => collections({ commands: defineModel("commands", commandSchema) });

interface CommandContext {
	params: unknown;
	meta: AppMeta;
	action?: { name?: string } | null;
	locals?: { commandSeed?: string };
}

/** An id for what a command makes: the same for every repeat of it, a fresh one when the client sent no key. */
export function commandId(ctx: object, prefix: IdPrefix): string {
	const seed = commandSeed(ctx);
	return seed ? `${prefix}_${seed}` : newId(prefix);
}

/** What names this command over all its repeats; undefined when the client sent no key. */
export const commandSeed = (ctx: object): string | undefined => (ctx as CommandContext).locals?.commandSeed;

/**
 * Runs a command once per key: claims the key, runs, keeps the final outcome. Three round trips at the most, none
 * without a key.
 * @throws IDEMPOTENCY_KEY_REUSED, IDEMPOTENCY_IN_PROGRESS, BAD_REQUEST for a guessable key without a scope
 */
export async function runOnce<T>(
	model: Model<CommandRecord>,
	ctx: CommandContext,
	guestScope: string | undefined,
	run: () => Promise<T>,
): Promise<T> {
	const { idempotencyKey: key, user } = ctx.meta;
	if (key !== undefined && !user && guestScope === undefined && key.length < MIN_ANONYMOUS_KEY) {
		throw new DomainError(
			"BAD_REQUEST",
			`Without signing in an Idempotency-Key needs ${MIN_ANONYMOUS_KEY} characters or more`,
		);
	}
	const _id = keyHash(ctx, guestScope);
	if (_id === undefined) return run();

	const claimed = await claim(model, _id, requestHash(ctx));
	if (claimed.outcome) return replay(ctx, claimed.outcome);
	ctx.locals = { ...ctx.locals, commandSeed: claimed.seed };
	try {
		const result = await run();
		await settle(model, _id, success(result, ctx.meta.$statusCode));
		return result;
	} catch (error) {
		const outcome = refusal(error);
		if (outcome) await settle(model, _id, outcome);
		else await model.updateOne({ _id, outcome: null }, { $set: { leaseUntil: new Date(0) } });
		throw error;
	}
}

async function claim(model: Model<CommandRecord>, _id: string, hash: string): Promise<CommandRecord> {
	// Long enough to be a key: a guest's cart takes its id from it.
	const seed = newKey("evt").slice(4);
	const lease = { $add: ["$$NOW", LEASE_MS] };
	// One step: makes the record, or takes over one whose process is gone. A record that is final or runs fails on `_id`.
	const isGone = { outcome: null, $expr: { $lte: ["$leaseUntil", "$$NOW"] } };
	const fields = {
		requestHash: { $ifNull: ["$requestHash", hash] },
		seed: { $ifNull: ["$seed", seed] },
		at: { $ifNull: ["$at", "$$NOW"] },
	};
	try {
		const record = await model.collection.findOneAndUpdate(
			{ _id, ...isGone } as never,
			[{ $set: { ...fields, outcome: null, leaseUntil: lease } }],
			{ upsert: true, returnDocument: "after" },
		);
		if (!record) throw inProgress();
		return check(record as unknown as CommandRecord, hash);
	} catch (error) {
		if (!isDuplicateKey(error)) throw error;
	}
	const known = await model.findOne({ _id }).lean<CommandRecord>();
	if (!known) throw inProgress();
	check(known, hash);
	if (!known.outcome) throw inProgress();
	return known;
}

function check(record: CommandRecord, hash: string): CommandRecord {
	if (record.requestHash !== hash) throw keyReused();
	return record;
}

const settle = (model: Model<CommandRecord>, _id: string, outcome: Outcome) =>
	model.updateOne({ _id }, { $set: { outcome } });
