import { DomainError, notFound, notYours } from "../../lib/errors.ts";
import { newId, newKey } from "../../lib/ids.ts";
import { createLoop, type Loop } from "../../lib/loop.ts";
import { currencyRule, idRule, priceRule, quantityRule, skuRule } from "../../lib/rules.ts";
import { type AppContext, defineService } from "../../lib/typed.ts";
import { type CommandModels, commandSeed, commands } from "../../mixins/commands.mixin.ts";
import { type DbVars, db } from "../../mixins/db.mixin.ts";
import { parking } from "../../mixins/parking.mixin.ts";
import type { Quote } from "../products/products.contract.ts";
import type { Cart, CartClaim } from "./carts.contract.ts";
import {
	type CartDocument,
	type CartLineDocument,
	cartModels,
	MAX_LINES,
	MAX_PIECES,
	MAX_QUANTITY,
	STALE_CLAIM_MS,
} from "./carts.model.ts";
import { CartRepository, type Guard } from "./carts.repository.ts";
import { toCart } from "./carts.views.ts";
import { sweepClaims } from "./claim-sweep.ts";
import { ClaimRepository } from "./claims.repository.ts";

const QUICK = { timeout: 5_000 };
const SWEEP_EVERY_MS = 5_000;

interface Vars extends DbVars<typeof cartModels & CommandModels> {
	repository: CartRepository;
	claims: ClaimRepository;
	sweep: Loop;
}
interface Methods {
	guardOf(ctx: AppContext<{ id: string }>): Guard;
	quotesOf(ctx: AppContext<unknown>, skus: string[]): Promise<Map<string, Quote>>;
	/** Why a change did not happen: throws, or gives the cart when a repeat of the command had done it before. */
	explain(
		guard: Guard,
		seed: string | undefined,
		wanted: { lineId?: string; quote?: Quote | undefined },
	): Promise<CartDocument>;
	/** Of a line that is to stay. Undefined when there is no such line. @throws CONFLICT when it is no longer for sale */
	quoteOfLine(ctx: AppContext<unknown>, guard: Guard, lineId: string): Promise<Quote | undefined>;
	/** A cart as its owner sees it, with what is wrong with its lines now. `known` has just been asked for. */
	view(ctx: AppContext<unknown>, cart: CartDocument, known?: readonly Quote[]): Promise<Cart>;
	/** Who has a cart that could not be taken. */
	holderOf(cart: CartDocument, wanted: { orderId: string; keyHash: string; isNew: boolean }): CartClaim;
	sweepClaims(): Promise<void>;
}

const idParams = { id: idRule() };
const lineParams = { ...idParams, lineId: idRule() };

