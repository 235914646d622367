import type { Answer, Client, Json } from "./client.ts";
import type { Random } from "./random.ts";
import { cartWith, checkoutBody, eur } from "./shop.ts";

/**
 * Customers and staff as they really are: they repeat, give up, change their mind, press twice, come back later, cancel
 * what is being paid and refund what is being cancelled. What the shop acknowledged is written down, to be compared with
 * what exists when the dust has settled.
 */

/** What the shop said for sure. */
interface Acknowledged {
	what: string;
	/** The command, to be sent again with its key: a final answer is the same for ever. */
	again(): Promise<Answer>;
	answer: Answer;
	/** Set when an order was promised. */
	orderId?: string;
	accessToken?: string;
	/** Set when a refund was promised. */
	refund?: { orderId: string; amount: number };
}

export interface ShoppersOptions {
	/** Gateways; requests go to any of them. */
	clients: readonly Client[];
	/** Of staff who may refund; asked for again whenever it is used. */
	adminToken(): Promise<string>;
	skus: readonly string[];
	random: Random;
	/** How many are in the shop at once. */
	atOnce: number;
}

const TOKENS = {
	tok_ok: 55,
	tok_async: 14,
	tok_declined: 10,
	tok_slow: 6,
	tok_timeout_after_charge: 6,
	tok_error: 5,
	tok_insufficient_funds: 4,
	tok_transfer: 4,
	tok_capture_later: 4,
	tok_async_fails: 3,
	tok_async_second_try: 3,
	tok_refund_later: 3,
};
const STYLES = { patient: 45, givesUp: 20, changesMind: 15, pressesTwice: 20 };
const TRIES = 40;

const isFinal = ({ status, body }: Answer): boolean =>
	status < 500 && status !== 429 && body?.code !== "IDEMPOTENCY_IN_PROGRESS";

export class Shoppers {
	readonly acknowledged: Acknowledged[] = [];
	/** What nobody may ever see: a contradiction between two answers, a client's mistake answered 500. */
	readonly contradictions: string[] = [];
	/** How many went through the shop, and how their checkouts ended. */
	readonly outcomes = new Map<string, number>();
	readonly #options: ShoppersOptions;
	#isOpen = true;
	#count = 0;
	#running: Promise<void>[] = [];

	constructor(options: ShoppersOptions) {
		this.#options = options;
	}

