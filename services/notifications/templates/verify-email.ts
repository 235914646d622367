import { escapeHtml } from "../../../lib/html.ts";
import { button, layout, type Rendered } from "./template.ts";

export interface VerifyEmail {
	/** Opens the page that verifies the address. */
	url: string;
	token: string;
}

/**
 * Asks the owner of an address to verify it. Nothing that whoever registered has written is in it: it may be a stranger,
 * who would have the shop send words of theirs to anybody.
 */
export function verifyEmail({ url, token }: VerifyEmail): Rendered {
	const subject = "Please verify your e-mail address";
	const hello = "Hello,";
	const why =
		"someone, hopefully you, asked for an account with this address. Verify it within 24 hours, with the password that was chosen then:";
	const otherwise =
		"If it was not you, do nothing: without this step there is no account. If you did not choose a password either, register again with one of your own.";
	return {
		subject,
		text: `${hello}\n\n${why}\n\n${url}\n\nFor clients of the API, the token is: ${token}\n\n${otherwise}\n`,
		html: layout(
			subject,
			`<p>${hello}</p><p>${why}</p>${button(url, "Verify my address")}<p>${otherwise}</p>` +
				`<p style="color:#666;font-size:.85rem">For clients of the API, the token is <code>${escapeHtml(token)}</code></p>`,
		),
	};
}
