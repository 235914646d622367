import { isIP } from "node:net";
import { hostname } from "node:os";
import { resolve } from "node:path";
import { DEFAULT_CURRENCY } from "./currencies.ts";
import { type Mailbox, parseEmail, parseMailbox } from "./email.ts";
import { type Failpoint, parseFailpoints } from "./failpoints.ts";
import { isCurrency } from "./money.ts";
import { normalisePassword, passwordProblem } from "./password-policy.ts";
import { mistakesInProduction } from "./production.ts";
import { withSecretFiles } from "./secret-files.ts";

/**
 * Every setting of a node, read once from the environment. Nothing else reads `process.env`. `loadConfig` lists all
 * mistakes together, each with its variable's name and what to do; secrets never appear in a message or a dump.
 */
export interface Config {
	isProduction: boolean;
	port: number;
	opsPort: number;
	dataDir: string;
	/** The services this node runs; undefined means all. */
	services: readonly string[] | undefined;
	nodeId: string;
	natsUrl: string | undefined;
	/** Undefined: this process starts the embedded database. */
	mongodbUri: string | undefined;
	/** Databases of single services that live elsewhere, by service name. */
	serviceMongodbUris: Readonly<Record<string, string>>;
	redisUrl: string | undefined;
	smtpUrl: string | undefined;
	admin: { email: string; password: string } | undefined;
	trustedProxies: readonly string[];
	corsOrigins: readonly string[];
	/** Requests a minute; 0 means no limit. */
	rateLimit: number;
	authRateLimit: number;
	/** Connections one client may hold while they are idle; 0 means no bound. */
	connectionsPerAddress: number;
	logLevel: LogLevel;
	/** Where clients reach the gateway: links in mails, the test provider's webhooks. */
	publicUrl: string;
	mailFrom: Mailbox;
	/** Where the development mailbox listens, on loopback only. */
	mailboxPort: number;
	/** Encrypts keys and secrets at rest. Undefined outside production: generated into `dataDir`. */
	secret: string | undefined;
	allowEmbedded: boolean;
	/** Lets production talk to engines without credentials or TLS, in a network of its own. */
	allowPlaintextEngines: boolean;
	/** Whether there is the test payment provider, whose tokens buy for nothing. */
	testPayments: boolean;
	testPaymentWebhookSecret: string | undefined;
	/** What prices are in where nobody says it: filters and sorts of lists, new carts. */
	shopCurrency: string;
	/** How long an order waits for a payment that settles later. */
	awaitingPaymentDays: number;
	/** Whether a start with an empty catalogue loads the demo shop. */
	demoData: boolean;
	/** Test-only, refused in production. */
	failpoints: readonly Failpoint[];
	clockShiftMs: number;
	reservationTtlMs: number;
}

const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export class ConfigError extends Error {
	readonly mistakes: readonly string[];

	constructor(mistakes: readonly string[]) {
		super(`Stoa cannot start with these settings:\n${mistakes.map(mistake => `  - ${mistake}`).join("\n")}`);
		this.name = "ConfigError";
		this.mistakes = mistakes;
	}
}

type Env = Readonly<Record<string, string | undefined>>;

