import { createHash } from "node:crypto";
import { asDomainError, DomainError } from "./errors.ts";
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
	/** Of a refusal: the first request's id, which stands in its problem document. */
	requestId?: string;
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
/** Refusals that leave no trace of the key: the command was turned away before it did anything. */
const UNSTORED = new Set([400, 401, 403, 422, 429]);

export const success = (result: unknown, statusCode?: number): Outcome => ({
	status: "done",
	text: JSON.stringify(result ?? null),
	...(statusCode === undefined ? {} : { statusCode }),
});

/**
 * The outcome to keep of what was thrown, here or on another node; undefined when a repeat may end differently, as an
 * error says itself that names a time to try again.
 */
export function refusal(error: unknown, requestId?: string | null): Outcome | undefined {
	const refused = asDomainError(error);
	if (!refused || !FINAL_REFUSALS.has(refused.status) || PASSING.has(refused.type)) return undefined;
	if (refused.data.retryAfterSeconds !== undefined) return undefined;
	const { type, message, data } = refused;
	return {
		status: "refused",
		text: JSON.stringify({ type, message, data }),
		...(requestId ? { requestId } : {}),
	};
}

/** Whether the key of a command that ended so may be used for another one. */
export function leavesNoTrace(error: unknown): boolean {
	const refused = asDomainError(error);
	return refused !== undefined && UNSTORED.has(refused.status);
}

/** A kept refusal as the error it was, to the letter of its problem document. */
export function refusedAs({ text, requestId }: Outcome): DomainError {
	const { type, message, data } = JSON.parse(text);
	return new DomainError(type, message, requestId === undefined ? data : { ...data, requestId });
}

/** Gives the first answer again, marked as such. */
export function replay<T>(ctx: Request, outcome: Outcome): T {
	ctx.meta.$responseHeaders = { ...ctx.meta.$responseHeaders, "Idempotent-Replayed": "true" };
	if (outcome.status === "refused") throw refusedAs(outcome);
	if (outcome.statusCode !== undefined) ctx.meta.$statusCode = outcome.statusCode;
	return JSON.parse(outcome.text) as T;
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