export default defineService<Record<string, unknown>, Methods, Vars>()({
	name: "carts",
	mixins: [
		commands(),
		parking<Vars, Methods>({
			claim: {
				list(limit) {
					return this.claims.parked(limit);
				},
				count() {
					return this.claims.countParked();
				},
				resume(id) {
					return this.claims.resume(id);
				},
			},
		}),
		db(cartModels),
	],
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
				const { currency = this.broker.stoa.config.shopCurrency, lines = [] } = ctx.params;
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
				return this.view(ctx, cart, [...quotes.values()]);
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
				return this.view(ctx, cart);
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
				return this.view(ctx, changed ?? (await this.explain(guard, seed, { quote })), [quote]);
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
				const quote = quantity === 0 ? undefined : await this.quoteOfLine(ctx, guard, lineId);
				const now = quote && { sku: quote.sku, title: quote.title, unitPrice: quote.price };
				const changed = await this.repository.setQuantity(guard, lineId, quantity, now, undefined);
				return this.view(ctx, changed ?? (await this.explain(guard, undefined, { lineId, quote })), quote && [quote]);
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
				const { lineId } = ctx.params;
				const changed = await this.repository.setQuantity(guard, lineId, 0, undefined, undefined);
				return this.view(ctx, changed ?? (await this.explain(guard, undefined, { lineId })));
			},
		},
		claim: {
			visibility: "public",
			params: { ...idParams, orderId: idRule(), keyHash: "string", isNew: { type: "boolean", optional: true } },
			async handler(ctx): Promise<CartClaim> {
				const { id, orderId, keyHash, isNew = false } = ctx.params;
				const userId = ctx.meta.user?.id ?? null;
				const claimed = await this.claims.take(id, userId, { orderId, keyHash }, isNew);
				if (claimed) return { cart: toCart(claimed), userId, holder: "own", orderId, isStale: false };
				const cart = await this.repository.find(id);
				if (!cart || cart.userId !== userId) throw notYours("The cart", cart);
				return this.holderOf(cart, { orderId, keyHash, isNew });
			},
		},
		free: {
			visibility: "public",
			params: {
				...idParams,
				orderId: idRule(),
				keptKey: { type: "string", optional: true },
				prices: {
					type: "array",
					optional: true,
					items: { type: "object", props: { sku: "string", title: "string", unitPrice: priceRule() } },
				},
			},
			async handler(ctx) {
				const { id, orderId, keptKey, prices = [] } = ctx.params;
				await this.claims.free(id, orderId, keptKey, prices);
			},
		},
		finish: {
			visibility: "public",
			params: { ...idParams, orderId: idRule() },
			async handler(ctx) {
				await this.claims.finish(ctx.params.id, ctx.params.orderId);
			},
		},
	},
	methods: {
		guardOf(ctx) {
			return { id: ctx.params.id, userId: ctx.meta.user?.id ?? null, ifMatch: ctx.meta.ifMatch };
		},
		async quotesOf(ctx, skus) {
			const { quotes } = await ctx.call("products.quote", { skus: [...new Set(skus)] }, QUICK);
			return new Map(quotes.map(quote => [quote.sku, quote]));
		},
		async explain(guard, seed, { lineId, quote }) {
			const cart = await this.repository.find(guard.id);
			if (!cart || cart.userId !== guard.userId) throw notYours("The cart", cart);
			if (seed !== undefined && cart.applied.some(applied => applied.seed === seed)) return cart;
			if (cart.status !== "open" || cart.checkout) throw notOpen(cart);
			if (guard.ifMatch !== undefined && guard.ifMatch !== cart.version) {
				throw new DomainError("VERSION_MISMATCH", `The cart is at version ${cart.version} by now`, {
					details: { version: cart.version },
				});
			}
			if (lineId !== undefined && !cart.lines.some(line => line.id === lineId)) throw notFound("The line");
			if (quote && quote.price.currency !== cart.currency) throw foreign(quote, cart.currency);
			if (seed !== undefined && this.repository.isFull(cart)) throw tooOften();
			throw tooMuch();
		},
		async quoteOfLine(ctx, guard, lineId) {
			const cart = await this.repository.find(guard.id);
			const line = cart?.userId === guard.userId ? cart.lines.find(({ id }) => id === lineId) : undefined;
			if (!line) return undefined;
			const quote = (await this.quotesOf(ctx, [line.sku])).get(line.sku);
			if (quote) return quote;
			throw new DomainError("CONFLICT", `${line.title} is no longer for sale: take it out of the cart`, {
				errors: [{ field: line.sku, code: "withdrawn", message: "no longer for sale" }],
			});
		},
		async view(ctx, cart, known = []) {
			if (cart.status !== "open") return toCart(cart);
			const quotes = new Map(known.map(quote => [quote.sku, quote]));
			const others = cart.lines.map(({ sku }) => sku).filter(sku => !quotes.has(sku));
			try {
				const found = others.length > 0 ? await this.quotesOf(ctx, others) : [];
				for (const [sku, quote] of found) quotes.set(sku, quote);
			} catch (error) {
				// A cart can be looked at while the catalogue is away; its checkout asks again.
				this.logger.warn("A cart is shown without the prices of now", error);
				return toCart(cart);
			}
			return toCart(cart, quotes);
		},
		holderOf(cart, { orderId, keyHash, isNew }) {
			const userId = cart.userId;
			const { checkout } = cart;
			const claim = { cart: toCart(cart), userId, isStale: false };
			if (checkout) {
				const isSame = checkout.keyHash === keyHash;
				const heldMs = this.broker.stoa.database.clockOf(this.name).nowMs() - checkout.at.getTime();
				const isStale = cart.status === "open" && heldMs > STALE_CLAIM_MS;
				return { ...claim, holder: isSame ? "same" : "other", orderId: checkout.orderId, isStale };
			}
			const ended = isNew ? undefined : cart.attempts.find(attempt => attempt.keyHash === keyHash);
			// It was held when this attempt came, and is free by now.
			return { ...claim, holder: ended ? "ended" : "other", orderId: ended?.orderId ?? orderId };
		},
		async sweepClaims() {
			const mayBeMore = await sweepClaims({
				claims: this.claims,
				clock: this.broker.stoa.database.clockOf(this.name),
				fateOf: async claim => (await this.broker.call("orders.fate", claim)).fate,
				onError: (cartId, error) => this.logger.warn(`${cartId} could not be looked at yet`, error),
			});
			if (mayBeMore) this.sweep.kick();
		},
	},
	created() {
		this.repository = new CartRepository(this.models.carts, this.broker.stoa.database.clockOf(this.name));
		this.claims = new ClaimRepository(this.models.carts);
	},
	async started() {
		await this.claims.adopt();
		const onError = (error: unknown) => this.logger.warn("Held carts could not be looked at yet", error);
		this.sweep = createLoop(SWEEP_EVERY_MS, () => this.sweepClaims(), onError);
		this.sweep.start();
	},
	async stopped() {
		await this.sweep.stop();
	},
});

