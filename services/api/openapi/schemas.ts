import type { Page } from "../../../lib/contracts.ts";
import type { FieldError } from "../../../lib/errors.ts";
import { ERROR_TYPES } from "../../../lib/errors.ts";
import type { Readiness } from "../../../lib/health.ts";
import type { Money } from "../../../lib/money.ts";
import { ROLES } from "../../../lib/permissions.ts";
import type { Totals } from "../../../lib/totals.ts";
import type { PublicJwk, Tokens } from "../../auth/auth.contract.ts";
import type { Cart, CartLine } from "../../carts/carts.contract.ts";
import type { LedgerEntry, StockCounters, StockLocation, StockView } from "../../inventory/inventory.contract.ts";
import type { Delivery } from "../../notifications/notifications.contract.ts";
import type {
	Address,
	Order,
	OrderFulfilment,
	OrderHistoryEntry,
	OrderLine,
	OrderRefund,
	RefundLine,
} from "../../orders/orders.contract.ts";
import type { LedgerItem } from "../../payments/payments.contract.ts";
import type {
	AdminProduct,
	Category,
	CategoryTree,
	CategoryWithPath,
	ImportJob,
	Product,
	Variant,
} from "../../products/products.contract.ts";
import type { Me } from "../../users/users.contract.ts";
import type { RegistryAction, RegistryNode, RegistryService } from "../api.contract.ts";
import type { Problem } from "../http/problem.ts";
import type { JsonSchema } from "./rules.ts";

