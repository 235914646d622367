import { DomainError, notFound, notYours } from "../../lib/errors.ts";
import { newId, newKey } from "../../lib/ids.ts";
import { createLoop, type Loop } from "../../lib/loop.ts";
import { currencyRule, idRule, priceRule, quantityRule, skuRule } from "../../lib/rules.ts";
import { type AppContext, defineService } from "../../lib/typed.ts";
import { type CommandModels, commandSeed, commands } from "../../mixins/commands.mixin.ts";
import { type DbVars, db } from "../../mixins/db.mixin.ts";
import type { Quote } from "../products/products.contract.ts";
import { type CartDocument, type CartLineDocument, cartModels, MAX_LINES, MAX_QUANTITY } from "./carts.model.ts";
import { CartRepository, type Guard } from "./carts.repository.ts";
import { toCart } from "./carts.views.ts";

const DEFAULT_CURRENCY = "EUR";
const SWEEP_EVERY_MS = 5_000;
/** A claim this old belongs to no checkout that could still run. */
const STALE_CLAIM_MS = 30_000;

interface Vars extends DbVars<typeof cartModels & CommandModels> {
	repository: CartRepository;
	sweep: Loop;
}
interface Methods {
	guardOf(ctx: AppContext<{ id: string }>): Guard;
	quotesOf(ctx: AppContext<unknown>, skus: string[]): Promise<Map<string, Quote>>;
	/** Why a change did not happen: throws, or gives the cart when a repeat of the command had done it before. */
	explain(
		guard: Guard,
		seed: string | undefined,
		wanted: { lineId?: string; currency?: string; sku?: string },
	): Promise<CartDocument>;
	freeAbandoned(): Promise<void>;
}

const idParams = { id: idRule() };
const lineParams = { ...idParams, lineId: idRule() };

