import type { Answer, Client, Json } from "./client.ts";
import { cartWith, checkoutBody, checkoutUntilFinal, eur } from "./shop.ts";
import { until } from "./until.ts";

/** What leads to each saga's steps, for tests that stop a process there. */
export interface Scene {
	client: Client;
	admin: string;
	/** Names this run, for keys and addresses. */
	run: string;
	sku: string;
}

/** What leads to a saga's steps, and how a good client goes on after the crash. */
export interface Scenario {
	/** Everything before the process is armed. */
	prepare(scene: Scene): Promise<Json>;
	/** The command whose saga dies. */
	act(scene: Scene, prepared: Json): Promise<unknown>;
	/** The client's repeat with the same key; gives the final answer. */
	repeat(scene: Scene, prepared: Json): Promise<Answer>;
	/** What must be true of the final answer. */
	expectOutcome(scene: Scene, answer: Answer): void;
}

const place: Scenario = {
	prepare: async ({ client, sku }) => cartWith(client, sku),
	act: ({ client, run }, cart) =>
		client.post(`/carts/${cart.id}/checkout`, checkoutBody(cart), { key: run, timeoutMs: 15_000 }),
	repeat: ({ client, run }, cart) => checkoutUntilFinal(client, cart.id, checkoutBody(cart), run),
	expectOutcome: (_scene, answer) => expect([answer.status, answer.body.status]).toEqual([201, "paid"]),
};

/** The checkout whose card is declined: every step of the compensation. */
const decline: Scenario = {
	...place,
	act: ({ client, run }, cart) =>
		client.post(`/carts/${cart.id}/checkout`, checkoutBody(cart, { token: "tok_declined" }), {
			key: run,
			timeoutMs: 15_000,
		}),
	repeat: ({ client, run }, cart) =>
		checkoutUntilFinal(client, cart.id, checkoutBody(cart, { token: "tok_declined" }), run),
	expectOutcome: (_scene, answer) => expect([answer.status, answer.body.code]).toEqual([402, "PAYMENT_DECLINED"]),
};

const finalAnswer = (send: () => Promise<Answer>) =>
	until(
		"the final answer",
		async () => {
			const answer = await send();
			const isFinal = answer.status < 500 && answer.body?.code !== "IDEMPOTENCY_IN_PROGRESS";
			return isFinal && answer;
		},
		40_000,
	);

async function paidOrder({ client, run, sku }: Scene): Promise<Json> {
	const cart = await cartWith(client, sku);
	const answer = await checkoutUntilFinal(client, cart.id, checkoutBody(cart), `${run}-paid`);
	expect(answer.status).toBe(201);
	return answer.body;
}

const cancel: Scenario = {
	prepare: paidOrder,
	act: ({ client, run }, order) =>
		client.post(
			`/orders/${order.id}/cancel`,
			{},
			{ key: run, headers: { "x-order-token": order.accessToken }, timeoutMs: 15_000 },
		),
	repeat: ({ client, run }, order) =>
		finalAnswer(() =>
			client.post(`/orders/${order.id}/cancel`, {}, { key: run, headers: { "x-order-token": order.accessToken } }),
		),
	expectOutcome: (_scene, answer) => expect([answer.status, answer.body.status]).toEqual([200, "cancelled"]),
};

const refundOf = ({ client, admin, run }: Scene, order: Json) =>
	client.post(
		`/admin/orders/${order.id}/refunds`,
		{ amount: eur(500), reason: "crash" },
		{ token: admin, key: run, timeoutMs: 15_000 },
	);

const refund: Scenario = {
	prepare: paidOrder,
	act: refundOf,
	repeat: (scene, order) => finalAnswer(() => refundOf(scene, order)),
	expectOutcome: (_scene, answer) => {
		expect(answer.status).toBeLessThan(300);
		expect(answer.body.refunds).toHaveLength(1);
	},
};

/** Money that comes after its order was cancelled: the provider says that it failed, and succeeds at a second try. */
const secondTry = { token: "tok_async_second_try" };
const unwind: Scenario = {
	...place,
	act: async ({ client, run }, cart) => {
		await client.post(`/carts/${cart.id}/checkout`, checkoutBody(cart, secondTry), { key: run, timeoutMs: 15_000 });
		// The rest is the provider's: the process may die while nobody asks.
		await new Promise(resolve => setTimeout(resolve, 200));
	},
	repeat: ({ client, run }, cart) => checkoutUntilFinal(client, cart.id, checkoutBody(cart, secondTry), run),
	expectOutcome: (_scene, answer) => expect([answer.status, answer.body.status]).toEqual([201, "awaiting_payment"]),
};

/** By what follows `orders.` in a failpoint's name. */
export const SCENARIOS: Record<string, Scenario> = { place, decline, cancel, unwind, refund };

export function scenarioOf(failpoint: string): Scenario {
	const scenario = SCENARIOS[failpoint.split(".")[1] ?? ""];
	if (!scenario) throw new Error(`No scenario leads to ${failpoint}`);
	return scenario;
}