const ref = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` });
const listOf = (items: JsonSchema): JsonSchema => ({ type: "array", items });
const mapOf = (values: JsonSchema): JsonSchema => ({ type: "object", additionalProperties: values });
const oneOf = (...values: string[]): JsonSchema => ({ type: "string", enum: values });

const text: JsonSchema = { type: "string" };
const textOrNull: JsonSchema = { type: ["string", "null"] };
const whole: JsonSchema = { type: "integer" };
const count: JsonSchema = { type: "integer", minimum: 0 };
const time: JsonSchema = { type: "string", format: "date-time" };
const timeOrNull: JsonSchema = { type: ["string", "null"], format: "date-time" };
const flag: JsonSchema = { type: "boolean" };
const money = ref("Money");

type OptionalKeys<T> = { [K in keyof T]-?: undefined extends T[K] ? K : never }[keyof T];
type Optional<T> = [OptionalKeys<T>] extends [never] ? [] : [optional: readonly OptionalKeys<T>[]];

/** The compiler holds each schema to its contract: a field more, less or wrongly optional does not compile. */
const dto =
	<T>() =>
	(properties: { [K in keyof T]-?: JsonSchema }, ...[optional = []]: Optional<T> | []): JsonSchema => ({
		type: "object",
		properties,
		required: Object.keys(properties).filter(name => !(optional as readonly unknown[]).includes(name)),
	});

const page = (item: string): JsonSchema =>
	dto<Page<unknown>>()({ items: listOf(ref(item)), nextCursor: textOrNull, total: count }, ["total"]);
const items = (item: string): JsonSchema => dto<{ items: unknown[] }>()({ items: listOf(ref(item)) });

const variant = {
	id: text,
	sku: text,
	title: text,
	price: money,
	compareAtPrice: money,
	options: mapOf(text),
	available: oneOf("in_stock", "low_stock", "out_of_stock"),
};
const product = {
	id: text,
	slug: text,
	title: text,
	description: text,
	brand: textOrNull,
	categories: listOf(text),
	images: listOf(text),
	attributes: mapOf({
		type: ["string", "number", "boolean", "array"],
		items: { type: ["string", "number", "boolean"] },
	}),
	variants: listOf(ref("Variant")),
	createdAt: time,
	updatedAt: time,
	version: whole,
};
const category = { id: text, slug: text, title: text, parent: textOrNull, version: whole };
const counters = {
	onHand: count,
	available: count,
	reserved: count,
	sold: count,
	received: count,
	returned: count,
	adjusted: whole,
};
const line = {
	id: text,
	sku: text,
	productId: text,
	title: text,
	quantity: count,
	unitPrice: money,
	lineTotal: money,
};
const totals = { subtotal: money, discount: money, shipping: money, tax: money, total: money };
const soldLine = dto<{ sku: string; quantity: number }>()({ sku: text, quantity: count });

const shopping = {
	Variant: dto<Variant>()(variant, ["compareAtPrice"]),
	Product: dto<Product>()(product),
	ProductPage: page("Product"),
	AdminProduct: dto<AdminProduct>()({
		...product,
		status: oneOf("draft", "published"),
		mpn: textOrNull,
		ean: listOf(text),
		releasedAt: timeOrNull,
	}),
	AdminProductPage: page("AdminProduct"),
	Category: dto<Category>()(category),
	CategoryNode: dto<CategoryTree>()({ ...category, children: listOf(ref("CategoryNode")) }),
	CategoryTree: items("CategoryNode"),
	CategoryWithPath: dto<CategoryWithPath>()({
		...category,
		path: listOf(dto<CategoryWithPath["path"][number]>()({ slug: text, title: text })),
	}),
	ImportAccepted: dto<{ jobId: string }>()({ jobId: text }),
	ImportJob: dto<ImportJob>()({
		id: text,
		status: oneOf("running", "done", "failed"),
		total: count,
		processed: count,
		created: count,
		updated: count,
		failed: count,
		errors: listOf(dto<ImportJob["errors"][number]>()({ row: whole, code: text, message: text })),
		createdAt: time,
		finishedAt: timeOrNull,
	}),
	CartLine: dto<CartLine>()({ ...line, problem: oneOf("price_changed", "withdrawn") }, ["problem"]),
	Totals: dto<Totals>()(totals),
	Cart: dto<Cart>()({
		id: text,
		currency: text,
		lines: listOf(ref("CartLine")),
		totals: ref("Totals"),
		version: whole,
		status: oneOf("open", "checking_out", "ordered"),
	}),
};

const selling = {
	StockCounters: dto<StockCounters>()(counters),
	StockLocation: dto<StockLocation>()({ ...counters, location: text, version: whole }),
	StockView: dto<StockView>()({ sku: text, locations: listOf(ref("StockLocation")), totals: ref("StockCounters") }),
	LedgerEntry: dto<LedgerEntry>()({
		id: text,
		sku: text,
		location: text,
		kind: oneOf("receive", "adjust", "reserve", "commit", "release", "return"),
		quantity: whole,
		reference: text,
		reason: textOrNull,
		actor: textOrNull,
		at: time,
	}),
	LedgerPage: page("LedgerEntry"),
	Address: dto<Address>()(
		{
			name: text,
			company: text,
			line1: text,
			line2: text,
			city: text,
			postalCode: text,
			region: text,
			country: text,
			phone: text,
		},
		["company", "line2", "postalCode", "region", "phone"],
	),
	OrderLine: dto<OrderLine>()(line),
	RefundLine: dto<RefundLine>()({ lineId: text, sku: text, quantity: whole, amount: money }),
	OrderRefund: dto<OrderRefund>()({
		id: text,
		amount: money,
		lines: listOf(ref("RefundLine")),
		shipping: money,
		reason: text,
		status: oneOf("pending", "done", "failed"),
		createdAt: time,
	}),
	OrderHistoryEntry: dto<OrderHistoryEntry>()({ from: textOrNull, to: text, at: time, actor: text, cause: text }),
	OrderFulfilment: dto<OrderFulfilment>()({
		id: text,
		lines: listOf(soldLine),
		carrier: textOrNull,
		trackingNumber: textOrNull,
		createdAt: time,
	}),
	Order: dto<Order>()(
		{
			id: text,
			number: text,
			status: text,
			email: text,
			lines: listOf(ref("OrderLine")),
			totals: ref("Totals"),
			shippingAddress: ref("Address"),
			billingAddress: ref("Address"),
			shippingLabel: listOf(text),
			payment: dto<Order["payment"]>()({ status: text, method: text, amount: money }),
			fulfilments: listOf(ref("OrderFulfilment")),
			refunds: listOf(ref("OrderRefund")),
			history: listOf(ref("OrderHistoryEntry")),
			createdAt: time,
			version: whole,
			accessToken: text,
		},
		["accessToken"],
	),
	OrderPage: page("Order"),
	PaymentLedgerItem: dto<LedgerItem>()({
		orderId: text,
		kind: oneOf("authorize", "capture", "void", "refund"),
		amount: money,
		idempotencyKey: text,
		at: time,
	}),
	PaymentLedger: items("PaymentLedgerItem"),
};

const people = {
	Tokens: dto<Tokens>()({ accessToken: text, refreshToken: text, tokenType: { const: "Bearer" }, expiresIn: whole }),
	VerificationSent: dto<{ status: string }>()({ status: { const: "verification_sent" } }),
	Jwk: dto<PublicJwk>()({
		kty: { const: "EC" },
		crv: { const: "P-256" },
		x: text,
		y: text,
		kid: text,
		alg: { const: "ES256" },
		use: { const: "sig" },
	}),
	Jwks: dto<{ keys: PublicJwk[] }>()({ keys: listOf(ref("Jwk")) }),
	Me: dto<Me>()({
		id: text,
		email: { type: "string", format: "email" },
		name: textOrNull,
		locale: text,
		createdAt: time,
		version: whole,
		roles: listOf(oneOf(...ROLES)),
	}),
	Delivery: dto<Delivery>()({
		id: text,
		eventId: text,
		template: text,
		channel: { const: "email" },
		messageId: text,
		status: oneOf("sending", "sent", "failed"),
		attempts: count,
		lastError: textOrNull,
		createdAt: time,
		sentAt: timeOrNull,
	}),
	DeliveryPage: page("Delivery"),
};

const platform = {
	Liveness: dto<{ status: string }>()({ status: { const: "ok" } }),
	Readiness: dto<Readiness>()({
		status: oneOf("ok", "degraded", "unavailable", "draining"),
		checks: mapOf(oneOf("up", "degraded", "down")),
	}),
	RegistryNode: dto<RegistryNode>()({ id: text, isLocal: flag, isAvailable: flag, services: listOf(text) }),
	RegistryNodes: items("RegistryNode"),
	RegistryService: dto<RegistryService>()({ name: text, nodes: listOf(text), isAvailable: flag }),
	RegistryServices: items("RegistryService"),
	RegistryAction: dto<RegistryAction>()({ name: text, route: textOrNull, isAvailable: flag }),
	RegistryActions: items("RegistryAction"),
	Problem: dto<Problem>()(
		{
			type: { type: "string", format: "uri-reference" },
			title: text,
			status: whole,
			code: oneOf(...ERROR_TYPES),
			detail: text,
			errors: listOf(dto<FieldError>()({ field: text, code: text, message: text })),
			requestId: text,
		},
		["detail", "errors"],
	),
};

/** The DTOs of the shop, by the names that actions give under `openapi.response`. */
export const SCHEMAS: Readonly<Record<string, JsonSchema>> = {
	Money: dto<Money>()({
		amount: { type: "integer", description: "Minor units" },
		currency: { type: "string", pattern: "^[A-Z]{3}$" },
	}),
	...shopping,
	...selling,
	...people,
	...platform,
};
