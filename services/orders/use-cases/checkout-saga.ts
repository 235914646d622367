import { asDomainError, DomainError, errorType, isErrorType } from "../../../lib/errors.ts";
import { newEvent } from "../../../lib/events.ts";
import { refusal, refusedAs, success } from "../../../lib/idempotency.ts";
import { isDefinite } from "../../../lib/not-yet.ts";
import type { Payment } from "../../payments/payments.contract.ts";
import { historyEntry } from "../domain/order-states.ts";
import type { Failure, OrderDocument } from "../orders.model.ts";
import { toOrder } from "../orders.views.ts";
import { makeSureOfMoney } from "./money.ts";
import type { Created, Deps } from "./ports.ts";
import { about, runSaga, type Saga, STALE } from "./saga.ts";

/**
 * The checkout as a saga whose state is the order document: create → reserve → authorise → confirm → sell → capture →
 * settle → finish. Beside it what undoes it: `declineSaga`, whose steps name what they compensate.
 */
export interface Checkout {
	order: OrderDocument;
	/** The payment's token; a recovery has none, and compensates instead. */
	token: string;
}

const goods = ({ lines }: OrderDocument) => lines.map(({ sku, quantity }) => ({ sku, quantity }));

function placeSaga(deps: Deps): Saga<"orders.place", Checkout> {
	const { orders, stock, payments, carts, clock, later } = deps;
	return {
		async create(state) {
			const written = await orders.create(state.order);
			if (written.taken) throw new Taken(written);
			return { ...state, order: written.created };
		},
		async reserve(state) {
			await stock.reserve(state.order._id, goods(state.order));
			return state;
		},
		async authorize(state) {
			const { _id: orderId, payment } = state.order;
			if (payment.amount.amount === 0) return { ...state, order: withPayment(state.order, FREE) };
			const answer = await payments.authorize({
				orderId,
				amount: payment.amount,
				method: payment.method,
				token: state.token,
			});
			if (answer.status === "failed") throw declined(answer);
			return { ...state, order: withPayment(state.order, answer) };
		},
		/** The point of no return: from here on every crash ends in an order, never in a refusal. */
		async confirm(state) {
			const { payment } = state.order;
			const order = await orders.write(state.order, () => ({ position: "confirmed", payment, lease: "keep" }));
			return { ...state, order };
		},
		async sell(state) {
			await stock.commit(state.order._id, goods(state.order));
			return state;
		},
		async capture(state) {
			const { _id: orderId, payment } = state.order;
			if (payment.status !== "authorized" || !payment.chargeId) return state;
			const captured = await payments.capture({
				orderId,
				method: payment.method,
				chargeId: payment.chargeId,
				amount: payment.amount,
			});
			if (captured.status === "failed") throw declined(captured);
			return { ...state, order: withPayment(state.order, captured) };
		},
		async settle(state) {
			const { payment } = state.order;
			const order = await orders.write(state.order, current => {
				const isPaid = payment.status === "captured";
				const to = isPaid ? "paid" : "awaiting_payment";
				const now = clock.now();
				const history = [
					...current.history,
					historyEntry(current.status, to, now, "checkout", isPaid ? "payment captured" : "payment settles later"),
				];
				const next = {
					...current,
					status: to,
					position: "done",
					payment,
					history,
					version: current.version + 1,
				} as const;
				const event = { orderId: current._id, number: current.number, total: current.totals.total };
				return {
					status: to,
					position: "done",
					payment,
					...(isPaid ? {} : waitingFor(deps, now)),
					history,
					outcome: success(toOrder(next), 201),
					...(isPaid ? { outbox: [newEvent("order.placed", event, about(deps, next.version, now))] } : {}),
					lease: "end",
				};
			});
			return { ...state, order };
		},
		/** After the answer: whoever asks for the cart before finds the order through its claim. */
		finish(state) {
			const { cartId, _id } = state.order;
			later("finish the cart", () => carts.finish(cartId, _id));
			return Promise.resolve(state);
		},
	};
}

/** A cart that is not there any more holds nothing. */
const unlessGone = (error: unknown): void => {
	if (errorType(error) !== "NOT_FOUND") throw error;
};

/** The provider is asked for the first time after a few seconds: most payments have settled by then. */
const ASK_AFTER_MS = 10_000;

