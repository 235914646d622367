import type { ServiceSchema } from "moleculer";
import { Schema } from "mongoose";
import { MAX_PENDING_EVENTS } from "../lib/events.ts";
import { type AppService, defineMixin } from "../lib/typed.ts";
import { collections, type DbVars } from "./db.mixin.ts";
import { Relay } from "./relay.ts";
import { eventModel } from "./stored-events.ts";

/** Part of a schema whose documents tell events; add the index with `outboxIndex`. */
export const outboxFields = { outbox: { type: [Schema.Types.Mixed], default: undefined } } as const;

/** Sparse: only documents with waiting events are in it. */
export function outboxIndex<T>(schema: Schema<T>): Schema<T> {
	schema.index({ "outbox.at": 1 }, { sparse: true });
	return schema;
}

/** Part of a filter: true while a document's outbox has room. Beyond it commands answer SERVICE_UNAVAILABLE. */
export const hasOutboxRoom = { [`outbox.${MAX_PENDING_EVENTS - 1}`]: { $exists: false } };

export interface Outbox {
	/** After a commit: the relay takes this document's events at once instead of at the next sweep. */
	hint(model: string, id: string): void;
	/** Resolves when all that was hinted so far is stored and was tried once. */
	drained(): Promise<void>;
}
export interface OutboxVars {
	outbox: Outbox;
}

type Host = AppService<Record<string, unknown>, object, DbVars<Record<string, never>>>;

/**
 * Moves events from the documents whose change they tell to the event bus, and into the service's `events` collection.
 * Each step may run twice, none can be skipped: ids are unique, and an event leaves its document only when it is stored
 * with what came of it.
 *
 * @param sources the models that carry an `outbox`, by the names the service's `db` mixin gives them
 */
export function outbox(sources: readonly string[]): Partial<ServiceSchema> {
	const own = defineMixin<OutboxVars & { relay: Relay }>({
		created() {
			this.relay = new Relay(this as unknown as Host, sources);
			this.outbox = this.relay;
		},
		started() {
			this.broker.stoa.events.onStreamLost(() => this.relay.sweep());
			this.relay.start();
		},
		async stopped() {
			await this.relay.stop();
		},
	});
	return { mixins: [own, collections({ events: eventModel })] };
}
