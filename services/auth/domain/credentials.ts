import { parseEmail } from "../../../lib/email.ts";
import { DomainError } from "../../../lib/errors.ts";
import { isCommon } from "./common-passwords.ts";

const MIN_CHARACTERS = 12;
const MAX_CHARACTERS = 128;

/** One address, one spelling. @throws VALIDATION_ERROR for what is not one plain address */
export function normaliseEmail(email: string): string {
	const address = parseEmail(email);
	if (address !== undefined) return address;
	throw new DomainError("VALIDATION_ERROR", "The e-mail address is not accepted", {
		errors: [{ field: "email", code: "email", message: "must be one plain e-mail address" }],
	});
}

/**
 * A password as it is hashed: any Unicode, in NFKC, so that the same keys on another keyboard or system give the same
 * password. Spaces count, and nothing is trimmed.
 */
export const normalisePassword = (password: string): string => password.normalize("NFKC");

/** @throws VALIDATION_ERROR that says what is wrong; characters are counted as people see code points, not bytes */
export function checkPassword(password: string, email: string): void {
	const length = [...password].length;
	if (length < MIN_CHARACTERS) throw refused("too_short", `needs at least ${MIN_CHARACTERS} characters`);
	if (length > MAX_CHARACTERS) throw refused("too_long", `may have at most ${MAX_CHARACTERS} characters`);
	if (isCommon(password) || password.toLowerCase() === email) {
		throw refused("too_common", "is one of those that are guessed first; a few unrelated words make a good one");
	}
}

const refused = (code: string, message: string): DomainError =>
	new DomainError("VALIDATION_ERROR", "The password is not accepted", {
		errors: [{ field: "password", code, message }],
	});