/** Settings of engines that this version does not have: better refused than silently ignored. */
const NOT_YET = ["ELASTICSEARCH_URL", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const ENVIRONMENTS = ["production", "development", "test"];
const MIN_SECRET_BYTES = 32;

/** Collects mistakes while it reads, so that all of them are told at once. */
class Reader {
	readonly mistakes: string[];
	readonly #env: Env;

	constructor(env: Env, mistakes: string[]) {
		this.#env = env;
		this.mistakes = mistakes;
	}

	/** Unset and empty mean the same. */
	text(name: string): string | undefined {
		return this.#env[name]?.trim() || undefined;
	}

	integer(name: string, fallback: number, min: number, max: number): number {
		const text = this.text(name);
		if (text === undefined) return fallback;
		const value = Number(text);
		if (/^-?\d+$/.test(text) && value >= min && value <= max) return value;
		this.mistakes.push(`${name} must be a whole number from ${min} to ${max}`);
		return fallback;
	}

	flag(name: string, fallback: boolean): boolean {
		const text = this.text(name);
		if (text === undefined) return fallback;
		if (text === "1" || text === "true") return true;
		if (text === "0" || text === "false") return false;
		this.mistakes.push(`${name} must be 1 or 0`);
		return fallback;
	}

	url(name: string, protocols: readonly string[]): string | undefined {
		const text = this.text(name);
		if (text === undefined) return undefined;
		// A Unix socket in a MongoDB URI has no host that `URL` would accept; the scheme is all there is to check.
		const scheme = /^([a-z][a-z0-9+.-]*):\/\//.exec(text)?.[1];
		if (scheme && protocols.includes(scheme) && text.length > scheme.length + 3) {
			if (scheme.startsWith("mongodb") || URL.canParse(text)) return text;
			this.mistakes.push(`${name} is not a URL: one server; in user and password, all but letters and digits as %XX`);
			return undefined;
		}
		this.mistakes.push(`${name} must be a URL that starts with ${protocols.map(p => `${p}://`).join(" or ")}`);
		return undefined;
	}

	list(name: string): string[] {
		return (this.text(name) ?? "")
			.split(",")
			.map(item => item.trim())
			.filter(Boolean);
	}
}

export function loadConfig(environment: Env): Config {
	const mistakes: string[] = [];
	const env = withSecretFiles(environment, mistakes);
	const read = new Reader(env, mistakes);
	const isProduction = readEnvironment(read, "NODE_ENV") === "production";
	const port = read.integer("PORT", 3000, 0, 65_535);
	const config: Config = {
		isProduction,
		port,
		opsPort: read.integer("OPS_PORT", 3030, 0, 65_535),
		dataDir: resolve(read.text("DATA_DIR") ?? "./data"),
		services: read.text("SERVICES") ? read.list("SERVICES") : undefined,
		nodeId: read.text("NODE_ID") ?? `${hostname()}-${process.pid}`,
		natsUrl: read.url("NATS_URL", ["nats", "tls"]),
		mongodbUri: read.url("MONGODB_URI", ["mongodb", "mongodb+srv"]),
		serviceMongodbUris: readServiceUris(read, env),
		redisUrl: read.url("REDIS_URL", ["redis", "rediss"]),
		smtpUrl: read.url("SMTP_URL", ["smtp", "smtps"]),
		admin: readAdmin(read),
		trustedProxies: readAddresses(read, "TRUSTED_PROXIES"),
		corsOrigins: readOrigins(read, "CORS_ORIGINS"),
		rateLimit: read.integer("RATE_LIMIT", 300, 0, 1_000_000),
		authRateLimit: read.integer("AUTH_RATE_LIMIT", 10, 0, 1_000_000),
		connectionsPerAddress: read.integer("CONNECTIONS_PER_ADDRESS", 500, 0, 1_000_000),
		logLevel: readLogLevel(read),
		publicUrl: readPublicUrl(read, "PUBLIC_URL") ?? `http://localhost:${port}`,
		mailFrom: readMailbox(read, "MAIL_FROM", { name: "Stoa", address: "shop@stoa.localhost" }),
		mailboxPort: read.integer("MAILBOX_PORT", 8025, 0, 65_535),
		secret: readSecret(read, "STOA_SECRET"),
		allowEmbedded: read.flag("ALLOW_EMBEDDED", false),
		allowPlaintextEngines: read.flag("ALLOW_PLAINTEXT_ENGINES", false),
		testPayments: read.flag("TEST_PAYMENTS", !isProduction),
		testPaymentWebhookSecret: read.text("TEST_PAYMENT_WEBHOOK_SECRET"),
		shopCurrency: readCurrency(read, "SHOP_CURRENCY", DEFAULT_CURRENCY),
		awaitingPaymentDays: read.integer("AWAITING_PAYMENT_DAYS", 7, 1, 60),
		demoData: read.flag("DEMO_DATA", !isProduction),
		failpoints: readFailpoints(read),
		clockShiftMs: read.integer("CLOCK_SHIFT_MS", 0, -86_400_000, 86_400_000),
		reservationTtlMs: read.integer("RESERVATION_TTL_MS", 900_000, 100, 900_000),
	};
	checkTopology(read, config);
	for (const name of NOT_YET)
		if (read.text(name)) read.mistakes.push(`${name} is set, but this version has no such engine: unset it`);
	for (const name of Object.keys(env)) {
		if (name.startsWith("S3_") && read.text(name))
			read.mistakes.push(`${name} is set, but this version has no such engine: unset it`);
	}
	if (isProduction) read.mistakes.push(...mistakesInProduction(config, name => read.text(name)));
	if (read.mistakes.length > 0) throw new ConfigError(read.mistakes);
	return Object.freeze(config);
}

/** The configuration for people: every value, secrets and passwords inside URLs masked. */
export function describeConfig(config: Config): Record<string, unknown> {
	const maskUrl = (url: string | undefined) => url?.replace(/\/\/[^@/]*@/, "//***@");
	return {
		...config,
		natsUrl: maskUrl(config.natsUrl),
		mongodbUri: maskUrl(config.mongodbUri),
		redisUrl: maskUrl(config.redisUrl),
		smtpUrl: maskUrl(config.smtpUrl),
		serviceMongodbUris: Object.fromEntries(Object.entries(config.serviceMongodbUris).map(([k, v]) => [k, maskUrl(v)])),
		admin: config.admin && { email: config.admin.email, password: "***" },
		secret: config.secret && "***",
		testPaymentWebhookSecret: config.testPaymentWebhookSecret && "***",
	};
}

/** A node that runs a part of the shop needs what the other parts use too. */
function checkTopology(read: Reader, config: Config): void {
	if (config.natsUrl && !config.mongodbUri) {
		read.mistakes.push(
			"MONGODB_URI is needed beside NATS_URL: the nodes of a cluster share a database (`npm run cluster` starts one)",
		);
	}
	if (config.natsUrl && !config.secret) {
		read.mistakes.push("STOA_SECRET is needed beside NATS_URL: the nodes of a cluster share one");
	}
}

const isWeak = (secret: string): boolean => Buffer.byteLength(secret) < MIN_SECRET_BYTES || new Set(secret).size < 10;

function readSecret(read: Reader, name: string): string | undefined {
	const secret = read.text(name);
	if (secret !== undefined && isWeak(secret)) {
		read.mistakes.push(
			`${name} is too weak: at least ${MIN_SECRET_BYTES} random bytes, for example \`openssl rand -base64 48\``,
		);
	}
	return secret;
}

function readAdmin(read: Reader): Config["admin"] {
	const email = read.text("STOA_ADMIN_EMAIL");
	const password = read.text("STOA_ADMIN_PASSWORD");
	if (!email && !password) return undefined;
	if (!email) read.mistakes.push("STOA_ADMIN_EMAIL is needed beside STOA_ADMIN_PASSWORD");
	if (!password) read.mistakes.push("STOA_ADMIN_PASSWORD is needed beside STOA_ADMIN_EMAIL");
	const address = email && parseEmail(email);
	if (email && address === undefined) read.mistakes.push("STOA_ADMIN_EMAIL must be an e-mail address");
	// The policy of every account: a start that went on would have no admin, and only its log would tell.
	const problem = password && passwordProblem(normalisePassword(password), address ?? "");
	if (problem) read.mistakes.push(`STOA_ADMIN_PASSWORD ${problem.message}`);
	return email && password ? { email, password } : undefined;
}

/** What links begin with: anything behind the path, or in front of the host, would be in the middle of each of them. */
function readPublicUrl(read: Reader, name: string): string | undefined {
	const text = read.url(name, ["http", "https"]);
	if (text === undefined) return undefined;
	const url = URL.canParse(text) ? new URL(text) : undefined;
	if (url && `${url.username}${url.password}${url.search}${url.hash}` === "" && !/[?#]/.test(text))
		return url.href.replace(/(?<!\/)\/+$/, "");
	read.mistakes.push(`${name} must be a URL such as https://shop.example, with nothing but a path behind it`);
	return undefined;
}

/** A typo here would quietly be a laptop's shop on the internet. */
function readEnvironment(read: Reader, name: string): string | undefined {
	const environment = read.text(name);
	if (environment !== undefined && !ENVIRONMENTS.includes(environment))
		read.mistakes.push(`${name} must be one of ${ENVIRONMENTS.join(", ")}`);
	return environment;
}

function readMailbox(read: Reader, name: string, fallback: Mailbox): Mailbox {
	const text = read.text(name);
	const mailbox = text === undefined ? fallback : parseMailbox(text);
	if (!mailbox) read.mistakes.push(`${name} must be one address, such as Shop <shop@example.com>`);
	return mailbox ?? fallback;
}

function readAddresses(read: Reader, name: string): string[] {
	const addresses = read.list(name);
	for (const address of addresses) {
		const [host = "", bits] = address.split("/");
		const version = isIP(host);
		const isBitsValid = bits === undefined || (/^\d+$/.test(bits) && Number(bits) <= (version === 6 ? 128 : 32));
		if (version === 0 || !isBitsValid) read.mistakes.push(`${name}: ${address} is not an IP address or CIDR range`);
	}
	return addresses;
}

function readOrigins(read: Reader, name: string): string[] {
	// What one copies from a browser ends with a slash, which means the same.
	const origins = read
		.list(name)
		.map(text => (URL.canParse(text) && text === `${new URL(text).origin}/` ? text.slice(0, -1) : text));
	for (const origin of origins) {
		if (!URL.canParse(origin) || new URL(origin).origin !== origin) {
			read.mistakes.push(`${name}: ${origin} is not an exact origin such as https://shop.example`);
		}
	}
	return origins;
}

function readCurrency(read: Reader, name: string, fallback: string): string {
	const code = read.text(name) ?? fallback;
	if (!isCurrency(code)) read.mistakes.push(`${name} must be an ISO 4217 currency such as EUR`);
	return code;
}

function readLogLevel(read: Reader): LogLevel {
	const text = read.text("LOG_LEVEL") ?? "info";
	const level = LOG_LEVELS.find(known => known === text);
	if (!level) read.mistakes.push(`LOG_LEVEL must be one of ${LOG_LEVELS.join(", ")}`);
	return level ?? "info";
}

function readFailpoints(read: Reader): Failpoint[] {
	try {
		return parseFailpoints(read.text("FAILPOINTS") ?? "");
	} catch (error) {
		read.mistakes.push(`FAILPOINTS: ${error instanceof Error ? error.message : String(error)}`);
		return [];
	}
}

function readServiceUris(read: Reader, env: Env): Record<string, string> {
	const uris: Record<string, string> = {};
	for (const name of Object.keys(env)) {
		const service = /^([A-Z][A-Z_]*)_MONGODB_URI$/.exec(name)?.[1];
		const uri = service && read.url(name, ["mongodb", "mongodb+srv"]);
		if (service && uri) uris[service.toLowerCase().replaceAll("_", "-")] = uri;
	}
	return uris;
}