const waitingFor = ({ awaitingPaymentMs }: Deps, now: Date) => ({
	payBy: new Date(now.getTime() + awaitingPaymentMs),
	asking: { at: new Date(now.getTime() + ASK_AFTER_MS), attempts: 0, error: null },
});

function declineSaga(deps: Deps, failure: Failure): Saga<"orders.decline", OrderDocument> {
	const { orders, stock, carts, clock } = deps;
	return {
		mark: order => orders.write(order, () => ({ position: "declining", failure, lease: "keep" })),
		/** Undoes `authorize` and `capture`. */
		void: order => makeSureOfMoney(deps, order, "undo"),
		/** Undoes `reserve` and `sell`. */
		async giveBack(order) {
			await stock.giveBack(order._id, goods(order));
			return order;
		},
		fail: order =>
			orders.write(order, current => {
				const now = clock.now();
				const reason = current.failure?.type ?? failure.type;
				return {
					status: "failed",
					position: "done",
					...endingOf(current, current.failure ?? failure),
					// What was captured and paid back is told as it stands.
					payment: current.payment.captured > 0 ? current.payment : { ...current.payment, status: "failed" },
					history: [...current.history, historyEntry(current.status, "failed", now, "checkout", reason)],
					outbox: [newEvent("order.failed", { orderId: current._id, reason }, about(deps, current.version + 1, now))],
					lease: "keep",
				};
			}),
		/** Undoes the claim of the cart. */
		async free(order) {
			await carts.free(order.cartId, order._id, order.liveKey ?? undefined).catch(unlessGone);
			return orders.write(order, () => ({ lease: "end" }));
		},
	};
}

function declined({ failure }: Payment): DomainError {
	const { code = "declined", message = "The payment was declined" } = failure ?? {};
	return new DomainError("PAYMENT_DECLINED", message, { details: { reason: code } });
}

const FREE = { status: "captured", chargeId: null, captured: { amount: 0, currency: "" } } as const;

const withPayment = (
	order: OrderDocument,
	answer: Pick<Payment, "status" | "chargeId" | "captured">,
): OrderDocument => ({
	...order,
	payment: { ...order.payment, status: answer.status, chargeId: answer.chargeId, captured: answer.captured.amount },
});

export const toError = ({ type, message, data }: Failure): DomainError =>
	new DomainError(isErrorType(type) ? type : "SERVICE_UNAVAILABLE", message, data ?? {});

/**
 * What a failure leaves for repeats of the key: its refusal when that is final, else a key that may try anew. A key that
 * stands for something else by now, since its day was over, is not taken back.
 */
export function endingOf(
	{ liveKey, requestId }: Pick<OrderDocument, "liveKey" | "requestId">,
	failure: Failure,
): Pick<OrderDocument, "outcome" | "liveKey"> {
	const outcome = failure.isFinal ? (refusal(toError(failure), requestId) ?? null) : null;
	return { outcome, liveKey: outcome ? (liveKey ?? null) : null };
}

/** What a failed attempt answers: to the letter what a repeat will be told. */
function refusalFor(order: OrderDocument, failure: Failure): DomainError {
	const { outcome } = endingOf(order, failure);
	return outcome ? refusedAs(outcome) : toError(failure);
}

const TAKEN = "ATTEMPT_TAKEN";

/** Inside these use cases only: the attempt could not be written, since another one stands in its place. */
class Taken extends Error {
	readonly type = TAKEN;
	readonly written: Created & { taken: "id" | "key" };

	constructor(written: Created & { taken: "id" | "key" }) {
		super("Another attempt stands in this one's place");
		this.name = "Taken";
		this.written = written;
	}
}

/** The saga's first step: the order stands, or what stands in its place. */
export async function createOrder(deps: Deps, order: OrderDocument): Promise<Created> {
	const state = { order, token: "" };
	try {
		const created = await runSaga("orders.place", placeSaga(deps), state, deps.failpoints, { to: "create" });
		return { created: created.order, taken: null };
	} catch (error) {
		if (errorType(error) === TAKEN) return (error as Taken).written;
		throw error;
	}
}

