import { canonical } from "../lib/idempotency.ts";
import type { AppBroker } from "../lib/typed.ts";
import type { ActionContext, Middleware } from "./middleware.ts";

/** Without Redis a node that missed a write may keep a value; not for longer than this. */
const UNSHARED_TTL_MS = 5_000;

/**
 * Answers of actions that declare `cached`, kept under their aggregate's generation: taken before the load, so that a
 * value loaded before a write is never found after it. Equal misses at once load once. Sits inside validation and
 * permissions.
 */
export const cache: Middleware = {
	name: "Cache",
	localAction(next, action) {
		const { cached } = action;
		if (!cached) return next;
		const loading = new Map<string, Promise<unknown>>();
		return async ctx => {
			const { cache: store, config } = (ctx.broker as unknown as AppBroker).stoa;
			const isUnshared = store.engine === "memory" && config.natsUrl !== undefined;
			const ttlMs = isUnshared ? Math.min(cached.ttlMs, UNSHARED_TTL_MS) : cached.ttlMs;
			const generation = await store.generation(cached.aggregate);
			if (generation === undefined) return next(ctx);
			const key = keyOf(action.name, generation, cached.keys, ctx);
			const known = await store.get(key);
			if (known !== undefined) return known;
			const under = loading.get(key);
			if (under) return under;
			const load = (async () => {
				const value = await next(ctx);
				await store.set(key, value, ttlMs);
				return value;
			})().finally(() => loading.delete(key));
			loading.set(key, load);
			return load;
		};
	},
};

function keyOf(action: string, generation: string, keys: readonly string[], { params }: ActionContext): string {
	const parts = keys.map(key => params[key]);
	return `${action}:${generation}:${canonical(parts)}`;
}
