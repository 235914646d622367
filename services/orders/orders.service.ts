import { decodeCursor, encodeCursor } from "../../lib/cursor.ts";
import { DomainError, notFound, notYours } from "../../lib/errors.ts";
import { keyHash, type Outcome, refusedAs, replay, requestHash } from "../../lib/idempotency.ts";
import { createLoop, type Loop } from "../../lib/loop.ts";
import { mayDo } from "../../lib/permissions.ts";
import { amountRule, emailRule, idRule, listRules, quantityRule, skuRule, textRule } from "../../lib/rules.ts";
import { type AppContext, defineService } from "../../lib/typed.ts";
import { consumer } from "../../mixins/consumer.mixin.ts";
import { type DbVars, db } from "../../mixins/db.mixin.ts";
import { type OutboxVars, outbox } from "../../mixins/outbox.mixin.ts";
import { parking } from "../../mixins/parking.mixin.ts";
import { adoptOrders } from "./adopt.ts";
import { ORDER_TRANSITIONS } from "./domain/order-states.ts";
import { isOrderToken, orderTokenOf } from "./order-token.ts";
import type { Order } from "./orders.contract.ts";
import { createDeps } from "./orders.deps.ts";
import { type OrderDocument, orderModels } from "./orders.model.ts";
import { type ListFilter, OrderRepository } from "./orders.repository.ts";
import { addressRule } from "./orders.rules.ts";
import { toOrder } from "./orders.views.ts";
import { askAboutPayments } from "./use-cases/awaiting.ts";
import { type CancelDeps, cancelOrder, type Ended } from "./use-cases/cancel-order.ts";
import { fateOf } from "./use-cases/fate.ts";
import { type Placed, placeOrder } from "./use-cases/place-order.ts";
import { recover } from "./use-cases/recovery.ts";
import { refundOrder } from "./use-cases/refund-order.ts";
import { settlePayment } from "./use-cases/settle-payment.ts";

const RECOVER_EVERY_MS = 1_000;
const ASK_EVERY_MS = 1_000;
/** Longer than the slowest payment provider is waited for. */
const CHECKOUT_TIMEOUT_MS = 30_000;

interface Vars extends DbVars<typeof orderModels>, OutboxVars {
	repository: OrderRepository;
	recovery: Loop;
	/** Asks about payments that settle later. */
	asking: Loop;
	/** Work that goes on after an answer. */
	background: Set<Promise<void>>;
}
interface Methods {
	/** The order, for whoever may see it. NOT_FOUND for everybody else, too. */
	readable(ctx: AppContext<{ id: string }>): Promise<OrderDocument>;
	/** Staff who may not refund must not do it by cancelling; owners and guests may. */
	mayCancel(ctx: AppContext<unknown>, order: OrderDocument): void;
	page(filter: ListFilter, params: PageParams): Promise<{ items: Order[]; nextCursor: string | null; total?: number }>;
	/** The use cases' ports for one request, or for what nobody asked for. */
	depsFor(ctx?: AppContext<unknown>): CancelDeps;
	answer(ctx: AppContext<unknown>, ended: Ended | Placed): Order;
}
interface PageParams {
	limit?: number;
	cursor?: string;
	sort?: string;
	count?: boolean;
}

const sortRule = { type: "enum", values: ["-createdAt"], optional: true };
const pageParams = { ...listRules, sort: sortRule, count: { type: "boolean", optional: true } };
const orderParams = { id: idRule() };

