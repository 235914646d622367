import { DomainError } from "../lib/errors.ts";
import { type Access, mayDo, type Permission } from "../lib/permissions.ts";
import type { AppMeta } from "../lib/typed.ts";
import type { Middleware } from "./middleware.ts";

/**
 * Enforces what an action declares under `permissions`, wherever the call comes from. Sits outside the cache, so that a
 * cached answer never reaches a caller who would have been refused.
 */
export const permissions: Middleware = {
	name: "Permissions",
	localAction(next, action) {
		const { permissions: access } = action;
		if (access === undefined || access === "anyone") return next;
		return async ctx => {
			refuse(access, ctx.meta);
			return next(ctx);
		};
	},
};

function refuse(access: Exclude<Access, "anyone">, { user }: AppMeta): void {
	if (!user) throw new DomainError("UNAUTHENTICATED", "Sign in first: this needs an access token");
	if (access === "user") return;
	const missing = access.filter((permission: Permission) => !mayDo(user.roles, permission));
	if (missing.length > 0) throw new DomainError("FORBIDDEN", `This needs the permission ${missing.join(", ")}`);
}
