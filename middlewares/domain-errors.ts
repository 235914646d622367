import { Errors } from "moleculer";
import { DomainError } from "../lib/errors.ts";
import type { Middleware } from "./middleware.ts";

/** Turns what the domain throws into an error that keeps its type, status and data over the network. */
export const domainErrors: Middleware = {
	name: "DomainErrors",
	localAction: next => async ctx => {
		try {
			return await next(ctx);
		} catch (error) {
			throw error instanceof DomainError
				? new Errors.MoleculerError(error.message, error.status, error.type, error.data)
				: error;
		}
	},
};
