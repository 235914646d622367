import { DomainError } from "../../lib/errors.ts";
import type { FailpointName } from "../../lib/failpoints.ts";
import { cleanUpDue } from "../../services/payments/use-cases/clean-up.ts";
import type { Deps } from "../../services/payments/use-cases/deps.ts";
import type { PaymentProvider, ProviderCharge } from "../../services/payments/use-cases/ports.ts";
import { type MoneyShop, STAFF, startMoneyShop } from "../support/money-shop.ts";
import { createRandom } from "../support/random.ts";
import { eur } from "../support/shop.ts";
import { until } from "../support/until.ts";

const PAST = new Date(0);
const STILL_OPEN = (): Promise<ProviderCharge> => Promise.resolve({ chargeId: null, state: "open", captured: 0 });
const AWAY = () => Promise.reject(new DomainError("SERVICE_UNAVAILABLE", "The provider is away"));

describe("The money of an order that ends", () => {
	let shop: MoneyShop;

	beforeAll(async () => {
		shop = await startMoneyShop();
		await shop.product("A", 1_000);
		await shop.product("FREE", 0);
	}, 60_000);
	afterAll(() => shop?.stop(), 60_000);

	const cancelled = (id: string) =>
		until("the cancelled order", async () => {
			const order = await shop.order(id);
			return order.status === "cancelled" && order;
		});
	const paid = (id: string) =>
		until("the paid order", async () => {
			const order = await shop.order(id);
			return order.status === "paid" && order;
		});
	/** Makes the shop ask about an order's payment now, and ends its time if that is said. */
	const ask = (id: string, isOver = false) =>
		shop.orders.updateOne({ _id: id }, { $set: { "asking.at": PAST, ...(isOver ? { payBy: PAST } : {}) } });

	/** Work while the provider answers otherwise. */
	async function withProvider(otherwise: Partial<PaymentProvider>, work: (deps: Deps) => Promise<void>): Promise<void> {
		const { deps } = shop.broker.getLocalService("payments") as unknown as { deps: Deps };
		const { providerOf } = deps;
		deps.providerOf = method => ({ ...providerOf(method), ...otherwise });
		await work(deps).finally(() => {
			deps.providerOf = providerOf;
		});
	}
	const isAtWork = async (id: string) => Number((await shop.order(id)).lease?.until) > shop.broker.stoa.clock.nowMs();

	const MOMENTS: readonly FailpointName[] = [
		"orders.cancel.mark:before",
		"orders.cancel.mark:after",
		"orders.cancel.restock:before",
		"orders.cancel.restock:after",
		"orders.cancel.refund:before",
		"orders.cancel.refund:after",
		"orders.cancel.settle:before",
		"orders.cancel.settle:after",
	];
	it.each(
		Array.from({ length: 20 }, (_, seed) => seed + 1),
	)("goes back when the provider captures while the order is cancelled (seed %i)", async seed => {
		const random = createRandom(seed);
		const order = await shop.place(random.pick(["tok_async", "tok_transfer"]));
		const type = random.pick(["charge.captured", "charge.captured", "charge.failed"] as const);
		if (random.pick([true, true, false])) await shop.isCaptured(order.id);
		shop.at(random.pick(MOMENTS), async () => {
			await shop.isCaptured(order.id).catch(() => undefined);
			await shop.webhook(order.id, type);
		});
		await shop.cancel(order, `race-${seed}`).catch(() => undefined);
		const now = await shop.order(order.id);
		// The webhook was faster than the mark: then the order is paid, and is cancelled as such.
		if (now.status === "paid") await shop.cancel(order, `race-${seed}-again`);
		await cancelled(order.id);
		await shop.webhook(order.id, "charge.captured");
		await shop.expectNothingKept(order.id);
		expect((await shop.order(order.id)).status).toBe("cancelled");
	}, 60_000);

	it("goes back when the charge failed first and was captured at a second try", async () => {
		const order = await shop.place("tok_async");
		await shop.isCaptured(order.id);
		await shop.webhook(order.id, "charge.failed");
		await shop.webhook(order.id, "charge.captured");
		// Whichever of the two the order heard of, the payment says what is true.
		await until("the end", async () => (await shop.order(order.id)).status !== "awaiting_payment");
		const { status } = await shop.order(order.id);
		if (status === "cancelled") await shop.expectNothingKept(order.id);
		else expect([status, await shop.moved(order.id)]).toEqual(["paid", { captured: 1_000, refunded: 0 }]);
	});

	it("goes back when a checkout is declined after its payment was captured", async () => {
		let orderId = "";
		shop.at("orders.place.settle:before", async () => {
			const last = await shop.orders.find({}).sort({ createdAt: -1 }).limit(1).next();
			orderId = last?._id ?? "";
			throw new DomainError("CONFLICT", "The goods are gone after all");
		});
		await expect(shop.place("tok_ok")).rejects.toMatchObject({ type: "SERVICE_UNAVAILABLE" });
		expect(await shop.moved(orderId)).toEqual({ captured: 1_000, refunded: 1_000 });
		await shop.expectNothingKept(orderId);
		const failed = await shop.order(orderId);
		expect([failed.status, failed.refunds.map(({ id }) => id)]).toEqual(["failed", [`${orderId}_undo`]]);
		// The provider tells of it late, and again: nothing moves any more.
		await shop.webhook(orderId, "charge.captured");
		await shop.expectNothingKept(orderId);
	});

	it("is told as gone back when the order took a refused call for the end of its refund, and another got through", async () => {
		const order = await shop.place("tok_ok");
		await shop.cancel(order);
		await cancelled(order.id);
		// As whoever got the refusal left it.
		const refunds = { $map: { input: "$refunds", in: { $mergeObjects: ["$$this", { status: "failed" }] } } };
		const lease = { until: PAST, dueAt: PAST, epoch: { $add: ["$version", 1] } };
		const left = { position: "cancelling", refundTotal: 0, refunds, lease, version: { $add: ["$version", 1] } };
		await shop.orders.updateOne({ _id: order.id }, [{ $set: left }]);
		const now = await until("the order's book to say so", async () => {
			const found = await shop.order(order.id);
			return found.position === "done" && found;
		});
		expect(now.refunds.map(({ id, status }) => [id, status])).toEqual([[`${order.id}_cancel`, "done"]]);
		expect(now.refundTotal).toBe(1_000);
		expect(await shop.moved(order.id)).toEqual({ captured: 1_000, refunded: 1_000 });
	});

	it("goes back when a transfer arrives after its checkout had failed", async () => {
		let orderId = "";
		shop.at("orders.place.settle:before", async () => {
			orderId = (await shop.orders.find({}).sort({ createdAt: -1 }).limit(1).next())?._id ?? "";
			throw new DomainError("CONFLICT", "The goods are gone after all");
		});
		await expect(shop.place("tok_transfer")).rejects.toMatchObject({ type: "SERVICE_UNAVAILABLE" });
		expect((await shop.order(orderId)).status).toBe("failed");
		await shop.isCaptured(orderId);
		await shop.webhook(orderId, "charge.captured");
		await until("the money to go back", async () => (await shop.moved(orderId)).refunded === 1_000, 60_000);
		await shop.expectNothingKept(orderId);
	}, 90_000);

	it("is known when a webhook overtakes the authorisation's answer, and can be refunded then", async () => {
		const { deps } = shop.broker.getLocalService("payments") as unknown as { deps: Deps };
		const { providerOf } = deps;
		deps.providerOf = method => {
			deps.providerOf = providerOf;
			const provider = providerOf(method);
			return {
				...provider,
				async authorize(charge) {
					const answer = await provider.authorize(charge);
					await shop.isCaptured(charge.orderId);
					await shop.webhook(charge.orderId, "charge.captured");
					return answer;
				},
			};
		};
		const order = await shop.place("tok_async");
		expect(order.status).toBe("paid");
		const { chargeId } = await shop.payment(order.id);
		expect([chargeId, (await shop.order(order.id)).payment.chargeId]).toEqual([
			expect.stringMatching(/^chg_/),
			chargeId,
		]);
		const refunded = await shop.broker.call(
			"orders.refund",
			{ id: order.id, amount: eur(400), reason: "scratch" },
			{ meta: { ...STAFF, idempotencyKey: "overtaken" } },
		);
		expect(refunded.refunds).toMatchObject([{ status: "done" }]);
		expect(await shop.moved(order.id)).toEqual({ captured: 1_000, refunded: 400 });
	});

	it("is never paid back beyond what was captured, nor twice under one id, however many ask at once", async () => {
		const orderId = "ord_ceiling";
		const asked = { orderId, amount: eur(1_000), method: "test" };
		const { chargeId } = await shop.broker.call("payments.authorize", { ...asked, token: "tok_ok" });
		await shop.broker.call("payments.capture", { ...asked, chargeId: chargeId ?? "" });
		const refund = (refundId: string, amount: number) =>
			shop.broker.call("payments.refund", { orderId, refundId, amount: eur(amount) });
		const answers = await Promise.allSettled([
			refund("ref_one", 600),
			refund("ref_two", 600),
			refund("ref_one", 600),
			refund("ref_two", 600),
		]);
		expect(answers.filter(({ status }) => status === "fulfilled").length).toBeGreaterThan(0);
		await expect(refund("ref_three", 401)).rejects.toMatchObject({ type: "CONFLICT" });
		for (let i = 0; i < 2; i++) expect(await refund("ref_small", 100)).toMatchObject({ refunded: eur(700) });
		await expect(refund("ref_small", 200)).rejects.toMatchObject({ type: "CONFLICT" });
		const { refunds, refunded, refunding, status } = await shop.payment(orderId);
		expect({ refunds: refunds.length, refunded, refunding, status }).toEqual({
			refunds: 2,
			refunded: 700,
			refunding: 0,
			status: "partially_refunded",
		});
		expect((await shop.moved(orderId)).refunded).toBe(700);
		// There is no such order.
		await shop.payments.deleteOne({ orderId });
		await shop.charges.deleteOne({ orderId });
	});

	it("is looked after from the moment that its payment was closed, though nobody hears of the order again", async () => {
		const orderId = "ord_silent";
		const asked = { orderId, amount: eur(1_000), method: "test" };
		const { chargeId } = await shop.broker.call("payments.authorize", { ...asked, token: "tok_ok" });
		await shop.broker.call("payments.capture", { ...asked, chargeId: chargeId ?? "" });
		expect(await shop.broker.call("payments.void", { orderId })).toMatchObject({ status: "captured", isClosed: true });
		expect((await shop.payment(orderId)).cleanUpAt).toBeInstanceOf(Date);
		// There is no such order.
		await shop.payments.deleteOne({ orderId });
		await shop.charges.deleteOne({ orderId });
	});

	it("is not asked for any more once the payment was closed", async () => {
		const orderId = "ord_closed";
		expect(await shop.broker.call("payments.void", { orderId })).toMatchObject({ status: "voided", isClosed: true });
		const input = { orderId, amount: eur(1_000), method: "test", token: "tok_ok" };
		await expect(shop.broker.call("payments.authorize", input)).rejects.toMatchObject({ type: "CONFLICT" });
		expect(await shop.charges.countDocuments({ orderId })).toBe(0);
		await shop.payments.deleteOne({ orderId });
	});

	it("of a declined or a free order leaves nothing to clean up", async () => {
		await expect(shop.place("tok_declined")).rejects.toMatchObject({ type: "PAYMENT_DECLINED" });
		const declined = await shop.payments.find({ status: "failed" }).sort({ _id: -1 }).limit(1).next();
		expect(declined).toMatchObject({ isClosed: true, cleanUpAt: null, parkedAt: null, captured: 0 });

		const free = await shop.place("tok_ok", "FREE");
		expect(free.status).toBe("paid");
		const ended = await shop.cancel(free);
		expect([ended.status, ended.refunds]).toEqual(["cancelled", []]);
		expect((await shop.order(free.id)).lease).toBeNull();
	});

	it("is asked about: an order is paid although no webhook ever came", async () => {
		for (const token of ["tok_async", "tok_capture_later"]) {
			const order = await shop.place(token);
			expect(order.status).toBe("awaiting_payment");
			await shop.isCaptured(order.id);
			await ask(order.id);
			expect(await paid(order.id)).toMatchObject({ payment: { captured: 1_000 }, payBy: null, asking: null });
		}
	});

	it("has a deadline: the order is cancelled, the goods come back, and money that comes later goes back", async () => {
		const stock = () => shop.broker.call("inventory.get", { sku: "A" }, { meta: STAFF });
		const before = (await stock()).totals.available;
		const order = await shop.place("tok_async_never");
		const { payBy, createdAt } = await shop.order(order.id);
		expect(Number(payBy) - createdAt.getTime()).toBeGreaterThan(6.9 * 86_400_000);
		await ask(order.id);
		await until("it to be asked about", async () => ((await shop.order(order.id)).asking?.attempts ?? 0) > 0);
		expect((await shop.order(order.id)).status).toBe("awaiting_payment");

		await ask(order.id, true);
		const { history } = await cancelled(order.id);
		expect(history.at(-1)).toMatchObject({ actor: "orders", cause: "the payment did not come in time" });
		await until("the goods", async () => (await stock()).totals.available === before);
		await shop.expectNothingKept(order.id);
		expect((await shop.charges.findOne({ orderId: order.id }))?.state).toBe("voided");

		// A transfer cannot be stopped, and arrives after the deadline.
		const transfer = await shop.place("tok_async_never");
		await shop.charges.updateOne({ orderId: transfer.id }, { $set: { card: "tok_transfer" } });
		await ask(transfer.id, true);
		await cancelled(transfer.id);
		expect((await shop.charges.findOne({ orderId: transfer.id }))?.state).toBe("pending");
		const webhook = {
			eventId: "evt_late",
			outcome: "captured",
			nextAt: PAST,
			attempts: 0,
			error: null,
			parkedAt: null,
		};
		await shop.charges.updateOne({ orderId: transfer.id }, { $set: { webhook } } as object);
		await shop.isCaptured(transfer.id);
		await until("the money to go back", async () => (await shop.moved(transfer.id)).refunded === 1_000, 60_000);
		await shop.expectNothingKept(transfer.id);
	}, 120_000);

	it("is undone by one cancellation at a time, and its answer is kept", async () => {
		const order = await shop.place("tok_ok");
		const errors: unknown[] = [];
		shop.at("orders.cancel.refund:before", async () => {
			errors.push(await shop.cancel(order, "the second").catch(error => error.type));
		});
		const first = await shop.cancel(order, "the first");
		expect(errors).toEqual(["INVALID_TRANSITION"]);
		await expect(shop.cancel(order, "the third")).rejects.toMatchObject({ type: "INVALID_TRANSITION" });
		expect(JSON.stringify(await shop.cancel(order, "the first"))).toBe(JSON.stringify(first));
		await shop.expectNothingKept(order.id);
	});

	it("waits for a provider that takes days to pay back, without giving up, and says so to a repeat", async () => {
		const order = await shop.place("tok_ok");
		const refund: PaymentProvider["refund"] = ({ chargeId }) => Promise.resolve({ status: "pending", chargeId });
		const cancel = () => shop.cancel(order, "slow to pay back");
		await withProvider({ refund }, async () => {
			await expect(cancel()).rejects.toMatchObject({ type: "SERVICE_UNAVAILABLE" });
			const due = { "recovery.attempts": 11, "lease.dueAt": PAST };
			await shop.orders.updateOne({ _id: order.id }, { $set: due });
			await until("another try", async () => (await shop.order(order.id)).recovery?.attempts !== 11);
			await until(
				"its end",
				async () => (await shop.order(order.id)).recovery?.error !== "" && !(await isAtWork(order.id)),
			);
			expect((await shop.order(order.id)).recovery).toMatchObject({ attempts: 0, parkedAt: null });
			await expect(cancel()).rejects.toMatchObject({ type: "SERVICE_UNAVAILABLE" });
			await shop.payments.updateOne({ orderId: order.id }, { $set: { cleanUps: 20, cleanUpAt: PAST } });
			await until("the look at it", async () => (await shop.payment(order.id)).cleanUpError !== null);
			expect(await shop.payment(order.id)).toMatchObject({ parkedAt: null, cleanUpAt: expect.any(Date) });
		});
		await shop.orders.updateOne({ _id: order.id }, { $set: { "lease.dueAt": PAST } });
		await shop.expectNothingKept(order.id);
		expect((await cancel()).status).toBe("cancelled");
	}, 90_000);

	it("is looked after when the provider is away once, after it was waited for ever so often", async () => {
		const order = await shop.place("tok_async_never");
		const look = async (deps: Deps) => {
			await shop.payments.updateOne({ orderId: order.id }, { $set: { cleanUpAt: PAST } });
			await cleanUpDue(deps);
		};
		await withProvider({ void: STILL_OPEN }, async deps => {
			await shop.cancel(order);
			for (let i = 0; i < 20; i++) await look(deps);
		});
		await withProvider({ void: AWAY }, async deps => {
			await look(deps);
			await until("the look", async () => (await shop.payment(order.id)).cleanUpError?.includes("is away"));
			expect(await shop.payment(order.id)).toMatchObject({ parkedAt: null, cleanUpAt: expect.any(Date) });
		});
		await shop.payments.updateOne({ orderId: order.id }, { $set: { cleanUpAt: PAST } });
		await shop.expectNothingKept(order.id);
		expect(await shop.payment(order.id)).toMatchObject({ cleanUps: 0, cleanUpWaits: 0, cleanUpError: null });
	}, 90_000);

	it("has a deadline though the provider says nothing, and is asked about though the payment failed before", async () => {
		const silent = await shop.place("tok_async_never");
		await withProvider({ find: AWAY, void: AWAY }, async () => {
			await ask(silent.id, true);
			expect((await cancelled(silent.id)).history.at(-1)).toMatchObject({ cause: "the payment did not come in time" });
		});
		await shop.payments.updateOne({ orderId: silent.id }, { $set: { cleanUpAt: PAST } });
		await shop.expectNothingKept(silent.id);

		const failed = await shop.place("tok_async");
		await shop.isCaptured(failed.id);
		await shop.payments.updateOne({ orderId: failed.id }, { $set: { status: "failed" } });
		await ask(failed.id);
		expect(await paid(failed.id)).toMatchObject({ payment: { captured: 1_000 } });
	}, 90_000);

	it("goes back once when staff's refund was set aside, but not asked for yet, as the order was cancelled", async () => {
		const order = await shop.place("tok_ok");
		shop.at("orders.refund.pay:before", () => shop.cancel(order));
		const meta = { ...STAFF, idempotencyKey: "set aside" };
		await shop.broker.call("orders.refund", { id: order.id, amount: eur(600), reason: "scratch" }, { meta });
		await shop.expectNothingKept(order.id);
		const { refunds } = await shop.order(order.id);
		expect(refunds.map(({ amount, status }) => [amount.amount, status])).toEqual([
			[600, "done"],
			[400, "done"],
		]);
	});

	it("is not asked for twice under a key whose cancellation was refused", async () => {
		const order = await shop.place("tok_ok");
		await shop.cancel(order, "the good one");
		const refused = await shop.cancel(order, "the refused one").catch(error => error);
		expect(refused.type).toBe("INVALID_TRANSITION");
		await shop.orders.updateOne({ _id: order.id }, { $set: { status: "paid" } });
		const again = await shop.cancel(order, "the refused one").catch(error => error);
		await shop.orders.updateOne({ _id: order.id }, { $set: { status: "cancelled" } });
		expect([again.type, again.message, again.data]).toEqual([refused.type, refused.message, refused.data]);
	});

	it("leaves the three books equal", async () => {
		await until("everything to end", async () => (await shop.violations()).length === 0).catch(() => undefined);
		expect(await shop.violations()).toEqual([]);
	}, 60_000);
});