const notOpen = (cart: CartDocument): DomainError =>
	cart.status === "ordered"
		? new DomainError("CART_NOT_OPEN", "This cart was ordered")
		: new DomainError("CART_NOT_OPEN", "A checkout of this cart is under way", { retryAfterSeconds: 1 });

const tooOften = (): DomainError =>
	new DomainError("RATE_LIMITED", "This cart was changed too often under Idempotency-Keys within 24 hours", {
		retryAfterSeconds: 3_600,
	});

const lineOf = ({ sku, productId, title, price }: Quote, quantity: number): CartLineDocument => ({
	id: newId("lin"),
	sku,
	productId,
	title,
	quantity,
	unitPrice: price,
});

const foreign = ({ sku, price }: Quote, currency: string): DomainError =>
	new DomainError("CONFLICT", `${sku} is priced in ${price.currency}, the cart is in ${currency}`, {
		errors: [{ field: sku, code: "currency", message: `priced in ${price.currency}` }],
	});

const tooMuch = (): DomainError =>
	new DomainError(
		"VALIDATION_ERROR",
		`A cart holds at most ${MAX_LINES} lines of at most ${MAX_QUANTITY} pieces, and ${MAX_PIECES} pieces in all`,
		{
			errors: [{ field: "quantity", code: "limit", message: `at most ${MAX_QUANTITY} of one SKU, ${MAX_LINES} lines` }],
		},
	);

function mergedLines(
	wanted: readonly { sku: string; quantity: number }[],
	quotes: ReadonlyMap<string, Quote>,
	currency: string,
): CartLineDocument[] {
	const lines = new Map<string, CartLineDocument>();
	for (const { sku, quantity } of wanted) {
		const quote = quotes.get(sku);
		if (!quote) throw notFound(`The SKU ${sku}`);
		if (quote.price.currency !== currency) throw foreign(quote, currency);
		const line = lines.get(sku);
		if ((line?.quantity ?? 0) + quantity > MAX_QUANTITY) throw tooMuch();
		if (line) line.quantity += quantity;
		else lines.set(sku, lineOf(quote, quantity));
	}
	const merged = [...lines.values()];
	if (merged.reduce((all, { quantity }) => all + quantity, 0) > MAX_PIECES) throw tooMuch();
	return merged;
}
