import type { ServiceSchema } from "moleculer";
import { type Model, Schema } from "mongoose";
import { isDuplicateKey } from "../lib/errors.ts";
import { type AppService, defineMixin, type EventName } from "../lib/typed.ts";
import type { Delivery, DomainEvent, EventHandler, RetryPolicy } from "../ports/events/port.ts";
import { collections, type DbVars, defineModel } from "./db.mixin.ts";

const KEEP_SECONDS = 8 * 86_400;
const DEFAULT_RETRY: RetryPolicy = { maxAttempts: 10, baseMs: 200, maxMs: 60_000 };

interface InboxEntry {
	_id: string;
	at: Date;
}

/** An event that its consumer gave up on, kept until someone replays it. */
export interface DeadLetter {
	_id: string;
	event: DomainEvent;
	error: string;
	attempts: number;
	at: Date;
}

const inboxSchema = new Schema<InboxEntry>({ _id: String, at: Date }, { versionKey: false });
// Longer than a stream keeps its messages: what it may send again is still known here.
inboxSchema.index({ at: 1 }, { expireAfterSeconds: KEEP_SECONDS });
const deadLetterSchema = new Schema<DeadLetter>(
	{ _id: String, event: Schema.Types.Mixed, error: String, attempts: Number, at: Date },
	{ versionKey: false },
);
deadLetterSchema.index({ at: -1, _id: -1 });

const definitions = {
	inbox: defineModel("inbox", inboxSchema),
	deadLetters: defineModel("dead_letters", deadLetterSchema),
};

interface Models {
	inbox: Model<InboxEntry>;
	deadLetters: Model<DeadLetter>;
}

type Handlers<This> = { [E in EventName]?: (this: This, event: DomainEvent<E>, delivery: Delivery) => Promise<void> };

/**
 * Makes a service listen to durable events under its own name. The inbox in front of the handlers drops repeats that
 * were done; it is a filter, not the guarantee: an effect takes its own `_id` from the event's id. What fails
 * `maxAttempts` times becomes a dead letter in the service's database, to be listed and replayed by operators.
 */
export function consumer<V, M = object>(
	handlers: Handlers<AppService<Record<string, unknown>, M, V>>,
	retry: Partial<RetryPolicy> = {},
): Partial<ServiceSchema> {
	const own = defineMixin<DbVars<Record<string, never>>>({
		async started() {
			const models = this.models as unknown as Models;
			const once =
				(handler: EventHandler): EventHandler =>
				async (event, delivery) => {
					if (await models.inbox.exists({ _id: event.id })) return;
					await handler.call(this, event, delivery);
					await remember(models, event);
				};
			const wrapped = Object.entries(handlers).map(([name, handler]) => [name, once(handler as EventHandler)]);
			await this.broker.stoa.events.subscribe({
				name: this.name,
				handlers: Object.fromEntries(wrapped),
				retry: { ...DEFAULT_RETRY, ...retry },
				onDead: (event, error, attempts) => bury(models, event, error, attempts),
			});
		},
	});
	const replay = {
		deadLetters: {
			visibility: "public",
			params: { $$strict: true, limit: { type: "number", integer: true, min: 1, max: 100, default: 20 } },
			handler(this: { models: Models }, ctx: { params: { limit: number } }) {
				return this.models.deadLetters.find().sort({ at: -1, _id: -1 }).limit(ctx.params.limit).lean();
			},
		},
		replayDeadLetter: {
			visibility: "public",
			params: { $$strict: true, id: "string" },
			async handler(this: { models: Models; broker: unknown }, ctx: { params: { id: string } }) {
				const letter = await this.models.deadLetters.findOne({ _id: ctx.params.id }).lean();
				const handler = letter && handlers[letter.event.name];
				if (!letter || !handler) return { replayed: false };
				await (handler as EventHandler).call(this, letter.event, { attempt: 1 });
				await remember(this.models, letter.event);
				await this.models.deadLetters.deleteOne({ _id: letter._id });
				return { replayed: true };
			},
		},
	};
	return { mixins: [own, collections(definitions)], actions: replay as unknown as ServiceSchema["actions"] };
}

async function remember({ inbox }: Models, event: DomainEvent): Promise<void> {
	try {
		await inbox.create({ _id: event.id, at: new Date() });
	} catch (error) {
		if (!isDuplicateKey(error)) throw error;
	}
}

async function bury({ deadLetters }: Models, event: DomainEvent, error: unknown, attempts: number): Promise<void> {
	const message =
		typeof error === "object" && error !== null && "message" in error ? String(error.message) : String(error);
	await deadLetters.updateOne(
		{ _id: event.id },
		{ $set: { event, error: message, attempts, at: new Date() } },
		{ upsert: true },
	);
}
