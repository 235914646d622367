import { isCommon } from "./common-passwords.ts";

const MIN_CHARACTERS = 12;
const MAX_CHARACTERS = 128;

/**
 * A password as it is hashed: any Unicode, in NFKC, so that the same keys on another keyboard or system give the same
 * password. Spaces count, and nothing is trimmed.
 */
export const normalisePassword = (password: string): string => password.normalize("NFKC");

/** What is wrong with a normalised password, if anything; characters are counted as people see code points, not bytes. */
export function passwordProblem(password: string, email: string): { code: string; message: string } | undefined {
	// Half characters all have the same bytes, so that other passwords would open the account as well.
	if (!password.isWellFormed()) return { code: "not_text", message: "has characters that are not whole" };
	const length = [...password].length;
	if (length < MIN_CHARACTERS) return { code: "too_short", message: `needs at least ${MIN_CHARACTERS} characters` };
	if (length > MAX_CHARACTERS) return { code: "too_long", message: `may have at most ${MAX_CHARACTERS} characters` };
	if (!isCommon(password) && password.toLowerCase() !== email) return undefined;
	return {
		code: "too_common",
		message: "is one of those that are guessed first; a few unrelated words make a good one",
	};
}
