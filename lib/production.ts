import { isIP } from "node:net";
import type { Config } from "./config.ts";
import { lackingIn } from "./engine-urls.ts";

/** What is safe on a laptop and not on the internet. Each mistake says its variable and what to do. */

const TEST_ONLY = ["FAILPOINTS", "CLOCK_SHIFT_MS", "RESERVATION_TTL_MS"];
const ENGINES = ["NATS_URL", "MONGODB_URI", "REDIS_URL", "SMTP_URL"] as const;
/** A range that is wider says nothing about who is in it. */
const MIN_BITS = { 4: 8, 6: 7 } as const;

/** @param given a variable as it was given, if it was */
export function mistakesInProduction(config: Config, given: (name: string) => string | undefined): string[] {
	return [
		...secretMistakes(config),
		...limitMistakes(config, given),
		...engineMistakes(config, given),
		...reachMistakes(config, given),
	];
}

function secretMistakes({ secret, testPaymentWebhookSecret, admin }: Config): string[] {
	const mistakes: string[] = [];
	const needed = "at least 32 random bytes, for example `openssl rand -base64 48`";
	if (secret === undefined) mistakes.push(`STOA_SECRET is needed in production: ${needed}`);
	else if (isGuessable(secret)) mistakes.push(`STOA_SECRET is one that can be guessed: ${needed}`);
	if (testPaymentWebhookSecret !== undefined && isGuessable(testPaymentWebhookSecret))
		mistakes.push(`TEST_PAYMENT_WEBHOOK_SECRET is too weak for production: ${needed}`);
	if (admin && (isWellKnown(admin.password) || hasPattern(admin.password)))
		mistakes.push("STOA_ADMIN_PASSWORD is one that can be guessed: take a few unrelated words");
	return mistakes;
}

function limitMistakes({ rateLimit, authRateLimit, demoData }: Config, given: (name: string) => string | undefined) {
	const mistakes: string[] = [];
	if (rateLimit === 0) mistakes.push("RATE_LIMIT=0 (no limit) is refused in production");
	if (authRateLimit === 0) mistakes.push("AUTH_RATE_LIMIT=0 (no limit) is refused in production");
	if (demoData) mistakes.push("DEMO_DATA=1 is refused in production: nobody shall buy what is not there");
	const testOnly = TEST_ONLY.filter(name => given(name) !== undefined);
	return [...mistakes, ...testOnly.map(name => `${name} is for tests and refused in production`)];
}

function engineMistakes(config: Config, given: (name: string) => string | undefined): string[] {
	const missing = config.allowEmbedded ? [] : ENGINES.filter(name => given(name) === undefined);
	const mistakes = missing.map(
		name => `${name} is needed in production (or ALLOW_EMBEDDED=1 to accept the embedded engine)`,
	);
	if (config.allowPlaintextEngines) return mistakes;
	const databases = Object.entries(config.serviceMongodbUris).map(
		([service, url]) => [`${service.toUpperCase().replaceAll("-", "_")}_MONGODB_URI`, url] as const,
	);
	const urls = [...ENGINES.map(name => [name, given(name)] as const), ...databases];
	for (const [name, url] of urls) {
		const lacking = url === undefined ? "" : lackingIn(url);
		if (lacking)
			mistakes.push(
				`${name} has no ${lacking}, which production needs (or ALLOW_PLAINTEXT_ENGINES=1 in a network of its own)`,
			);
	}
	return mistakes;
}

function reachMistakes({ trustedProxies, corsOrigins }: Config, given: (name: string) => string | undefined): string[] {
	const publicUrl = given("PUBLIC_URL");
	const mistakes: string[] = [];
	if (publicUrl === undefined) mistakes.push("PUBLIC_URL is needed in production: links in mails lead there");
	else if (!publicUrl.startsWith("https://")) mistakes.push("PUBLIC_URL must be https in production");
	for (const range of trustedProxies.filter(isEverything))
		mistakes.push(`TRUSTED_PROXIES: ${range} trusts everybody, so clients could say they are anyone`);
	for (const origin of corsOrigins.filter(origin => !origin.startsWith("https://")))
		mistakes.push(`CORS_ORIGINS: ${origin} must be https in production`);
	return mistakes;
}

function isEverything(range: string): boolean {
	const [given = "", bits] = range.split("/");
	if (bits === undefined) return false;
	const host = isIP(given) === 6 ? new URL(`http://[${given}]`).hostname.slice(1, -1) : given;
	// All of IPv4 has a place in IPv6, which has many spellings.
	const isMapped = host.startsWith("::ffff:");
	if (isMapped) return Number(bits) < 96 + MIN_BITS[4];
	return Number(bits) < (isIP(host) === 6 ? MIN_BITS[6] : MIN_BITS[4]);
}

/** What stands in examples, tutorials and lists of leaked ones. */
const WELL_KNOWN =
	/change[-_ ]?(?:me|this|it)|secret|pass(?:word|phrase|wort)|example|default|placeholder|insecure|development|keyboard[-_ ]?cat|qwerty|letmein|your[-_ ]|replace[-_ ]|test[-_ ]?test|deadbeef|hunter2|admin/i;
const MIN_SECRET_BYTES = 32;

const isWellKnown = (text: string): boolean => WELL_KNOWN.test(text);

/** Whether a text repeats a part of itself, or goes on as the alphabet or the digits do, for most of its length. */
function hasPattern(text: string): boolean {
	for (let period = 1; period <= text.length / 2; period++) {
		if (text.slice(period) === text.slice(0, -period)) return true;
	}
	let steps = 0;
	for (let i = 1; i < text.length; i++) if (Math.abs(text.charCodeAt(i) - text.charCodeAt(i - 1)) <= 1) steps++;
	return steps > text.length / 2;
}

const isGuessable = (secret: string): boolean =>
	Buffer.byteLength(secret) < MIN_SECRET_BYTES ||
	new Set(secret).size < 10 ||
	isWellKnown(secret) ||
	hasPattern(secret);
