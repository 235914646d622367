import { parseEmail } from "../../../lib/email.ts";
import { DomainError } from "../../../lib/errors.ts";
import { passwordProblem } from "../../../lib/password-policy.ts";

/** One address, one spelling. @throws VALIDATION_ERROR for what is not one plain address */
export function normaliseEmail(email: string): string {
	const address = parseEmail(email);
	if (address !== undefined) return address;
	throw new DomainError("VALIDATION_ERROR", "The e-mail address is not accepted", {
		errors: [{ field: "email", code: "email", message: "must be one plain e-mail address" }],
	});
}

/** @throws VALIDATION_ERROR that says what is wrong */
export function checkPassword(password: string, email: string): void {
	const problem = passwordProblem(password, email);
	if (!problem) return;
	throw new DomainError("VALIDATION_ERROR", "The password is not accepted", {
		errors: [{ field: "password", ...problem }],
	});
}