export default defineService<Record<string, unknown>, Methods, Vars>()({
	name: "carts",
	mixins: [commands(), db(cartModels)],
	actions: {
		create: {
			visibility: "published",
			rest: { route: "POST /carts", status: 201, location: "/carts/:id" },
			permissions: "anyone",
			openapi: { summary: "Open a cart; for a guest its id is the key to it", response: "Cart" },
			idempotency: "commands",
			params: {
				currency: currencyRule({ optional: true }),
				lines: {
					type: "array",
					max: MAX_LINES,
					optional: true,
					items: { type: "object", props: { sku: skuRule(), quantity: quantityRule() } },
				},
			},
			async handler(ctx) {
				const { currency = DEFAULT_CURRENCY, lines = [] } = ctx.params;
				const quotes =
					lines.length > 0
						? await this.quotesOf(
								ctx,
								lines.map(line => line.sku),
							)
						: new Map<string, Quote>();
				const seed = commandSeed(ctx);
				const cart = await this.repository.create({
					// A guest's id must stay unguessable: with a key it is the key's own seed, which is random too.
					_id: seed ? `crt_${seed}` : newKey("crt"),
					userId: ctx.meta.user?.id ?? null,
					currency,
					lines: mergedLines(lines, quotes, currency),
				});
				return toCart(cart);
			},
		},
		get: {
			visibility: "published",
			rest: "GET /carts/:id",
			permissions: "anyone",
			openapi: { summary: "A cart with its totals", response: "Cart" },
			isIdempotent: true,
			params: idParams,
			async handler(ctx) {
				const cart = await this.repository.find(ctx.params.id);
				if (!cart || cart.userId !== (ctx.meta.user?.id ?? null)) throw notYours("The cart", cart);
				return toCart(cart);
			},
		},
		addLine: {
			visibility: "published",
			rest: "POST /carts/:id/lines",
			permissions: "anyone",
			openapi: { summary: "Put goods into the cart; the same SKU adds up", response: "Cart" },
			idempotency: "commands",
			keyScope: "id",
			params: { ...idParams, sku: skuRule(), quantity: quantityRule() },
			async handler(ctx) {
				const { sku, quantity } = ctx.params;
				const quote = (await this.quotesOf(ctx, [sku])).get(sku);
				if (!quote) throw notFound(`The SKU ${sku}`);
				const guard = this.guardOf(ctx);
				const seed = commandSeed(ctx);
				const changed = await this.repository.addLine(guard, lineOf(quote, quantity), seed);
				return toCart(changed ?? (await this.explain(guard, seed, { currency: quote.price.currency, sku })));
			},
		},
		updateLine: {
			visibility: "published",
			rest: "PATCH /carts/:id/lines/:lineId",
			permissions: "anyone",
			openapi: { summary: "Change how many; 0 removes the line", response: "Cart" },
			params: { ...lineParams, quantity: quantityRule({ min: 0 }) },
			async handler(ctx) {
				const guard = this.guardOf(ctx);
				const { lineId, quantity } = ctx.params;
				const changed = await this.repository.setQuantity(guard, lineId, quantity, undefined);
				return toCart(changed ?? (await this.explain(guard, undefined, { lineId })));
			},
		},
		removeLine: {
			visibility: "published",
			rest: "DELETE /carts/:id/lines/:lineId",
			permissions: "anyone",
			openapi: { summary: "Take a line out of the cart", response: "Cart" },
			params: lineParams,
			async handler(ctx) {
				const guard = this.guardOf(ctx);
				const changed = await this.repository.setQuantity(guard, ctx.params.lineId, 0, undefined);
				return toCart(changed ?? (await this.explain(guard, undefined, { lineId: ctx.params.lineId })));
			},
		},
		claim: {
			visibility: "public",
			params: { ...idParams, orderId: idRule(), keyHash: "string" },
			async handler(ctx) {
				const { id, orderId, keyHash } = ctx.params;
				const userId = ctx.meta.user?.id ?? null;
				const claimed = await this.repository.claim(id, userId, { orderId, keyHash });
				if (claimed) return { cart: toCart(claimed), userId, orderId, attempt: null };
				const cart = await this.repository.find(id);
				if (!cart || cart.userId !== userId) throw notYours("The cart", cart);
				const attempt = cart.attempts.find(ended => ended.keyHash === keyHash) ?? null;
				if (attempt) return { cart: toCart(cart), userId, orderId, attempt };
				if (cart.checkout?.keyHash === keyHash)
					return { cart: toCart(cart), userId, orderId: cart.checkout.orderId, attempt: null };
				throw notOpen(cart);
			},
		},
		free: {
			visibility: "public",
			params: {
				...idParams,
				orderId: idRule(),
				attempt: { type: "object", optional: true, strict: false, props: { keyHash: "string", requestHash: "string" } },
				prices: {
					type: "array",
					optional: true,
					items: { type: "object", props: { sku: "string", title: "string", unitPrice: priceRule() } },
				},
			},
			async handler(ctx) {
				const { id, orderId, attempt, prices = [] } = ctx.params;
				await this.repository.free(id, orderId, attempt, prices);
			},
		},
		finish: {
			visibility: "public",
			params: { ...idParams, orderId: idRule() },
			async handler(ctx) {
				await this.repository.finish(ctx.params.id, ctx.params.orderId);
			},
		},
	},
	methods: {
		guardOf(ctx) {
			return { id: ctx.params.id, userId: ctx.meta.user?.id ?? null, ifMatch: ctx.meta.ifMatch };
		},
		async quotesOf(ctx, skus) {
			const { quotes } = await ctx.call("products.quote", { skus: [...new Set(skus)] });
			return new Map(quotes.map(quote => [quote.sku, quote]));
		},
		async explain(guard, seed, { lineId, currency, sku }) {
			const cart = await this.repository.find(guard.id);
			if (!cart || cart.userId !== guard.userId) throw notYours("The cart", cart);
			if (seed !== undefined && cart.applied.includes(seed)) return cart;
			if (cart.status !== "open" || cart.checkout) throw notOpen(cart);
			if (guard.ifMatch !== undefined && guard.ifMatch !== cart.version) {
				throw new DomainError("VERSION_MISMATCH", `The cart is at version ${cart.version} by now`, {
					details: { version: cart.version },
				});
			}
			if (lineId !== undefined && !cart.lines.some(line => line.id === lineId)) throw notFound("The line");
			if (currency !== undefined && currency !== cart.currency) {
				throw new DomainError("CONFLICT", `${sku} is priced in ${currency}, the cart is in ${cart.currency}`);
			}
			throw new DomainError(
				"VALIDATION_ERROR",
				`A cart holds at most ${MAX_LINES} lines of at most ${MAX_QUANTITY} pieces`,
				{
					errors: [
						{ field: "quantity", code: "limit", message: `at most ${MAX_QUANTITY} of one SKU, ${MAX_LINES} lines` },
					],
				},
			);
		},
		/** A process that died between taking a cart and writing its order leaves the cart held: ask, then free it. */
		async freeAbandoned() {
			const olderThan = new Date(this.broker.stoa.database.clockOf(this.name).nowMs() - STALE_CLAIM_MS);
			for (const cart of await this.repository.staleClaims(olderThan, 50)) {
				const orderId = cart.checkout?.orderId ?? "";
				const { fate } = await this.broker.call("orders.fate", { orderId });
				if (fate === "abandoned") await this.repository.free(cart._id, orderId, undefined, []);
				if (fate === "placed") await this.repository.finish(cart._id, orderId);
			}
		},
	},
	created() {
		this.repository = new CartRepository(this.models.carts, this.broker.stoa.database.clockOf(this.name));
	},
	started() {
		const onError = (error: unknown) => this.logger.warn("Held carts could not be looked at yet", error);
		this.sweep = createLoop(SWEEP_EVERY_MS, () => this.freeAbandoned(), onError);
		this.sweep.start();
	},
	async stopped() {
		await this.sweep.stop();
	},
});

const notOpen = (cart: CartDocument): DomainError =>
	new DomainError(
		"CART_NOT_OPEN",
		cart.status === "ordered" ? "This cart was ordered" : "Another checkout of this cart is under way",
	);

const lineOf = ({ sku, productId, title, price }: Quote, quantity: number): CartLineDocument => ({
	id: newId("lin"),
	sku,
	productId,
	title,
	quantity,
	unitPrice: price,
});

function mergedLines(
	wanted: readonly { sku: string; quantity: number }[],
	quotes: ReadonlyMap<string, Quote>,
	currency: string,
): CartLineDocument[] {
	const lines = new Map<string, CartLineDocument>();
	for (const { sku, quantity } of wanted) {
		const quote = quotes.get(sku);
		if (!quote) throw notFound(`The SKU ${sku}`);
		if (quote.price.currency !== currency)
			throw new DomainError("CONFLICT", `${sku} is priced in ${quote.price.currency}, the cart is in ${currency}`);
		const line = lines.get(sku);
		if (line) line.quantity = Math.min(line.quantity + quantity, MAX_QUANTITY);
		else lines.set(sku, lineOf(quote, quantity));
	}
	return [...lines.values()];
}
