import type { ParkedItem } from "../../lib/attempts.ts";
import { DomainError } from "../../lib/errors.ts";
import type { OrderRepository } from "../../services/orders/orders.repository.ts";
import type { Deps } from "../../services/payments/use-cases/deps.ts";
import type { ChargeRepository } from "../../services/test-payments/charges.repository.ts";
import { type MoneyShop, STAFF, startMoneyShop } from "../support/money-shop.ts";
import { until } from "../support/until.ts";

const PAST = new Date(0);
const FAR = new Date("2999-01-01");
const OVER = { "lease.until": PAST };

/** What protects work that several processes may do: leases with epochs, versions, tries that are counted and end. */
describe("Leases and tries", () => {
	let shop: MoneyShop;
	let orders: OrderRepository;
	let payments: Deps["payments"];
	let charges: ChargeRepository;

	beforeAll(async () => {
		shop = await startMoneyShop();
		await shop.product("A", 1_000);
		const service = <T>(name: string) => shop.broker.getLocalService(name) as unknown as T;
		orders = service<{ repository: OrderRepository }>("orders").repository;
		payments = service<{ deps: Deps }>("payments").deps.payments;
		charges = service<{ repository: ChargeRepository }>("test-payments").repository;
	}, 60_000);
	afterAll(() => shop?.stop(), 60_000);

	/** What operators call has no contract. */
	const call = (action: string, params: object) =>
		(shop.broker as unknown as { call(action: string, params: object): Promise<unknown> }).call(action, params);
	const parked = (service: string) => call(`${service}.parked`, {}) as Promise<ParkedItem[]>;
	const resume = (service: string, kind: string, id: string) => call(`${service}.resume`, { kind, id });
	/** An order whose saga is held, and is not due. */
	const held = async () => {
		const { id } = await shop.place("tok_ok");
		const begun = await orders.begin(await shop.order(id), { position: "unwinding" });
		if (!begun) throw new Error("No saga began");
		await shop.orders.updateOne({ _id: id }, { $set: { "lease.until": FAR, "lease.dueAt": FAR } });
		return begun;
	};

	it("begin on what nobody works on and nobody has changed since", async () => {
		const { id } = await shop.place("tok_ok");
		const order = await shop.order(id);
		expect(await orders.begin({ ...order, version: order.version - 1 }, {})).toBeNull();
		const begun = await orders.begin(order, {});
		expect(begun?.lease?.epoch).toBe(order.version + 1);
		expect(await orders.begin({ ...order, version: begun?.version ?? 0 }, {})).toBeNull();
		if (begun) await orders.write(begun, () => ({ lease: "end" }));
	});

	it("are taken over when they have run out, not before, and then the former holder writes nothing", async () => {
		const former = await held();
		expect(await orders.takeLease(former._id)).toBeNull();
		await shop.orders.updateOne({ _id: former._id }, { $set: OVER });
		const heir = await orders.takeLease(former._id);
		expect(heir?.lease?.epoch).toBe((former.lease?.epoch ?? 0) + 1);
		if (!heir?.lease) throw new Error("Nobody took over");

		const stale = { type: "STALE_LEASE" };
		const write = (order: typeof heir) => orders.write(order, () => ({ cancelReason: "overtaken", lease: "keep" }));
		await expect(write(former)).rejects.toMatchObject(stale);
		// Each of the two guards is enough alone.
		await expect(write({ ...heir, lease: { ...heir.lease, epoch: heir.lease.epoch - 1 } })).rejects.toMatchObject(
			stale,
		);
		await expect(write({ ...heir, lease: null })).rejects.toMatchObject(stale);
		await orders.giveUp(former, new Error("too late"));
		await orders.renewLease(former);
		expect((await shop.order(former._id)).lease?.until).toEqual(heir.lease.until);

		const done = await orders.write(heir, () => ({ position: "done", lease: "end" }));
		await expect(write({ ...done, version: done.version - 1 })).rejects.toMatchObject(stale);
		expect((await shop.order(former._id)).cancelReason).toBeNull();
	});

	it("let the holder go on beside what others write, and lose neither", async () => {
		const order = await held();
		await shop.orders.updateOne({ _id: order._id }, { $set: { cancelReason: "theirs" }, $inc: { version: 1 } });
		const written = await orders.write(order, current => ({
			email: `${current.cancelReason}@shop.test`,
			position: "done",
			lease: "end",
		}));
		expect(written).toMatchObject({ cancelReason: "theirs", email: "theirs@shop.test", version: order.version + 2 });
	});

	it("count tries, come back after growing pauses, and are parked in the end, in nobody's way", async () => {
		const order = await held();
		const pauses: number[] = [];
		for (let n = 1; n <= 12; n++) {
			await shop.orders.updateOne({ _id: order._id }, { $set: { ...OVER, "lease.dueAt": PAST } });
			const taken = await until("the lease", () => orders.takeLease(order._id, "recovery"));
			expect(taken.recovery?.attempts).toBe(n);
			await orders.giveUp(taken, new Error(`try ${n}`));
			const { lease } = await shop.order(order._id);
			pauses.push(lease?.dueAt ? lease.dueAt.getTime() - lease.until.getTime() : 0);
			// Not due before its time, for a recovery; a client may repeat at any time.
			expect(await orders.takeLease(order._id, "recovery")).toBeNull();
			await shop.orders.updateOne({ _id: order._id }, { $set: { "lease.until": FAR } });
		}
		expect(pauses.slice(0, 4)).toEqual([1_000, 2_000, 4_000, 8_000]);
		expect(pauses.at(-1)).toBe(0);
		expect(await parked("orders")).toMatchObject([{ kind: "saga", id: order._id, attempts: 12, error: "try 12" }]);
		expect((await orders.dueSagas(FAR, 20)).map(({ _id }) => _id)).not.toContain(order._id);
		expect((await shop.broker.stoa.metrics.page()).body).toContain('stoa_parked{service="orders",kind="saga"} 1');

		await shop.orders.updateOne({ _id: order._id }, { $set: OVER });
		expect(await resume("orders", "saga", order._id)).toEqual({ resumed: true });
		await until("the saga's end", async () => (await shop.order(order._id)).lease === null);
		expect(await resume("orders", "saga", order._id)).toEqual({ resumed: false });
	}, 60_000);

	it("park at once what is refused for good, and go on when its cause is mended", async () => {
		const order = await shop.place("tok_refund_refused");
		await expect(shop.cancel(order)).rejects.toMatchObject({ type: "SERVICE_UNAVAILABLE" });
		expect(await parked("orders")).toMatchObject([
			{ kind: "saga", id: order.id, error: expect.stringMatching("CONFLICT") },
		]);
		const later = await shop.place("tok_refund_later");
		await expect(shop.cancel(later)).rejects.toMatchObject({ type: "SERVICE_UNAVAILABLE" });
		await shop.expectNothingKept(later.id);

		await shop.charges.updateOne({ orderId: order.id }, { $set: { card: "tok_ok" } });
		expect(await resume("orders", "saga", order.id)).toEqual({ resumed: true });
		await shop.expectNothingKept(order.id);
		expect(await parked("orders")).toEqual([]);
	}, 60_000);

	it("clean up a closed payment one at a time; what a provider cannot be asked about is parked", async () => {
		const order = await shop.place("tok_async_never");
		await shop.payments.updateOne({ orderId: order.id }, { $set: { method: "gone" } });
		await shop.cancel(order);
		const item = { kind: "cleanUp", id: order.id, error: expect.stringMatching("VALIDATION_ERROR") };
		expect(await parked("payments")).toMatchObject([item]);
		await shop.payments.updateOne({ orderId: order.id }, { $set: { method: "test" } });
		expect(await resume("payments", "cleanUp", order.id)).toEqual({ resumed: true });
		await shop.expectNothingKept(order.id);

		await shop.payments.updateOne({ orderId: order.id }, { $set: { cleanUpAt: FAR } });
		const seen = await shop.payment(order.id);
		const taken = await Promise.all([payments.takeCleanUp(seen), payments.takeCleanUp(seen)]);
		expect(taken.filter(Boolean)).toHaveLength(1);
		// Whoever asked the provider before something else was written writes nothing.
		expect(await payments.cleanedUp(seen, null)).toBeNull();
		expect(await payments.postponeCleanUp(seen, new Error("late"), "failed")).toBeNull();
		const about = { chargeId: seen.chargeId ?? "" };
		expect(await payments.settle(seen, "captured", about)).toBeNull();
		const [winner] = taken.filter(payment => payment !== null);
		expect(winner && (await payments.cleanedUp(winner, seen.chargeId))).toMatchObject({ cleanUpAt: null });
	}, 60_000);

	it("send a webhook until it is parked, and let nobody end what another one sends", async () => {
		const { id } = await shop.place("tok_async");
		const settled = () => shop.charges.findOne({ orderId: id, state: "captured" });
		const charge = await until("the capture", settled);
		await shop.charges.updateOne({ _id: charge._id }, { $set: { "webhook.nextAt": FAR, "webhook.attempts": 5 } });
		const webhook = charge.webhook ?? undefined;
		if (!webhook) throw new Error("There is no webhook");
		await charges.endWebhook({ ...charge, webhook: { ...webhook, attempts: 4 } });
		await charges.failWebhook(charge._id, { ...webhook, attempts: 4 }, new DomainError("CONFLICT", "late"), true);
		expect((await settled())?.webhook).toMatchObject({ attempts: 5, parkedAt: null });

		await shop.charges.updateOne({ _id: charge._id }, { $set: { "webhook.nextAt": PAST, "webhook.attempts": 11 } });
		const item = await until("it to be parked", async () =>
			(await parked("test-payments")).find(p => p.id === charge._id),
		);
		expect(item).toMatchObject({ kind: "webhook", attempts: 12 });
		expect(await resume("test-payments", "webhook", charge._id)).toEqual({ resumed: true });
		await until("another try", async () => ((await settled())?.webhook?.attempts ?? 0) > 0);
		await shop.orders.updateOne({ _id: id }, { $set: { "asking.at": PAST } });
		await until("the paid order", async () => (await shop.order(id)).status === "paid");
	}, 60_000);

	it("find everything as it was", async () => {
		const { items } = await shop.broker.call("orders.adminList", { limit: 1 }, { meta: STAFF });
		expect(items).toHaveLength(1);
		await until("everything to end", async () => (await shop.violations()).length === 0).catch(() => undefined);
		expect(await shop.violations()).toEqual([]);
	}, 60_000);
});
