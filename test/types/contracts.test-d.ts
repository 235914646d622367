import { type AppContext, defineService } from "../../lib/typed.ts";
import type { Cart } from "../../services/carts/carts.contract.ts";

/**
 * Mistakes that must not compile. `tsc` runs this file as part of `npm run check`: an `@ts-expect-error` above a line
 * that compiles is an error itself, so a promise that rots is noticed.
 */

declare const ctx: AppContext<{ id: string }>;

export async function calls(): Promise<void> {
	// @ts-expect-error: no action of this name
	await ctx.call("carts.gett", { id: "crt_1" });
	// @ts-expect-error: the param is called id
	await ctx.call("carts.get", { idd: "crt_1" });
	// @ts-expect-error: a param is missing
	await ctx.call("carts.get");
	// @ts-expect-error: a param of the wrong type
	await ctx.call("carts.addLine", { id: "crt_1", sku: "A", quantity: "2" });
	// @ts-expect-error: a param too many
	await ctx.call("products.get", { idOrSlug: "lamp", extra: true });
	// @ts-expect-error: the result is a cart
	const id: number = (await ctx.call("carts.get", { id: "crt_1" })).id;
	// @ts-expect-error: events that must not be lost go through the outbox
	await ctx.emit("order.placed", {});
	// @ts-expect-error: the same through the broker
	await ctx.broker.emit("order.placed", {});
	// @ts-expect-error: the broker's calls are typed too
	await ctx.broker.call("carts.get", { id: 5 });
	// @ts-expect-error: this handler's params have no such field
	void ctx.params.sku;
	// @ts-expect-error: nothing of this name travels with a call
	await ctx.call("carts.get", { id: "crt_1" }, { meta: { admin: true } });
	void id;

	const cart: Cart = await ctx.call("carts.get", { id: "crt_1" });
	const quotes = await ctx.call("products.quote", { skus: [cart.lines[0]?.sku ?? ""] }, { timeout: 1_000 });
	void quotes.quotes.length;
	await ctx.call("auth.jwks");
}

const me = {
	visibility: "published",
	rest: "GET /me",
	permissions: "user",
	openapi: { summary: "You" },
	params: {},
	handler: () => ({ id: "", email: "", name: null, locale: "en", createdAt: "", version: 1, roles: [] }),
} as const;
const internal = {
	get: { visibility: "public", params: { id: "string" }, handler: () => profile },
	create: { visibility: "public", params: { id: "string", email: "string", name: "string" }, handler: () => profile },
} as const;
const updateMe = { ...me, rest: "PATCH /me", params: { name: "string", locale: "string" } } as const;
const profile = { id: "", email: "", name: null, locale: "en", createdAt: "", version: 1 };

/** This one is right: every one below differs from it in one thing. */
export const right = defineService()({ name: "users", actions: { me, updateMe, ...internal } });

// @ts-expect-error: an action of the contract is missing
export const missing = defineService()({ name: "users", actions: { me, ...internal } });

export const extra = defineService()({
	name: "users",
	// @ts-expect-error: an action that is not in the contract
	actions: { me, updateMe, ...internal, purge: { visibility: "public", params: {}, handler: () => undefined } },
});

export const unruled = defineService()({
	name: "users",
	// @ts-expect-error: a param without a rule
	actions: { me, updateMe, ...internal, create: { ...internal.create, params: { id: "string", email: "string" } } },
});

export const overruled = defineService()({
	name: "users",
	// @ts-expect-error: a rule for a param that the contract does not have
	actions: { me, updateMe, ...internal, get: { ...internal.get, params: { id: "string", isAdmin: "boolean" } } },
});

export const wrongResult = defineService()({
	name: "users",
	// @ts-expect-error: a result of another shape
	actions: { me, updateMe, ...internal, get: { ...internal.get, handler: () => ({ id: 1 }) } },
});

const { visibility: _visibility, ...invisible } = me;
export const withoutVisibility = defineService()({
	name: "users",
	// @ts-expect-error: an action without visibility
	actions: { me: invisible, updateMe, ...internal },
});

const { permissions: _permissions, ...unguarded } = me;
export const withoutPermissions = defineService()({
	name: "users",
	// @ts-expect-error: a published action that does not say who may call it
	actions: { me: unguarded, updateMe, ...internal },
});

export const unknownPermission = defineService()({
	name: "users",
	// @ts-expect-error: a permission that no role has
	actions: { me: { ...me, permissions: ["users:reed"] }, updateMe, ...internal },
});

export const routedInternal = defineService()({
	name: "users",
	// @ts-expect-error: a route on an action that is not published
	actions: { me, updateMe, ...internal, get: { ...internal.get, rest: "GET /users/:id" } },
});

interface Methods {
	greet(name: string): string;
}
export const wrongMethod = defineService<Record<string, unknown>, Methods>()({
	name: "users",
	actions: { me, updateMe, ...internal },
	// @ts-expect-error: a method of another type
	methods: { greet: (name: number) => `${name}` },
});

export const wrongThis = defineService<Record<string, unknown>, Methods>()({
	name: "users",
	actions: {
		updateMe,
		...internal,
		me: {
			...me,
			handler() {
				// @ts-expect-error: the service has no such method
				this.greeet("you");
				return me.handler();
			},
		},
	},
	methods: { greet: name => name },
});
