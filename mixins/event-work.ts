import { backoffMs } from "../lib/attempts.ts";
import { createLoop, type Loop } from "../lib/loop.ts";
import { isDefinite, isNotYet } from "../lib/not-yet.ts";
import type { DomainEvent, EventHandler, EventName } from "../ports/events/port.ts";
import type { Claim, Inbox } from "./inbox.ts";

/** How a consumer wants its failures treated. */
export interface RetryPolicy {
	/** After so many attempts the event is a dead letter. */
	maxAttempts: number;
	/** The pause before attempt n+1 is `min(baseMs * 2^(n-1), maxMs)`. */
	baseMs: number;
	maxMs: number;
	/** The pauses after "not yet" grow from `baseMs` to this. */
	notYetMaxMs: number;
	/** So long after an event came first, "not yet" makes it a dead letter. */
	notYetForMs: number;
}

export type Outcome = "done" | "waits" | "not_yet" | "dead";

interface Deps {
	service: string;
	inbox: Inbox;
	handlers: Readonly<Record<string, EventHandler>>;
	retry: RetryPolicy;
	log: { warn(...args: unknown[]): void; debug(...args: unknown[]): void };
	count(event: EventName, outcome: Outcome): void;
}

const LOOK_EVERY_MS = 2_000;
const RENEW_EVERY_MS = 3_000;
/** A handler that takes longer goes on, but the stream gets its slot back: the event is kept here meanwhile. */
const PATIENCE_MS = 1_000;
/** No handler takes longer than this: each of its calls has a time-out of its own. */
const HANDLER_TIMEOUT_MS = 120_000;
/** Handlers that go on though the stream has its slot back. When there are more, the stream waits. */
const MAX_SLOW = 64;
const MAX_RETRIES_AT_ONCE = 16;

/** A consumer's work on its events: those the bus delivers, and those that wait in its inbox for another attempt. */
export class EventWork {
	readonly inbox: Inbox;
	readonly #deps: Deps;
	readonly #loop: Loop;
	readonly #running = new Set<Promise<unknown>>();
	readonly #retries = new Set<Promise<unknown>>();
	#slow = 0;
	#isStopped = false;

