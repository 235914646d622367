import mongoose from "mongoose";
import { checkInvariants } from "../../invariants/index.ts";
import type { FailpointName } from "../../lib/failpoints.ts";
import { sign, testWebhookSecret } from "../../lib/webhook-signature.ts";
import type { Order } from "../../services/orders/orders.contract.ts";
import type { OrderDocument } from "../../services/orders/orders.model.ts";
import type { PaymentDocument } from "../../services/payments/payments.model.ts";
import type { ChargeDocument } from "../../services/test-payments/test-payments.model.ts";
import { startTestNode, type TestNode } from "./node.ts";
import { ADDRESS, eur } from "./shop.ts";
import { until } from "./until.ts";

export const STAFF = { user: { id: "usr_staff", sessionId: "ses_staff", roles: ["admin" as const] } };
const SERVICES = ["products", "inventory", "carts", "orders", "payments", "test-payments"];

export type MoneyShop = Awaited<ReturnType<typeof startMoneyShop>>;

/** A shop in this process for tests of money: its books at hand, its sagas to be stopped at any step. */
export async function startMoneyShop({
	hasGateway = false,
	env = {},
}: {
	hasGateway?: boolean;
	env?: Record<string, string>;
} = {}) {
	const node: TestNode = await startTestNode({
		services: hasGateway ? [...SERVICES, "api"] : SERVICES,
		// Without a gateway nobody listens: what settles by webhook settles when a test says so.
		env: { ...(hasGateway ? {} : { PUBLIC_URL: "http://127.0.0.1:9" }), ...env },
	});
	const client = await mongoose.mongo.MongoClient.connect(node.mongodbUri);
	const { broker } = node;
	let n = 0;
	const orders = client.db("orders").collection<OrderDocument>("orders");
	const payments = client.db("payments").collection<PaymentDocument>("payments");
	const charges = client.db("test-payments").collection<ChargeDocument>("charges");

	const shop = {
		node,
		broker,
		orders,
		payments,
		charges,
		async product(sku: string, price: number, stock = 1_000) {
			const variants = [{ sku, price: eur(price) }];
			await broker.call("products.create", { title: sku, status: "published", variants }, { meta: STAFF });
			await broker.call("inventory.receive", { sku, quantity: stock, reason: "opening" }, { meta: STAFF });
		},
		async place(token: string, sku = "A"): Promise<Order> {
			const cart = await broker.call("carts.create", { lines: [{ sku, quantity: 1 }] });
			const input = {
				id: cart.id,
				email: "ada@shop.test",
				shippingAddress: ADDRESS,
				payment: { method: "test", token },
				expectedTotal: cart.totals.total,
			};
			return broker.call("orders.place", input, { meta: { idempotencyKey: `key-${++n}` } });
		},
		cancel: (order: Order, key = `cancel-${++n}`) =>
			broker.call(
				"orders.cancel",
				{ id: order.id },
				{ meta: { idempotencyKey: key, orderToken: order.accessToken ?? "" } },
			),
		async order(id: string): Promise<OrderDocument> {
			const found = await orders.findOne({ _id: id });
			if (!found) throw new Error(`There is no order ${id}`);
			return found;
		},
		async payment(orderId: string): Promise<PaymentDocument> {
			const found = await payments.findOne({ orderId });
			if (!found) throw new Error(`There is no payment of ${orderId}`);
			return found;
		},
		/** What the provider moved, by kind. */
		async moved(orderId: string) {
			const { items } = await broker.call("payments.testLedger", { orderId }, { meta: STAFF });
			const sum = (kind: string) =>
				items.filter(item => item.kind === kind).reduce((all, { amount }) => all + amount.amount, 0);
			return { captured: sum("capture"), refunded: sum("refund") };
		},
		isCaptured: (orderId: string) =>
			until("the provider's capture", async () => (await shop.moved(orderId)).captured > 0),
		/** The three books of an order agree, and the shop keeps nothing. */
		async expectNothingKept(orderId: string) {
			const isAtRest = async () => {
				const { position, lease } = await shop.order(orderId);
				const { cleanUpAt, refunding } = await shop.payment(orderId);
				return position === "done" && !lease && !cleanUpAt && refunding === 0;
			};
			await until(`${orderId} to come to rest`, isAtRest, 60_000);
			const order = await shop.order(orderId);
			const payment = await shop.payment(orderId);
			const { captured, refunded } = await shop.moved(orderId);
			expect({ refunded, payment: [payment.captured, payment.refunded] }).toEqual({
				refunded: captured,
				payment: [captured, captured],
			});
			const done = order.refunds.filter(({ status }) => status === "done");
			expect([order.payment.captured, done.reduce((all, { amount }) => all + amount.amount, 0)]).toEqual([
				captured,
				captured,
			]);
			expect(order.refundTotal).toBe(captured);
		},
		/** A webhook as the provider signs it. */
		async webhook(orderId: string, type: "charge.captured" | "charge.failed", id = `evt-${++n}`) {
			const { config, secret } = broker.stoa;
			const charge = await charges.findOne({ orderId });
			const body = JSON.stringify({ id, type, orderId, chargeId: charge?._id });
			const signature = sign(testWebhookSecret(config.testPaymentWebhookSecret, secret), body, Date.now());
			return broker.call("payments.webhook", {
				provider: "test",
				body: Buffer.from(body).toString("base64"),
				headers: { "stoa-signature": signature },
			});
		},
		/** Does something when a saga comes to this point, once. */
		at(name: FailpointName, work: () => Promise<unknown>) {
			const before = broker.stoa.failpoints;
			broker.stoa.failpoints = {
				async hit(point) {
					if (point !== name) return;
					broker.stoa.failpoints = before;
					await work();
				},
			};
		},
		/** What the checker says; mails are not sent here, and lost webhooks stay on their way. */
		async violations() {
			const { violations } = await checkInvariants(node.mongodbUri);
			return violations.filter(
				({ invariant, message }) => invariant !== "I12" && !(invariant === "I10" && message.includes("webhook")),
			);
		},
		async stop() {
			await client.close();
			await node.stop();
		},
	};
	return shop;
}
