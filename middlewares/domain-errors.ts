import { Errors } from "moleculer";
import { DomainError, errorType, isDatabaseAway } from "../lib/errors.ts";
import type { Middleware } from "./middleware.ts";

/** What a caller takes for 'it never ran', and tries again. */
const NEVER_RAN = new Set(["SERVICE_NOT_AVAILABLE", "SERVICE_NOT_FOUND", "BUS_DOWN"]);

const cannotAnswer = () =>
	new Errors.MoleculerError("A part of the shop cannot answer right now", 503, "SERVICE_UNAVAILABLE", {
		retryAfterSeconds: 1,
	});

/** Turns what the domain throws into an error that keeps its type, status and data over the network. */
export const domainErrors: Middleware = {
	name: "DomainErrors",
	localAction: next => async ctx => {
		try {
			return await next(ctx);
		} catch (error) {
			if (error instanceof DomainError)
				throw new Errors.MoleculerError(error.message, error.status, error.type, error.data);
			if (isDatabaseAway(error)) throw cannotAnswer();
			// This action did run, and called one that did not: its own caller must not take that for 'never ran'.
			if (NEVER_RAN.has(errorType(error) ?? "")) throw cannotAnswer();
			throw error;
		}
	},
};
