import { errorType, suspicionOf } from "../../lib/errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { SecurityEvent } from "../../lib/security-events.ts";
import type { AppMeta } from "../../lib/typed.ts";
import { normaliseEmail } from "./domain/credentials.ts";

interface Asked {
	params?: unknown;
	meta: AppMeta;
	requestID?: string | null;
	action?: { name?: string } | null;
}

/** Tells whoever watches over the shop which proofs of identity were refused, of whom and to whom, all as hashes. */
export function tellRefusal({ security }: Pick<Runtime, "security">, ctx: Asked, error: unknown): void {
	const about = ctx.action?.name ?? "";
	const event = eventOf(about, error);
	if (!event) return;
	const address = ctx.meta.clientAddress;
	security.record(event, { account: accountOf(ctx.params), address, requestId: ctx.requestID ?? undefined, about });
}

function eventOf(action: string, error: unknown): SecurityEvent | undefined {
	const type = errorType(error);
	if (type === "RATE_LIMITED") return "locked_out";
	const isProof = action === "auth.login" || action === "auth.verifyEmail";
	return isProof && type === "UNAUTHENTICATED" ? "sign_in_failed" : suspicionOf(error);
}

/** An address in its one spelling; of a token only the part that names its session or registration. */
function accountOf(params: unknown): string | undefined {
	const { email, token, refreshToken } = (params ?? {}) as Partial<Record<string, unknown>>;
	if (typeof email === "string") return normaliseEmail(email);
	const named = refreshToken ?? token;
	return typeof named === "string" ? named.split(".")[0] : undefined;
}
