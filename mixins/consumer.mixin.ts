import type { ServiceSchema } from "moleculer";
import { errorLine } from "../lib/attempts.ts";
import { type AppService, defineMixin, type EventName } from "../lib/typed.ts";
import type { Delivery, DomainEvent, EventHandler } from "../ports/events/port.ts";
import { collections, type DbVars } from "./db.mixin.ts";
import { EventWork, type RetryPolicy } from "./event-work.ts";
import { type DeadLetter, Inbox, inboxModel, type WaitingEvent } from "./inbox.ts";
import { parking } from "./parking.mixin.ts";

export type { DeadLetter, WaitingEvent };

const DEFAULT_RETRY: RetryPolicy = {
	maxAttempts: 10,
	baseMs: 200,
	maxMs: 60_000,
	notYetMaxMs: 5 * 60_000,
	notYetForMs: 7 * 86_400_000,
};

type Handlers<This> = { [E in EventName]?: (this: This, event: DomainEvent<E>, delivery: Delivery) => Promise<void> };
interface ConsumerVars {
	eventWork: EventWork;
}

const lists = { $$strict: true, limit: { type: "number", integer: true, min: 1, max: 100, default: 20 } };

/**
 * Makes a service listen to durable events under its own name. What a handler does with an event:
 *
 * - it returns: the event is done and never comes again;
 * - it throws `NotYet` (`lib/not-yet.ts`): another party has to do something first. The event waits and comes again after
 *   growing pauses without using up an attempt, until `notYetForMs` (a week) is over;
 * - it throws a definite answer, as one of its own calls gave it (NOT_FOUND, CONFLICT, VALIDATION_ERROR …): trying again
 *   is no use, and the event is a dead letter at once;
 * - it throws anything else: the event waits, and is a dead letter after `maxAttempts`.
 *
 * Whatever waits, waits in the service's own database (`inbox`), and the stream is free of it: nothing stands behind it.
 * Each event is in one handler at a time, over all nodes. Still, a node may die between an effect and its note, so the
 * effect takes its own `_id` from the event's id, or is conditional.
 *
 * Operators see dead letters as parked work of the kind `event`, and what waits by the action `retries`.
 */
export function consumer<V, M = object>(
	handlers: Handlers<AppService<Record<string, unknown>, M, V>>,
	retry: Partial<RetryPolicy> = {},
): Partial<ServiceSchema> {
	const own = defineMixin<DbVars<{ inbox: typeof inboxModel }> & ConsumerVars>({
		created() {
			const bound = Object.entries(handlers).map(([name, handler]) => [name, (handler as EventHandler).bind(this)]);
			const { metrics } = this.broker.stoa;
			const outcomes = metrics.counter("stoa_events_handled_total", "What became of events at their consumers", [
				"service",
				"event",
				"outcome",
			]);
			this.eventWork = new EventWork({
				service: this.name,
				inbox: new Inbox(this.models.inbox),
				handlers: Object.fromEntries(bound),
				retry: { ...DEFAULT_RETRY, ...retry },
				log: this.logger,
				count: (event, outcome) => outcomes.inc({ service: this.name, event, outcome }),
			});
		},
		async started() {
			const take = (event: DomainEvent) => this.eventWork.deliver(event);
			const names = Object.keys(handlers).map(name => [name, take]);
			await this.eventWork.inbox.adoptOldLetters();
			this.eventWork.start();
			await this.broker.stoa.events.subscribe({ name: this.name, handlers: Object.fromEntries(names) });
		},
		async stopped() {
			await this.eventWork.stop();
		},
	});
	const actions = {
		deadLetters: {
			visibility: "public",
			params: lists,
			handler(this: ConsumerVars, ctx: { params: { limit: number } }): Promise<DeadLetter[]> {
				return this.eventWork.inbox.deadLetters(ctx.params.limit);
			},
		},
		retries: {
			visibility: "public",
			params: lists,
			handler(this: ConsumerVars, ctx: { params: { limit: number } }): Promise<WaitingEvent[]> {
				return this.eventWork.inbox.waiting(ctx.params.limit);
			},
		},
		replayDeadLetter: {
			visibility: "public",
			params: { $$strict: true, id: { type: "string", max: 200 } },
			async handler(this: ConsumerVars, ctx: { params: { id: string } }) {
				return { replayed: await this.eventWork.replay(ctx.params.id) };
			},
		},
	};
	return {
		mixins: [own, deadLettersAsParked(), collections({ inbox: inboxModel })],
		actions: actions as unknown as ServiceSchema["actions"],
	};
}

const deadLettersAsParked = () =>
	parking<ConsumerVars>({
		event: {
			async list(limit) {
				const letters = await this.eventWork.inbox.deadLetters(limit);
				return letters.map(({ _id, event, attempts, error, at }) => ({
					id: _id,
					attempts,
					error: errorLine(error),
					parkedAt: at,
					about: `${event.name} of ${event.aggregateId}`,
				}));
			},
			count() {
				return this.eventWork.inbox.countDead();
			},
			resume(id) {
				return this.eventWork.revive(id);
			},
		},
	});