	start(): void {
		this.#running = Array.from({ length: this.#options.atOnce }, async () => {
			while (this.#isOpen) await this.#shop(this.#count++);
		});
	}

	/** Lets nobody in any more and waits for those who are in the shop. */
	async close(): Promise<void> {
		this.#isOpen = false;
		await Promise.all(this.#running);
	}

	/** Repeats every command that was answered for good. @returns the answers that differ from the first */
	async repeatAll(): Promise<string[]> {
		const differing: string[] = [];
		for (const { what, again, answer } of this.acknowledged) {
			const repeat = await again();
			if (repeat.status !== answer.status || repeat.text !== answer.text)
				differing.push(`${what}: ${answer.status} ${answer.text} became ${repeat.status} ${repeat.text}`);
		}
		return differing;
	}

	/** Promises that were not kept, when everything has come to rest. */
	async broken(): Promise<string[]> {
		const broken: string[] = [];
		for (const { what, orderId, accessToken, refund } of this.acknowledged) {
			if (!orderId || !accessToken) continue;
			const { status, body } = await this.#client(this.#options.random).get(`/orders/${orderId}`, {
				headers: { "x-order-token": accessToken },
			});
			if (status !== 200) broken.push(`${what}: ${orderId} answers ${status}`);
			else if (!["paid", "cancelled"].includes(body.status)) broken.push(`${what}: ${orderId} is ${body.status}`);
			else if (
				refund &&
				!body.refunds.some((kept: Json) => kept.amount.amount === refund.amount && kept.status === "done")
			)
				broken.push(`${what}: no refund of ${refund.amount} in ${JSON.stringify(body.refunds)}`);
		}
		return broken;
	}

	#client(random: Random): Client {
		return random.pick(this.#options.clients);
	}

	async #shop(n: number): Promise<void> {
		const random = this.#options.random.fork(`shopper ${n}`);
		try {
			const cart = await cartWith(this.#client(random), random.pick(this.#options.skus), 1 + random.below(3));
			const order = await this.#checkout(random, n, cart);
			if (order?.status === 201) await this.#afterwards(random, n, order.body);
		} catch {
			// The shop did not answer at all: this one goes home.
			this.#note("no answer");
		}
	}

	async #checkout(random: Random, n: number, cart: Json): Promise<Answer | undefined> {
		const body = checkoutBody(cart, { token: random.weighted(TOKENS), email: `shopper-${n}@shop.test` });
		const send = (key: string) =>
			this.#client(random).post(`/carts/${cart.id}/checkout`, body, { key, timeoutMs: 30_000 });
		const style = random.weighted(STYLES);
		const key = `shopper-${this.#options.random.seed}-${n}`;
		const answer = await this.#send(random, style, key, send);
		this.#note(answer ? `${answer.status} ${answer.body?.code ?? answer.body?.status}` : "gave up");
		if (!answer || !isFinal(answer)) return answer;
		const usedKey = style === "changesMind" ? `${key}-other` : key;
		if ([201, 402].includes(answer.status)) {
			this.acknowledged.push({
				what: `checkout ${usedKey} (${style})`,
				again: () => retried(() => send(usedKey)),
				answer,
				...(answer.status === 201 ? { orderId: answer.body.id, accessToken: answer.body.accessToken } : {}),
			});
		}
		return answer;
	}

	/** @returns the answer that counts; undefined for one who does not wait for it */
	async #send(
		random: Random,
		style: keyof typeof STYLES,
		key: string,
		send: (key: string) => Promise<Answer>,
	): Promise<Answer | undefined> {
		switch (style) {
			case "givesUp":
				return send(key).catch(() => undefined);
			case "changesMind": {
				// A second device, or a new page: another key for the same cart while the first may still run.
				const first = send(key).catch(() => undefined);
				const other = await retried(() => send(`${key}-other`));
				const early = await first;
				if (early?.status === 201 && other.status === 201 && early.body.id !== other.body.id)
					this.contradictions.push(`two keys bought one cart: ${early.body.id} and ${other.body.id}`);
				return other;
			}
			case "pressesTwice": {
				const [one, two] = await Promise.all([retried(() => send(key)), retried(() => send(key))]);
				if (isFinal(one) && isFinal(two) && one.text !== two.text)
					this.contradictions.push(`one key, two answers: ${one.text} and ${two.text}`);
				return random.chance(0.5) ? one : two;
			}
			default:
				return retried(() => send(key));
		}
	}

	async #afterwards(random: Random, n: number, order: Json): Promise<void> {
		const what = random.weighted({ nothing: 45, cancel: 25, refund: 15, both: 15 });
		const work: Promise<void>[] = [];
		if (what === "cancel" || what === "both") work.push(this.#cancel(random.fork("cancel"), n, order));
		if (what === "refund" || what === "both") work.push(this.#refund(random.fork("refund"), n, order));
		await Promise.all(work);
	}

	async #cancel(random: Random, n: number, order: Json): Promise<void> {
		const key = `cancel-${this.#options.random.seed}-${n}`;
		const send = () =>
			this.#client(random).post(
				`/orders/${order.id}/cancel`,
				{},
				{ key, headers: { "x-order-token": order.accessToken }, timeoutMs: 30_000 },
			);
		if (random.chance(0.3)) return void (await send().catch(() => undefined));
		const answer = await retried(send);
		this.#note(`cancel ${answer.status}`);
		if (answer.status === 200)
			this.acknowledged.push({
				what: `cancel ${key}`,
				again: () => retried(send),
				answer,
				orderId: order.id,
				accessToken: order.accessToken,
			});
	}

	async #refund(random: Random, n: number, order: Json): Promise<void> {
		const token = await this.#options.adminToken();
		const key = `refund-${this.#options.random.seed}-${n}`;
		const amount = 1 + random.below(order.totals.total.amount);
		const send = () =>
			this.#client(random).post(
				`/admin/orders/${order.id}/refunds`,
				{ amount: eur(amount), reason: "chaos" },
				{ token, key, timeoutMs: 30_000 },
			);
		const answer = await retried(send);
		this.#note(`refund ${answer.status}`);
		if (answer.status === 201)
			this.acknowledged.push({
				what: `refund ${key}`,
				again: () => retried(send),
				answer,
				orderId: order.id,
				accessToken: order.accessToken,
				refund: { orderId: order.id, amount },
			});
	}

	#note(outcome: string): void {
		this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
	}
}

/** Sends until there is a final answer, as a good client does; a client's patience ends, too. */
async function retried(send: () => Promise<Answer>): Promise<Answer> {
	let last: Answer | undefined;
	for (let attempt = 0; attempt < TRIES; attempt++) {
		try {
			last = await send();
			if (isFinal(last)) return last;
		} catch {
			// No answer: the gateway was killed, or is frozen.
		}
		await new Promise(resolve => setTimeout(resolve, 300));
	}
	if (!last) throw new Error("The shop did not answer");
	return last;
}
