import { DomainError } from "./errors.ts";

/** A keyset cursor: where the last page ended. Opaque to clients, checked on the way back in. */
export type CursorPart = string | number;

/** `time` is written as milliseconds and read as a date that exists. */
interface Kinds {
	string: string;
	number: number;
	time: Date;
}
type Kind = keyof Kinds;
type Parts<S extends readonly Kind[]> = { -readonly [I in keyof S]: Kinds[S[I]] };

const LAST_MS = Date.UTC(9999, 11, 31);

export const encodeCursor = (parts: readonly CursorPart[]): string =>
	Buffer.from(JSON.stringify(parts)).toString("base64url");

export const refusedCursor = (): DomainError =>
	new DomainError("VALIDATION_ERROR", "The cursor is not one of this list", {
		errors: [{ field: "cursor", code: "cursor", message: "Use `nextCursor` of the page before, with the same sort" }],
	});

/**
 * @param shape what each part must be
 * @throws VALIDATION_ERROR for anything this shop did not hand out for this list
 */
export function decodeCursor<const S extends readonly Kind[]>(cursor: string, shape: S): Parts<S> {
	let parts: unknown;
	try {
		parts = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
	} catch {
		throw refusedCursor();
	}
	if (!Array.isArray(parts) || parts.length !== shape.length) throw refusedCursor();
	return parts.map((part, i) => read(part, shape[i])) as Parts<S>;
}

function read(part: unknown, kind: Kind | undefined): string | number | Date {
	if (kind === "string" && typeof part === "string") return part;
	// JSON's 1e999 is a number too, and no database compares with it as this shop would.
	if (kind === "number" && Number.isFinite(part)) return part as number;
	if (kind === "time" && Number.isInteger(part) && Math.abs(part as number) <= LAST_MS) return new Date(part as number);
	throw refusedCursor();
}