	constructor(deps: Deps) {
		this.#deps = deps;
		this.inbox = deps.inbox;
		this.#loop = createLoop(
			LOOK_EVERY_MS,
			() => this.#retryDue(),
			error => deps.log.warn("Events that wait will be looked for again", error),
		);
	}

	start(): void {
		this.#loop.start();
	}

	async stop(): Promise<void> {
		this.#isStopped = true;
		await this.#loop.stop();
		await Promise.allSettled([...this.#running]);
	}

	/**
	 * Resolves once the bus may forget the event: it is done, or safe in the inbox. Rejects while the inbox cannot be
	 * written.
	 */
	async deliver(event: DomainEvent): Promise<void> {
		if (this.#isStopped) throw new Error(`${this.#deps.service} is stopping`);
		const claim = await this.inbox.take(event);
		if (!claim) return;
		const work = this.#track(this.#work(claim, event));
		if ((await isOverWithin(work, PATIENCE_MS)) || this.#slow >= MAX_SLOW) {
			await work;
			return;
		}
		this.#slow++;
		void work.catch(() => undefined).finally(() => this.#slow--);
		if (!(await this.inbox.keep(claim, event))) await work;
	}

	/** Works on a dead letter at once. @throws what its handler throws; the letter stays then */
	async replay(id: string): Promise<boolean> {
		const taken = await this.inbox.takeDead(id);
		if (!taken) return false;
		const { claim, event } = taken;
		const error = await this.#track(this.#work(claim, event, true));
		if (error !== undefined) throw error;
		return true;
	}

	/** A dead letter is tried anew, from the first attempt. */
	async revive(id: string): Promise<boolean> {
		const isRevived = await this.inbox.revive(id);
		if (isRevived) this.#loop.kick();
		return isRevived;
	}

	#track<T>(work: Promise<T>, set = this.#running): Promise<T> {
		set.add(work);
		const over = () => set.delete(work);
		work.then(over, over);
		return work;
	}

	/** Works on what is due, so many at a time that others are not starved, until nothing is due any more. */
	async #retryDue(): Promise<void> {
		while (!this.#isStopped) {
			const free = MAX_RETRIES_AT_ONCE - this.#retries.size;
			if (free === 0) {
				await Promise.race(this.#retries);
				continue;
			}
			const due = await this.inbox.due(free);
			if (due.length === 0) return;
			const taken = await Promise.all(due.map(entry => this.inbox.takeDue(entry)));
			for (const each of taken) if (each) void this.#track(this.#retry(each.claim, each.event), this.#retries);
		}
	}

	async #retry(claim: Claim, event: DomainEvent): Promise<void> {
		try {
			await this.#track(this.#work(claim, event));
		} catch (error) {
			// Its claim runs out, and it is due again.
			this.#deps.log.warn(`The outcome of event ${event.id} was not written`, error);
		}
	}

	/**
	 * Runs the handler and writes what came of it. Gives what the handler threw, if it did.
	 * @param isLast a failure is final
	 * @throws when the outcome could not be written, or the event is another node's by now
	 */
	async #work(claim: Claim, event: DomainEvent, isLast = false): Promise<unknown> {
		const { count, log, service, retry } = this.#deps;
		const alive = setInterval(
			() => void this.inbox.renew(claim).catch(error => log.debug(`The claim on ${event.id} was not renewed`, error)),
			RENEW_EVERY_MS,
		);
		let failure: { error: unknown } | undefined;
		try {
			await this.#handle(claim, event, isLast);
		} catch (error) {
			failure = { error };
		} finally {
			clearInterval(alive);
		}
		if (!failure) {
			await this.inbox.done(claim);
			count(event.name, "done");
			return undefined;
		}
		const { error } = failure;
		const isWaiting = !isLast && isNotYet(error);
		const isOver = isLast || isDefinite(error) || claim.attempts >= retry.maxAttempts;
		const waitMs = isWaiting
			? backoffMs(claim.notYets + 1, retry.baseMs, retry.notYetMaxMs)
			: isOver
				? null
				: backoffMs(claim.attempts, retry.baseMs, retry.maxMs);
		const notYetForMs = isWaiting ? { notYetForMs: retry.notYetForMs } : {};
		const isWritten = await this.inbox.failed(claim, event, { error, waitMs, ...notYetForMs });
		if (!isWritten) throw new Error(`Event ${event.id} was taken from ${service} meanwhile`);
		count(event.name, isWaiting ? "not_yet" : waitMs === null ? "dead" : "waits");
		if (waitMs !== null) this.#loop.kick(waitMs + 1);
		return error;
	}

	async #handle({ attempts, lost }: Claim, event: DomainEvent, isLast: boolean): Promise<void> {
		const { handlers, retry, service } = this.#deps;
		const handler = handlers[event.name];
		if (!handler) throw new Error(`${service} does not listen to ${event.name} any more`);
		// An event that takes its node down with it must come to an end, too.
		if (lost >= retry.maxAttempts && !isLast) throw new Error("Nobody who worked on it came to an end");
		const work = handler(event as never, { attempt: attempts });
		if (!(await isOverWithin(work, HANDLER_TIMEOUT_MS)))
			throw new Error(`The handler took longer than ${HANDLER_TIMEOUT_MS} ms`);
		await work;
	}
}

/** False when it still runs after so long. */
async function isOverWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
	let timer: NodeJS.Timeout | undefined;
	const isLate = new Promise<boolean>(resolve => {
		timer = setTimeout(() => resolve(false), ms);
		timer.unref();
	});
	const isOver = work.then(
		() => true,
		() => true,
	);
	try {
		return await Promise.race([isOver, isLate]);
	} finally {
		clearTimeout(timer);
	}
}
