import { requireKey } from "../lib/idempotency.ts";
import { type CommandsVars, runOnce } from "../mixins/commands.mixin.ts";
import type { Middleware } from "./middleware.ts";

interface MayHaveCommands {
	models?: Partial<CommandsVars["models"]>;
}

/**
 * Keeps the `Idempotency-Key` of actions that declare `idempotency: "commands"`, in the service that owns the effect.
 * Sits inside validation and permissions, so what was refused before it ran is never kept.
 */
export const idempotency: Middleware = {
	name: "Idempotency",
	localAction(next, action) {
		const { idempotency: keeper, isKeyRequired, keyScope } = action;
		if (keeper !== "commands" && !isKeyRequired) return next;
		return async ctx => {
			if (isKeyRequired) requireKey(ctx);
			if (keeper !== "commands") return next(ctx);
			const { models } = ctx.service as unknown as MayHaveCommands;
			if (!models?.commands)
				throw new Error(`${action.name} keeps its key in commands, but its service has no commands() mixin`);
			const guestScope = keyScope === undefined ? undefined : String(ctx.params[keyScope]);
			return runOnce(models.commands, ctx, guestScope, () => next(ctx));
		};
	},
};
