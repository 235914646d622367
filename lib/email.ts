import { domainToASCII } from "node:url";

const MAX_LENGTH = 254;
const MAX_LOCAL_LENGTH = 64;
/**
 * Atoms and dots. What stands for routes (`%`, `!`), quotes, comments, groups and lists is left out on purpose: some
 * mail server reads more than one recipient in it.
 */
const LOCAL = /^[a-z0-9_+&'*/=?^{}~#$-]+(?:\.[a-z0-9_+&'*/=?^{}~#$-]+)*$/;
/** What may become a domain: letters of any script, digits, hyphens and dots. Everything else would end it early. */
const DOMAIN_BEFORE_IDNA = /^[\p{L}\p{M}\p{N}.-]+$/u;
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * One plain address in its one spelling: compatibility forms and case make no difference, and a domain of another
 * script is written as mail servers write it. Normalises first and judges the result, since what looks harmless before
 * may be a list of recipients after.
 * @returns undefined for everything that is not exactly one address
 */
export function parseEmail(text: string): string | undefined {
	// Normalising grows a text: nothing that is much too long is worth the work.
	if (text.length > 2 * MAX_LENGTH) return undefined;
	const address = text.normalize("NFKC").trim().toLowerCase();
	const at = address.indexOf("@");
	const local = address.slice(0, Math.max(at, 0));
	const unicode = address.slice(at + 1).replaceAll("\u3002", ".");
	if (local.length > MAX_LOCAL_LENGTH || !LOCAL.test(local) || !DOMAIN_BEFORE_IDNA.test(unicode)) return undefined;
	const domain = domainToASCII(unicode);
	const labels = domain.split(".");
	const isDomain = labels.length > 1 && labels.every(label => LABEL.test(label)) && !/^\d+$/.test(labels.at(-1) ?? "");
	const whole = `${local}@${domain}`;
	return isDomain && whole.length <= MAX_LENGTH ? whole : undefined;
}

/**
 * Whose mailbox an address leads to, as nearly every server has it: what follows a plus is a note of its owner's. The
 * largest one, which has two names, does not mind dots either.
 */
export function mailboxOf(address: string): string {
	const [local = "", domain = ""] = address.split("@");
	const name = local.split("+", 1)[0] ?? "";
	return /^(?:gmail|googlemail)\.com$/.test(domain) ? `${name.replaceAll(".", "")}@gmail.com` : `${name}@${domain}`;
}

export interface Mailbox {
	name: string;
	address: string;
}

/** `Shop <shop@example.com>` or the bare address, as a setting writes it; undefined for anything else. */
export function parseMailbox(text: string): Mailbox | undefined {
	const open = text.indexOf("<");
	if (open < 0) {
		const address = parseEmail(text);
		return address === undefined ? undefined : { name: "", address };
	}
	const name = text.slice(0, open).trim().replaceAll('"', "");
	const address = text.endsWith(">") ? parseEmail(text.slice(open + 1, -1)) : undefined;
	return address === undefined || !isOneLine(name) ? undefined : { name, address };
}

const NOT_ONE_LINE = /[\p{Cc}\p{Cs}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

/** Whether a text is what it looks like, in one line: no control, line-break or direction characters, no half ones. */
export const isOneLine = (text: string): boolean => !NOT_ONE_LINE.test(text);