export default defineService<Record<string, unknown>, Methods, Vars>()({
	name: "orders",
	mixins: [
		parking<Vars, Methods>({
			saga: {
				list(limit) {
					return this.repository.parkedSagas(limit);
				},
				count() {
					return this.repository.countParkedSagas();
				},
				resume(id) {
					return this.repository.resumeSaga(id);
				},
			},
			refund: {
				list(limit) {
					return this.repository.refunds.parked(limit);
				},
				count() {
					return this.repository.refunds.countParked();
				},
				resume(id) {
					return this.repository.refunds.resume(id);
				},
			},
		}),
		consumer<Vars, Methods>({
			async "payment.settled"(event) {
				await settlePayment(this.depsFor(), event.data.orderId);
			},
		}),
		outbox(["orders"]),
		db(orderModels),
	],
	actions: {
		list: {
			visibility: "published",
			rest: "GET /orders",
			permissions: "user",
			openapi: { summary: "Your orders, newest first", response: "OrderPage" },
			isIdempotent: true,
			params: pageParams,
			handler(ctx) {
				return this.page({ userId: ctx.meta.user?.id ?? "" }, ctx.params);
			},
		},
		get: {
			visibility: "published",
			rest: "GET /orders/:id",
			permissions: "anyone",
			openapi: { summary: "An order: yours, or a guest's with X-Order-Token", response: "Order" },
			isIdempotent: true,
			params: orderParams,
			async handler(ctx) {
				return toOrder(await this.readable(ctx));
			},
		},
		adminList: {
			visibility: "published",
			rest: "GET /admin/orders",
			permissions: ["orders:read"],
			openapi: { summary: "All orders, newest first", response: "OrderPage" },
			isIdempotent: true,
			params: {
				...pageParams,
				status: { type: "enum", values: Object.keys(ORDER_TRANSITIONS), optional: true },
				email: emailRule({ optional: true }),
			},
			handler(ctx) {
				const { status, email, ...params } = ctx.params;
				return this.page({ ...(status ? { status } : {}), ...(email ? { email } : {}) }, params);
			},
		},
		adminGet: {
			visibility: "published",
			rest: "GET /admin/orders/:id",
			permissions: ["orders:read"],
			openapi: { summary: "Any order", response: "Order" },
			isIdempotent: true,
			params: orderParams,
			async handler(ctx) {
				const order = await this.repository.find(ctx.params.id);
				if (!order) throw notFound("The order");
				return toOrder(order);
			},
		},
		place: {
			visibility: "published",
			rest: { route: "POST /carts/:id/checkout", status: 201, location: "/orders/:id" },
			permissions: "anyone",
			openapi: {
				summary: "Buy what is in the cart",
				description:
					"409 names the lines: PRICE_CHANGED for another price or currency, CONFLICT for what was withdrawn, STOCK_INSUFFICIENT.",
				response: "Order",
			},
			idempotency: "aggregate",
			isKeyRequired: true,
			timeout: CHECKOUT_TIMEOUT_MS,
			params: {
				...orderParams,
				email: emailRule(),
				shippingAddress: addressRule(),
				billingAddress: addressRule({ optional: true }),
				// There are no shipping methods to choose from before the shipping service exists.
				shippingMethod: { type: "forbidden" },
				payment: { type: "object", props: { method: textRule(50), token: textRule(200) } },
				expectedTotal: amountRule(),
			},
			async handler(ctx) {
				const { id: cartId, shippingMethod: _, ...input } = ctx.params;
				const key = { keyHash: keyHash(ctx, cartId) ?? "", requestHash: requestHash(ctx) };
				return this.answer(ctx, await placeOrder(this.depsFor(ctx), { ...input, ...key, cartId }));
			},
		},
		cancel: {
			visibility: "published",
			rest: "POST /orders/:id/cancel",
			permissions: "anyone",
			openapi: {
				summary: "Take an order back before it ships",
				description: "Staff need `payments:refund` for an order that was paid.",
				response: "Order",
			},
			idempotency: "aggregate",
			timeout: CHECKOUT_TIMEOUT_MS,
			params: { ...orderParams, reason: textRule(500, { optional: true }) },
			async handler(ctx) {
				const order = await this.readable(ctx);
				const hash = keyHash(ctx, order._id);
				// Who repeats a cancellation was allowed it, however much was captured while it ran.
				if (!order.commands.some(command => command.keyHash === hash)) this.mayCancel(ctx, order);
				return this.answer(
					ctx,
					await cancelOrder(this.depsFor(ctx), order, {
						actor: ctx.meta.user?.id ?? "guest",
						reason: ctx.params.reason ?? "cancelled on request",
						...(hash ? { command: { keyHash: hash, requestHash: requestHash(ctx) } } : {}),
					}),
				);
			},
		},
		refund: {
			visibility: "published",
			rest: { route: "POST /admin/orders/:id/refunds", status: 201 },
			permissions: ["orders:write", "payments:refund"],
			openapi: {
				summary: "Pay back an amount, or lines and shipping, or all that is left",
				description:
					"409 says what is still refundable, of the order and per line. A refund is `pending` while the provider has not said.",
				response: "Order",
			},
			idempotency: "aggregate",
			isKeyRequired: true,
			timeout: CHECKOUT_TIMEOUT_MS,
			params: {
				...orderParams,
				amount: amountRule({ optional: true }),
				lines: {
					type: "array",
					min: 1,
					max: 200,
					optional: true,
					items: { type: "object", props: { sku: skuRule(), quantity: quantityRule() } },
				},
				shipping: amountRule({ optional: true }),
				reason: textRule(500),
			},
			async handler(ctx) {
				const { id, ...input } = ctx.params;
				const order = await this.repository.find(id);
				if (!order) throw notFound("The order");
				const command = { keyHash: keyHash(ctx, id) ?? "", requestHash: requestHash(ctx) };
				return this.answer(ctx, await refundOrder(this.depsFor(ctx), order, { ...input, command }));
			},
		},
		snapshot: {
			visibility: "public",
			isIdempotent: true,
			params: orderParams,
			async handler(ctx) {
				const order = await this.repository.find(ctx.params.id);
				if (!order) throw notFound("The order");
				return toOrder(order);
			},
		},
		fate: {
			visibility: "public",
			params: { orderId: idRule(), cartId: idRule() },
			async handler(ctx) {
				const { fate } = await fateOf(this.depsFor(ctx), ctx.params);
				return { fate };
			},
		},
	},
	methods: {
		async readable(ctx) {
			const order = await this.repository.find(ctx.params.id);
			const { user, orderToken } = ctx.meta;
			const isOwner = order?.userId !== null && order?.userId === user?.id;
			const isStaff = user !== undefined && mayDo(user.roles, "orders:write");
			const isGuest =
				order?.userId === null &&
				orderToken !== undefined &&
				isOrderToken(this.broker.stoa.secret, order._id, orderToken);
			if (!order || !(isOwner || isStaff || isGuest)) throw notYours("The order", order);
			return order;
		},
		mayCancel({ meta: { user } }, { userId, payment }) {
			const isStaff = user !== undefined && user.id !== userId && mayDo(user.roles, "orders:write");
			if (isStaff && payment.captured > 0 && !mayDo(user.roles, "payments:refund"))
				throw new DomainError("FORBIDDEN", "Cancelling an order that was paid refunds it: this needs payments:refund");
		},
		async page(filter, { limit = 20, cursor, count }) {
			const [createdAt, id] = cursor ? decodeCursor(cursor, ["time", "string"]) : [];
			const after = createdAt && id !== undefined ? { createdAt, id } : undefined;
			const [rows, total] = await Promise.all([
				this.repository.page(filter, after, limit + 1),
				count ? this.repository.count(filter) : undefined,
			]);
			const last = rows.length > limit ? rows[limit - 1] : undefined;
			return {
				items: rows.slice(0, limit).map(toOrder),
				nextCursor: last ? encodeCursor([last.createdAt.getTime(), last._id]) : null,
				...(total === undefined ? {} : { total }),
			};
		},
		depsFor(ctx) {
			const later: CancelDeps["later"] = (what, work) => {
				const running = work()
					.catch(error => this.logger.warn(`Left for a sweep: ${what}`, error))
					.finally(() => this.background.delete(running));
				this.background.add(running);
			};
			return createDeps(this.broker.stoa, this.repository, later, ctx ?? this.broker, ctx?.requestID ?? undefined);
		},
		answer(ctx, ended) {
			const order = ended.isReplay ? replay<Order>(ctx, ended.outcome) : first(ended.outcome);
			const isGuests = "order" in ended && ended.order?.userId === null;
			return isGuests ? { ...order, accessToken: orderTokenOf(this.broker.stoa.secret, order.id) } : order;
		},
	},
	created() {
		this.background = new Set();
		this.repository = new OrderRepository(this.models.orders, id => this.outbox.hint("orders", id));
	},
	async started() {
		await adoptOrders(this.models.orders, this.depsFor().awaitingPaymentMs);
		const onError = (error: unknown) => this.logger.warn("Unfinished orders could not be looked at yet", error);
		const onOrder = (orderId: string, error: unknown) =>
			this.logger.warn(`${orderId} could not be recovered yet`, error);
		this.recovery = createLoop(RECOVER_EVERY_MS, () => recover(this.depsFor(), onOrder), onError);
		this.recovery.start();
		const onPayment = (orderId: string, error: unknown) =>
			this.logger.warn(`The payment of ${orderId} is not known yet`, error);
		this.asking = createLoop(ASK_EVERY_MS, () => askAboutPayments(this.depsFor(), onPayment), onError);
		this.asking.start();
	},
	async stopped() {
		await Promise.all([this.recovery.stop(), this.asking.stop()]);
		await Promise.all(this.background);
	},
});

/** The first answer is made from the kept outcome as every later one is, so that they are equal to the letter. */
function first(outcome: Outcome): Order {
	if (outcome.status === "refused") throw refusedAs(outcome);
	return JSON.parse(outcome.text);
}
