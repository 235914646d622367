import { createHash } from "node:crypto";
import { DomainError } from "./errors.ts";
import type { AppMeta } from "./typed.ts";

/** How long a key is remembered. */
export const KEY_TTL_SECONDS = 86_400;

/**
 * The final answer of a command, kept with its key: `text` is the result as JSON, so that a repeat gets the same
 * bytes. Only outcomes that a repeat could not change are kept: successes, 402, and the domain's 404 and 409.
 */
export interface Outcome {
	status: "done" | "refused";
	/** The result, or the error `{ type, message, data }`. */
	text: string;
	statusCode?: number;
}

interface Request {
	params: unknown;
	meta: AppMeta;
	action?: { name?: string } | null;
}

/** Equal for equal requests, however their fields are ordered. */
export const requestHash = (ctx: Request): string => hash(`${ctx.action?.name ?? ""} ${canonical(ctx.params)}`);

/**
 * The key within its scope: the user, else `guestScope` (a cart's id). Undefined when the client sent no key.
 * The key itself is never stored.
 */
export function keyHash(ctx: Request, guestScope = ""): string | undefined {
	const key = ctx.meta.idempotencyKey;
	if (key === undefined) return undefined;
	return hash(JSON.stringify([ctx.meta.user?.id ?? `guest:${guestScope}`, ctx.action?.name, key]));
}

export function requireKey(ctx: Request): void {
	if (ctx.meta.idempotencyKey !== undefined) return;
	throw new DomainError("BAD_REQUEST", "This needs an Idempotency-Key header: a repeat with the same key is then safe");
}

export const keyReused = (): DomainError =>
	new DomainError("IDEMPOTENCY_KEY_REUSED", "This Idempotency-Key was used with another request");

export const inProgress = (): DomainError =>
	new DomainError("IDEMPOTENCY_IN_PROGRESS", "The first request with this Idempotency-Key still runs; try again", {
		retryAfterSeconds: 1,
	});

const FINAL_REFUSALS = new Set([402, 404, 409]);
/** 409s that say nothing final of this command. */
const PASSING = new Set(["IDEMPOTENCY_IN_PROGRESS"]);

export const success = (result: unknown, statusCode?: number): Outcome => ({
	status: "done",
	text: JSON.stringify(result ?? null),
	...(statusCode === undefined ? {} : { statusCode }),
});

/** The outcome to keep of what was thrown; undefined when a repeat may end differently. */
export function refusal(error: unknown): Outcome | undefined {
	if (!(error instanceof DomainError)) return undefined;
	if (!FINAL_REFUSALS.has(error.status) || PASSING.has(error.type)) return undefined;
	return { status: "refused", text: JSON.stringify({ type: error.type, message: error.message, data: error.data }) };
}

/** Gives the first answer again, marked as such. */
export function replay<T>(ctx: Request, outcome: Outcome): T {
	ctx.meta.$responseHeaders = { ...ctx.meta.$responseHeaders, "Idempotent-Replayed": "true" };
	const content = JSON.parse(outcome.text);
	if (outcome.status === "refused") throw new DomainError(content.type, content.message, content.data);
	if (outcome.statusCode !== undefined) ctx.meta.$statusCode = outcome.statusCode;
	return content as T;
}

const hash = (text: string): string => createHash("sha256").update(text).digest("base64url");

/** JSON with sorted keys. */
export function canonical(value: unknown): string {
	if (value === undefined) return "null";
	if (typeof value !== "object" || value === null) return JSON.stringify(value);
	if (value instanceof Date) return JSON.stringify(value);
	if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
	const fields = Object.entries(value)
		.filter(([, field]) => field !== undefined)
		.sort(([a], [b]) => (a < b ? -1 : 1));
	return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`).join(",")}}`;
}
