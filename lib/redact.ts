/**
 * What no line for operators needs and whoever reads it could use: addresses of people, and ids and tokens that are keys
 * to what they name. Texts of errors hold them, whoever wrote those: a database quotes the value that was there already.
 */

/** Made by `newKey`: ten characters of time stay, which tell two of them apart. */
const KEYS = /\b([a-z]{3}_[0-9A-Z]{10})[0-9A-Z]{26}\b/g;
/** The random part of refresh tokens, and the tags of all that this shop signs. */
const TAGS = /(?<![\w-])[\w-]{43}(?![\w-])/g;
const JWTS = /\beyJ[\w-]{1,2000}\.[\w-]{1,4000}\.[\w-]{1,500}/g;
const ADDRESSES = /[\w.+'&*=?^{}~#$%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+/g;
/** What is longer is not worth the work. */
const MAX_LENGTH = 16_384;

/** A text with every address, key and token in it left out. */
export function withoutKeys(text: string): string {
	const short = text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}…` : text;
	return short.replace(JWTS, "[token]").replace(KEYS, "$1…").replace(TAGS, "[token]").replace(ADDRESSES, "[address]");
}
