import type { ServiceSchema } from "moleculer";
import { type Model, Schema } from "mongoose";
import { DomainError, isDuplicateKey } from "../lib/errors.ts";
import {
	inProgress,
	KEY_TTL_SECONDS,
	keyHash,
	keyReused,
	leavesNoTrace,
	type Outcome,
	refusal,
	replay,
	requestHash,
	success,
} from "../lib/idempotency.ts";
import { type IdPrefix, newId, newKey } from "../lib/ids.ts";
import { networkOf } from "../lib/network.ts";
import type { AppMeta } from "../lib/typed.ts";
import { collections, type DbVars, defineModel, type ModelDefinition } from "./db.mixin.ts";

/** After so long without a sign of it the process that ran the command is taken for dead. */
const LEASE_MS = 15_000;
const RENEW_EVERY_MS = 4_000;
/** Ten minutes: no command runs for longer, so one that hangs gives its key back. */
const MAX_RENEWALS = 150;
/** A guest who has no cart yet has no scope but the network: only a key nobody guesses may stand there. */
const MIN_ANONYMOUS_KEY = 22;

/** A command with a key. `seed` is where its ids come from, so that a repeat after a crash makes the same document. */
interface CommandRecord {
	_id: string;
	requestHash: string;
	seed: string;
	leaseUntil: Date;
	/** Counts the runs: what one run writes says whose it is, so that a run which was given up for dead writes nothing. */
	epoch: number;
	outcome: Outcome | null;
	at: Date;
}

const commandSchema = new Schema<CommandRecord>(
	{
		_id: { type: String, required: true },
		requestHash: String,
		seed: String,
		leaseUntil: Date,
		epoch: { type: Number, default: 1 },
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
	requestID?: string | null;
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
 * Runs a command once per key: claims the key, runs while it keeps the claim alive, keeps the final outcome. Three round
 * trips at the most, none without a key.
 * @param guestScope what only this guest has: a cart's id; without one the client's network, which is little, so that
 * the key itself must be hard to guess
 * @throws IDEMPOTENCY_KEY_REUSED, IDEMPOTENCY_IN_PROGRESS, BAD_REQUEST for a guessable key without a scope
 */
export async function runOnce<T>(
	model: Model<CommandRecord>,
	ctx: CommandContext,
	guestScope: string | undefined,
	run: () => Promise<T>,
): Promise<T> {
	const { idempotencyKey: key, user, clientAddress = "" } = ctx.meta;
	if (key !== undefined && !user && guestScope === undefined && key.length < MIN_ANONYMOUS_KEY) {
		throw new DomainError(
			"BAD_REQUEST",
			`Without signing in an Idempotency-Key needs ${MIN_ANONYMOUS_KEY} characters or more`,
		);
	}
	const _id = keyHash(ctx, guestScope ?? `network:${networkOf(clientAddress)}`);
	if (_id === undefined) return run();

	const claimed = await claim(model, _id, requestHash(ctx));
	if (claimed.outcome) return replay(ctx, claimed.outcome);
	ctx.locals = { ...ctx.locals, commandSeed: claimed.seed };
	const ended = await whileRenewed(model, claimed, () => endingOf(run));
	if ("result" in ended) {
		const successor = await settle(model, claimed, success(ended.result, ctx.meta.$statusCode));
		return successor ? replay(ctx, successor) : ended.result;
	}
	const outcome = refusal(ended.error, ctx.requestID);
	if (!outcome) await release(model, claimed, ended.error);
	const successor = outcome && (await settle(model, claimed, outcome));
	if (successor) return replay(ctx, successor);
	throw ended.error;
}

type Ending<T> = { result: T } | { error: unknown };

const endingOf = <T>(run: () => Promise<T>): Promise<Ending<T>> =>
	run().then(
		result => ({ result }),
		error => ({ error }),
	);

const LEASE = { $add: ["$$NOW", LEASE_MS] };
const IS_LEASED = { $gt: ["$leaseUntil", "$$NOW"] };

async function claim(model: Model<CommandRecord>, _id: string, hash: string): Promise<CommandRecord> {
	// Long enough to be a key: a guest's cart takes its id from it.
	const seed = newKey("evt").slice(4);
	// One step: makes the record, or takes over one whose process is gone. One that is final, runs, or is of another
	// request fails on `_id`.
	const isSame = { $eq: [{ $ifNull: ["$requestHash", hash] }, hash] };
	const isGone = { outcome: null, $expr: { $and: [{ $not: [IS_LEASED] }, isSame] } };
	const fields = {
		requestHash: { $ifNull: ["$requestHash", hash] },
		seed: { $ifNull: ["$seed", seed] },
		at: { $ifNull: ["$at", "$$NOW"] },
	};
	try {
		const record = await model.collection.findOneAndUpdate(
			{ _id, ...isGone } as never,
			[{ $set: { ...fields, outcome: null, leaseUntil: LEASE, epoch: { $add: [{ $ifNull: ["$epoch", 0] }, 1] } } }],
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

/** Keeps the claim while the work lasts, as long as this process is awake and nobody else took it. */
async function whileRenewed<T>(
	model: Model<CommandRecord>,
	{ _id, epoch }: CommandRecord,
	work: () => Promise<T>,
): Promise<T> {
	let left = MAX_RENEWALS;
	const renewal = setInterval(() => {
		if (left-- <= 0) clearInterval(renewal);
		// One that fails is made up for by the next, or noticed when the outcome is written.
		else
			model.collection
				.updateOne({ _id: _id as never, epoch, outcome: null, $expr: IS_LEASED }, [{ $set: { leaseUntil: LEASE } }])
				.catch(() => undefined);
	}, RENEW_EVERY_MS);
	try {
		return await work();
	} finally {
		clearInterval(renewal);
	}
}

/**
 * Keeps the outcome of the run that has the claim. For one that lost it meanwhile (its process hung, another took over)
 * what the other came to counts.
 * @returns the other's outcome, undefined when this one was kept
 * @throws IDEMPOTENCY_IN_PROGRESS while the other still runs
 */
async function settle(
	model: Model<CommandRecord>,
	{ _id, epoch }: CommandRecord,
	outcome: Outcome,
): Promise<Outcome | undefined> {
	const { matchedCount } = await model.updateOne({ _id, epoch, outcome: null }, { $set: { outcome } });
	if (matchedCount > 0) return undefined;
	const successor = await model.findOne({ _id }).lean<CommandRecord>();
	if (!successor?.outcome) throw inProgress();
	return successor.outcome;
}

/** After nothing final a repeat may run at once; and what was turned away on its first run never had the key. */
async function release(model: Model<CommandRecord>, { _id, epoch }: CommandRecord, error: unknown): Promise<void> {
	const own = { _id, epoch, outcome: null };
	if (epoch === 1 && leavesNoTrace(error)) await model.deleteOne(own);
	else await model.updateOne(own, { $set: { leaseUntil: new Date(0) } });
}
