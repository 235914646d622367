import { DomainError } from "../../lib/errors.ts";
import { KEY_TTL_SECONDS } from "../../lib/idempotency.ts";
import type { CommandDocument, OrderDocument } from "./orders.model.ts";

/** Keys an order remembers; above it commands are refused, none is forgotten. */
export const MAX_COMMANDS = 500;
/** All its kept answers together: a document of the database ends at 16 MB. */
const MAX_KEPT_CHARACTERS = 4_000_000;

/** Keys that a repeat may still come with: all that have not ended, and what ended within a day. */
export const keptCommands = (commands: readonly CommandDocument[], nowMs: number): CommandDocument[] =>
	commands.filter(({ outcome, at }) => !outcome || !at || at.getTime() >= nowMs - KEY_TTL_SECONDS * 1_000);

/** @throws RATE_LIMITED when one more key would not fit: it is not executed, so that nothing is done that is forgotten */
export function assertRoom({ commands }: Pick<OrderDocument, "commands">, nowMs: number): void {
	const kept = keptCommands(commands, nowMs);
	const characters = kept.reduce((sum, { outcome }) => sum + (outcome?.text.length ?? 0), 0);
	if (kept.length < MAX_COMMANDS && characters < MAX_KEPT_CHARACTERS) return;
	throw new DomainError("RATE_LIMITED", "Too many commands with keys for this order within 24 hours; try again later", {
		retryAfterSeconds: 3_600,
	});
}
