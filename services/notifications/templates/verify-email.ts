import { escapeHtml } from "../../../lib/html.ts";
import { button, layout, type Rendered } from "./template.ts";

export interface VerifyEmail {
	name: string | null;
	/** Opens the page that verifies the address. */
	url: string;
	token: string;
}

/** Asks the owner of an address to verify it. */
export function verifyEmail({ name, url, token }: VerifyEmail): Rendered {
	const subject = "Please verify your e-mail address";
	const hello = name ? `Hello ${name},` : "Hello,";
	const why = "someone, hopefully you, opened an account with this address. Verify it within 24 hours to sign in:";
	const otherwise = "If it was not you, do nothing: without this step the account stays closed.";
	return {
		subject,
		text: `${hello}\n\n${why}\n\n${url}\n\nFor clients of the API, the token is: ${token}\n\n${otherwise}\n`,
		html: layout(
			subject,
			`<p>${escapeHtml(hello)}</p><p>${why}</p>${button(url, "Verify my address")}<p>${otherwise}</p>` +
				`<p style="color:#666;font-size:.85rem">For clients of the API, the token is <code>${escapeHtml(token)}</code></p>`,
		),
	};
}
