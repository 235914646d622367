import { DomainError } from "./errors.ts";

/** A keyset cursor: where the last page ended. Opaque to clients, checked on the way back in. */
export type CursorPart = string | number;

export const encodeCursor = (parts: readonly CursorPart[]): string =>
	Buffer.from(JSON.stringify(parts)).toString("base64url");

/**
 * @param shape the type each part must have
 * @throws VALIDATION_ERROR for anything this shop did not hand out for this list
 */
export function decodeCursor(cursor: string, shape: readonly ("string" | "number")[]): CursorPart[] {
	const refuse = () =>
		new DomainError("VALIDATION_ERROR", "The cursor is not one of this list", {
			errors: [{ field: "cursor", code: "cursor", message: "Use `nextCursor` of the page before, with the same sort" }],
		});
	let parts: unknown;
	try {
		parts = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
	} catch {
		throw refuse();
	}
	const isValid =
		Array.isArray(parts) && parts.length === shape.length && parts.every((part, i) => typeof part === shape[i]);
	if (!isValid) throw refuse();
	return parts as CursorPart[];
}