describe("Charges that settle over HTTP", () => {
	let shop: MoneyShop;

	beforeAll(async () => {
		shop = await startMoneyShop({ hasGateway: true });
		await shop.product("A", 1_000);
	}, 60_000);
	afterAll(() => shop?.stop(), 60_000);

	it("end their orders, and nothing is kept of what comes too late", async () => {
		const end = (id: string, status: string) =>
			until(`${id} to be ${status}`, async () => (await shop.order(id)).status === status, 30_000);
		const failing = await shop.place("tok_async_fails");
		const again = await shop.place("tok_async_second_try");
		const good = await shop.place("tok_async");
		const late = await shop.place("tok_transfer");
		expect((await shop.cancel(late)).status).toBe("cancelled");
		await Promise.all([end(failing.id, "cancelled"), end(again.id, "cancelled"), end(good.id, "paid")]);
		for (const { id } of [again, late]) {
			await until("the money to go back", async () => (await shop.moved(id)).refunded === 1_000, 30_000);
			await shop.expectNothingKept(id);
		}
		expect((await shop.order(again.id)).refunds).toMatchObject([{ id: `${again.id}_late`, status: "done" }]);
		await shop.expectNothingKept(failing.id);
		await until("everything to end", async () => (await shop.violations()).length === 0).catch(() => undefined);
		expect(await shop.violations()).toEqual([]);
	}, 90_000);
});