/** Runs a checkout to its end: the order, or the error after everything was undone. */
export async function runCheckout(deps: Deps, checkout: Checkout, from: "reserve" | "sell"): Promise<OrderDocument> {
	let state = checkout;
	try {
		if (from !== "sell") {
			return await renewing(deps, state.order, async () => {
				state = await runSaga("orders.place", placeSaga(deps), state, deps.failpoints, {
					from: "reserve",
					to: "confirm",
				});
				return complete(deps, state);
			});
		}
		return await renewing(deps, state.order, () => complete(deps, state));
	} catch (error) {
		if (isOver(error) || state.order.position !== "started" || state.order.lease === null) throw unavailable(error);
		return decline(deps, state.order, error);
	}
}

/** From the point of no return on. A definite refusal, which nothing should lead to, is undone; all else is repeated. */
async function complete(deps: Deps, state: Checkout): Promise<OrderDocument> {
	try {
		const done = await runSaga("orders.place", placeSaga(deps), state, deps.failpoints, { from: "sell" });
		return done.order;
	} catch (error) {
		if (isDefinite(error)) return decline(deps, state.order, error);
		await giveUp(deps, state.order, error);
		throw error;
	}
}

const decline = (deps: Deps, order: OrderDocument, error: unknown): Promise<never> =>
	refuseAfter(deps, order, failureOf(error));

/** Undoes a checkout for its client, who learns why it failed. @param from where a repeat goes on */
export async function refuseAfter(deps: Deps, order: OrderDocument, failure: Failure, from?: "void"): Promise<never> {
	try {
		await undo(deps, order, failure, from);
	} catch (undoing) {
		// What is left to undo is a recovery's, and so is whatever another process made of it meanwhile.
		throw unavailable(undoing);
	}
	throw refusalFor(order, failure);
}

/** Undoes a checkout. @param from where a recovery goes on */
export function undo(
	deps: Deps,
	order: OrderDocument,
	failure: Failure,
	from?: "void" | "free",
): Promise<OrderDocument> {
	return withLease(deps, order, () =>
		runSaga("orders.decline", declineSaga(deps, failure), order, deps.failpoints, from ? { from } : {}),
	);
}

/** The next try comes after a pause, from whichever node; with STALE another process works on it already. */
async function giveUp({ orders }: Deps, order: OrderDocument, error: unknown): Promise<void> {
	// What does not work now is done by time: the lease runs out.
	if (errorType(error) !== STALE) await orders.giveUp(order, error).catch(() => undefined);
}

/** Works under a lease to the end, or gives the order up for the time being. */
export async function withLease<T>(deps: Deps, order: OrderDocument, work: () => Promise<T>): Promise<T> {
	try {
		return await renewing(deps, order, work);
	} catch (error) {
		await giveUp(deps, order, error);
		throw error;
	}
}

/** Keeps the lease while the work lasts longer than it. */
async function renewing<T>({ orders }: Deps, order: OrderDocument, work: () => Promise<T>): Promise<T> {
	// A renewal that fails is noticed by the next write, which the lease guards.
	const renewal = setInterval(() => void orders.renewLease(order).catch(() => undefined), 2_000);
	try {
		return await work();
	} finally {
		clearInterval(renewal);
	}
}

const FINAL = new Set(["PAYMENT_DECLINED", "STOCK_INSUFFICIENT"]);
/** The client's own mistakes, found late: told as they are, not kept. */
const TOLD = new Set(["VALIDATION_ERROR"]);

function failureOf(error: unknown): Failure {
	const known = asDomainError(error);
	if (!known || !(FINAL.has(known.type) || TOLD.has(known.type))) {
		return {
			type: "SERVICE_UNAVAILABLE",
			message: "The checkout could not be completed; nothing was charged, try again",
			data: { retryAfterSeconds: 2 },
			isFinal: false,
		};
	}
	const { type, message, data } = known;
	return { type, message, data, isFinal: FINAL.has(type) };
}

const isOver = (error: unknown): boolean =>
	errorType(error) === STALE || errorType(error) === "IDEMPOTENCY_IN_PROGRESS";

/** What is true of an order whose saga goes on; another service's NOT_FOUND, say, is not. */
const TRUE_MEANWHILE = new Set([...FINAL, "IDEMPOTENCY_IN_PROGRESS", "SERVICE_UNAVAILABLE"]);

const unavailable = (error: unknown): unknown =>
	TRUE_MEANWHILE.has(errorType(error) ?? "")
		? error
		: new DomainError("SERVICE_UNAVAILABLE", "The order is being completed; ask again with the same key", {
				retryAfterSeconds: 2,
			});
