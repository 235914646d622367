import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Config, type ConfigError, describeConfig, loadConfig } from "../../lib/config.ts";
import { natsOptions } from "../../lib/nats-url.ts";
import { startNode } from "../../node.ts";

const SECRET = "kB7f2Qz9XyT4mW8sLpR1vN6cJ3hD5gA0";
const PRODUCTION = { NODE_ENV: "production", STOA_SECRET: SECRET, PUBLIC_URL: "https://shop.example" };
const WHOLE = {
	...PRODUCTION,
	NATS_URL: "tls://stoa:pw@nats:4222",
	MONGODB_URI: "mongodb://stoa:pw@db:27017/?tls=true",
	REDIS_URL: "rediss://:pw@redis:6379",
	SMTP_URL: "smtps://stoa:pw@mail:465",
};
const mistakesOf = (env: Record<string, string>): readonly string[] => {
	try {
		loadConfig(env);
		return [];
	} catch (error) {
		// A class of its own realm under Jest: its name tells.
		expect((error as Error).name).toBe("ConfigError");
		return (error as ConfigError).mistakes;
	}
};

describe("Settings", () => {
	it("takes origins as browsers' address lines have them", () => {
		const { corsOrigins } = loadConfig({ CORS_ORIGINS: "https://shop.example/,http://localhost:5173" });
		expect(corsOrigins).toEqual(["https://shop.example", "http://localhost:5173"]);
		expect(() => loadConfig({ CORS_ORIGINS: "https://shop.example//" })).toThrow("CORS_ORIGINS");
	});

	it("need nothing to start a shop on this machine", () => {
		const config: Config = loadConfig({});
		expect(config).toMatchObject({
			port: 3000,
			isProduction: false,
			rateLimit: 300,
			authRateLimit: 10,
			demoData: true,
			shopCurrency: "EUR",
		});
		expect(loadConfig({ SHOP_CURRENCY: "JPY" }).shopCurrency).toBe("JPY");
		expect(config.mongodbUri).toBeUndefined();
		expect(config.services).toBeUndefined();
	});

	it("are all wrong at once where they are, each by its name, and no secret is told", () => {
		const mistakes = mistakesOf({
			PORT: "http",
			NATS_URL: "http://nats",
			CORS_ORIGINS: "https://shop.example/path",
			TRUSTED_PROXIES: "10.0.0.0/99",
			LOG_LEVEL: "loud",
			STOA_SECRET: "hunter2hunter2",
			STOA_ADMIN_PASSWORD: "hunter2",
			RATE_LIMIT: "-1",
			SHOP_CURRENCY: "HRK",
			FAILPOINTS: "orders.place.dance:before",
		});
		const names = [
			"PORT",
			"NATS_URL",
			"CORS_ORIGINS",
			"TRUSTED_PROXIES",
			"LOG_LEVEL",
			"STOA_SECRET",
			"STOA_ADMIN_EMAIL",
			"STOA_ADMIN_PASSWORD",
			"RATE_LIMIT",
			"SHOP_CURRENCY",
			"FAILPOINTS",
		];
		for (const name of names) expect(mistakes.filter(mistake => mistake.includes(name)).length).toBeGreaterThan(0);
		expect(mistakes.join()).not.toContain("hunter2");
	});

	it("refuse in production what is safe on a laptop only", () => {
		const mistakes = mistakesOf({
			NODE_ENV: "production",
			RATE_LIMIT: "0",
			AUTH_RATE_LIMIT: "0",
			FAILPOINTS: "api.answer:before",
			CLOCK_SHIFT_MS: "5",
			RESERVATION_TTL_MS: "1000",
		});
		for (const name of [
			"STOA_SECRET",
			"RATE_LIMIT",
			"AUTH_RATE_LIMIT",
			"FAILPOINTS",
			"CLOCK_SHIFT_MS",
			"RESERVATION_TTL_MS",
			"NATS_URL",
			"MONGODB_URI",
			"REDIS_URL",
			"SMTP_URL",
		]) {
			expect(mistakes.filter(mistake => mistake.startsWith(name)).length).toBeGreaterThan(0);
		}
		expect(mistakesOf({ ...PRODUCTION, ALLOW_EMBEDDED: "1" })).toEqual([]);
		expect(mistakesOf(WHOLE)).toEqual([]);
	});

	it.each([
		["NODE_ENV", { NODE_ENV: "prod" }],
		["NODE_ENV", { NODE_ENV: "Production" }],
		["STOA_SECRET", { STOA_SECRET: "a".repeat(40) }],
		["STOA_SECRET", { STOA_SECRET: "abcdefghijklmnopqrstuvwxyz0123456789" }],
		["STOA_SECRET", { STOA_SECRET: "kB7f2Qz9XyT4kB7f2Qz9XyT4kB7f2Qz9XyT4" }],
		["STOA_SECRET", { STOA_SECRET: "please-changeme-8f3k2Lq0vZ7xW1nB5mR9" }],
		["STOA_SECRET", { STOA_SECRET: "the secret of every node that a test starts" }],
		["TEST_PAYMENT_WEBHOOK_SECRET", { TEST_PAYMENT_WEBHOOK_SECRET: "whsec" }],
		["STOA_ADMIN_PASSWORD", { STOA_ADMIN_EMAIL: "a@shop.test", STOA_ADMIN_PASSWORD: "changeme1234" }],
		["NATS_URL", { NATS_URL: "nats://nats:4222" }],
		["NATS_URL", { NATS_URL: "nats://user:pw@nats:4222" }],
		["NATS_URL", { NATS_URL: "tls://nats:4222" }],
		["REDIS_URL", { REDIS_URL: "rediss://redis:6379" }],
		["REDIS_URL", { REDIS_URL: "redis://:pw@redis:6379" }],
		["MONGODB_URI", { MONGODB_URI: "mongodb://user:pw@db:27017" }],
		["MONGODB_URI", { MONGODB_URI: "mongodb://db:27017/?tls=true" }],
		["MONGODB_URI", { MONGODB_URI: "mongodb://user:pw@db:27017/?tls=true&tlsInsecure=true" }],
		["MONGODB_URI", { MONGODB_URI: "mongodb+srv://user:pw@db.test/?tls=false" }],
		["TEST_PAYMENTS_MONGODB_URI", { TEST_PAYMENTS_MONGODB_URI: "mongodb://db:27017" }],
		["SMTP_URL", { SMTP_URL: "smtp://user:pw@mail:587" }],
		// What a driver does not read, reads otherwise, or takes as "do not look who it is".
		["NATS_URL", { NATS_URL: "nats://user:pw@nats:4222?tls=true" }],
		["NATS_URL", { NATS_URL: "tls://user:pw@nats:4222,nats://other:4222" }],
		["REDIS_URL", { REDIS_URL: "redis://:pw@redis:6379?ssl=true" }],
		["REDIS_URL", { REDIS_URL: "redis://:pw@redis:6379?tls=true" }],
		["REDIS_URL", { REDIS_URL: "rediss://:pw@redis:6379?tls=" }],
		["MONGODB_URI", { MONGODB_URI: "mongodb://user:pw@db:27017/?tls=TRUE" }],
		["MONGODB_URI", { MONGODB_URI: "mongodb://user:pw@db:27017/?requireTLS=true" }],
		["MONGODB_URI", { MONGODB_URI: "mongodb://user:pw@db:27017/?tls=true&tlsInsecur%65=true" }],
		["MONGODB_URI", { MONGODB_URI: "mongodb://user:pw@db:27017/?tls=true&rejectUnauthorized=false" }],
		["MONGODB_URI", { MONGODB_URI: "mongodb://user:pw@db:27017/?tls=true&checkServerIdentity=false" }],
		["MONGODB_URI", { MONGODB_URI: "mongodb://%2Frun%2Fmongod.sock,db:27017" }],
		["MONGODB_URI", { MONGODB_URI: "mongodb://%2Fuser:pw@db:27017" }],
		["SMTP_URL", { SMTP_URL: "smtp://user:pw@mail:587?tls=true" }],
		["SMTP_URL", { SMTP_URL: "smtp://user:pw@mail:587?ssl=true" }],
		["SMTP_URL", { SMTP_URL: "smtp://user:pw@mail:587?requiretls=true" }],
		["SMTP_URL", { SMTP_URL: "smtp://user:pw@mail:587?requireTLS=true&ignoreTLS=true" }],
		["SMTP_URL", { SMTP_URL: "smtps://user:pw@mail:465?tls.rejectUnauthorized=0" }],
		["TRUSTED_PROXIES", { TRUSTED_PROXIES: "10.0.0.0/8,0.0.0.0/0" }],
		["TRUSTED_PROXIES", { TRUSTED_PROXIES: "0.0.0.0/1,128.0.0.0/1" }],
		["TRUSTED_PROXIES", { TRUSTED_PROXIES: "::/0" }],
		["TRUSTED_PROXIES", { TRUSTED_PROXIES: "::ffff:0.0.0.0/96" }],
		["TRUSTED_PROXIES", { TRUSTED_PROXIES: "0:0:0:0:0:ffff:0:0/96" }],
		["STOA_ADMIN_PASSWORD", { STOA_ADMIN_EMAIL: "a@shop.test", STOA_ADMIN_PASSWORD: "iloveyou1234" }],
		["PUBLIC_URL", { PUBLIC_URL: "" }],
		["PUBLIC_URL", { PUBLIC_URL: "https://shop example" }],
		["PUBLIC_URL", { PUBLIC_URL: "https://shop.example/?from=mail" }],
		["PUBLIC_URL", { PUBLIC_URL: "https://shop.example/#/" }],
		["PUBLIC_URL", { PUBLIC_URL: "https://user:pw@shop.example" }],
		["PUBLIC_URL", { PUBLIC_URL: "http://shop.example" }],
		["CORS_ORIGINS", { CORS_ORIGINS: "https://shop.example,http://shop.example" }],
		["DEMO_DATA", { DEMO_DATA: "1" }],
	])("refuse in production %s as in %j", (name, changes) => {
		const mistakes = mistakesOf({ ...WHOLE, ...changes });
		expect(mistakes.length).toBeGreaterThan(0);
		for (const mistake of mistakes) expect(mistake).toContain(name);
	});

	it.each<Record<string, string>>([
		{ NATS_URL: "tls://a-token@nats:4222" },
		{ MONGODB_URI: "mongodb+srv://user:pw@db.test" },
		{ MONGODB_URI: "mongodb://%2Frun%2Fmongod.sock" },
		{ SMTP_URL: "smtp://user:pw@mail:587?requireTLS=true" },
		{ SMTP_URL: "smtps://user:pw@mail:465?tls.servername=mail.example" },
		{ MONGODB_URI: "mongodb://user:pw@a:27017,b:27017/?TLS=true&tlsCAFile=%2Fca.pem&replicaSet=rs0" },
		{ MONGODB_URI: "mongodb://db/?tls=true&authMechanism=MONGODB-X509&tlsCertificateKeyFile=%2Fkey.pem" },
		{ TRUSTED_PROXIES: "10.0.0.0/8,fd00::/8" },
		{ ALLOW_PLAINTEXT_ENGINES: "1", NATS_URL: "nats://nats:4222", REDIS_URL: "redis://redis:6379" },
	])("accept in production %j", changes => expect(mistakesOf({ ...WHOLE, ...changes })).toEqual([]));

	it("come from files where the environment names them", () => {
		const dir = mkdtempSync(join(tmpdir(), "stoa-config-"));
		const file = (name: string, content: string) => {
			writeFileSync(join(dir, name), content);
			return join(dir, name);
		};
		try {
			const config = loadConfig({
				STOA_SECRET_FILE: file("secret", `${SECRET}\n`),
				MONGODB_URI_FILE: file("db", "mongodb://user:pa55word@db:27017"),
				ORDERS_MONGODB_URI_FILE: file("orders", "mongodb://user:pa55word@orders:27017"),
				STOA_ADMIN_EMAIL: "a@shop.test",
				STOA_ADMIN_PASSWORD_FILE: file("admin", "twelve characters\n"),
			});
			expect([config.secret, config.mongodbUri]).toEqual([SECRET, "mongodb://user:pa55word@db:27017"]);
			expect(config.serviceMongodbUris).toEqual({ orders: "mongodb://user:pa55word@orders:27017" });
			expect(config.admin?.password).toBe("twelve characters");
			expect(mistakesOf({ STOA_SECRET_FILE: join(dir, "nothing"), REDIS_URL_FILE: file("empty", " \n") })).toEqual([
				expect.stringContaining("STOA_SECRET_FILE"),
				expect.stringContaining("REDIS_URL_FILE"),
			]);
			const both = mistakesOf({ STOA_SECRET: SECRET, STOA_SECRET_FILE: join(dir, "secret") });
			expect(both).toEqual([expect.stringContaining("STOA_SECRET_FILE")]);
			expect(mistakesOf({ STOA_SECRET_FILE: file("weak", "hunter2") }).join()).not.toContain("hunter2");
		} finally {
			rmSync(dir, { recursive: true });
		}
	});

	it("have one spelling of where the shop is, which links can go on from", () => {
		expect(loadConfig({ PUBLIC_URL: "https://Shop.example:443/" }).publicUrl).toBe("https://shop.example");
		expect(loadConfig({ PUBLIC_URL: "http://localhost:8080/stoa//" }).publicUrl).toBe("http://localhost:8080/stoa");
	});

	it("refuse a URL whose password ends it early, and do not tell it", () => {
		const mistakes = mistakesOf({ SMTP_URL: "smtps://apikey:hunter2/hunter2@mail.example" });
		expect(mistakes).toEqual([expect.stringMatching(/^SMTP_URL .*%XX/)]);
		expect(mistakes.join()).not.toContain("hunter2");
	});

	it("refuse a first admin whom the password policy would refuse later", () => {
		const admin = { STOA_ADMIN_EMAIL: "the.owner@shop.test" };
		for (const password of ["P@ssw0rd1234", "🦀🐙🦑🐡🐠🐟", "the.owner@shop.test"])
			expect(mistakesOf({ ...admin, STOA_ADMIN_PASSWORD: password })).toEqual([
				expect.stringMatching(/^STOA_ADMIN_PASSWORD /),
			]);
		expect(mistakesOf({ ...admin, STOA_ADMIN_PASSWORD: "violet tram walks north" })).toEqual([]);
	});

	it("refuse engines that this version does not have, instead of ignoring them", () => {
		const mistakes = mistakesOf({
			ELASTICSEARCH_URL: "http://127.0.0.1:9200",
			STRIPE_SECRET_KEY: "sk_test_x",
			S3_BUCKET: "b",
		});
		expect(mistakes).toHaveLength(3);
	});

	it("refuse a node of a cluster that would keep a database or a secret of its own", () => {
		const mistakes = mistakesOf({ NATS_URL: "nats://127.0.0.1:4222", SERVICES: "orders" });
		expect(mistakes).toEqual([expect.stringContaining("MONGODB_URI"), expect.stringContaining("STOA_SECRET")]);
	});

	it("name the database of a single service", () => {
		const { serviceMongodbUris } = loadConfig({
			ORDERS_MONGODB_URI: "mongodb://a:1",
			TEST_PAYMENTS_MONGODB_URI: "mongodb://b:1",
		});
		expect(serviceMongodbUris).toEqual({ orders: "mongodb://a:1", "test-payments": "mongodb://b:1" });
	});

	it("is not started with the database of a service that there is not", async () => {
		const config = loadConfig({ ORDRES_MONGODB_URI: "mongodb://a:1", DATA_DIR: "/nowhere" });
		await expect(startNode(config)).rejects.toThrow("ORDRES_MONGODB_URI names no service");
	});

	it("have the test provider, whose tokens buy for nothing, in production only by its own switch", () => {
		expect(loadConfig({}).testPayments).toBe(true);
		expect(loadConfig({ TEST_PAYMENTS: "0" }).testPayments).toBe(false);
		expect(loadConfig(WHOLE).testPayments).toBe(false);
		expect(loadConfig({ ...PRODUCTION, ALLOW_EMBEDDED: "1" }).testPayments).toBe(false);
		expect(loadConfig({ ...WHOLE, TEST_PAYMENTS: "1" }).testPayments).toBe(true);
	});

	it("say how NATS is reached, since its client reads no credentials from a URL", () => {
		const always = { ignoreAuthErrorAbort: true };
		expect(natsOptions("nats://127.0.0.1:4222")).toEqual({ ...always, servers: ["127.0.0.1:4222"] });
		const login = { user: "stoa", pass: "p@ss" };
		expect(natsOptions("nats://stoa:p%40ss@nats:4222")).toEqual({ ...always, servers: ["nats:4222"], ...login });
		const token = { token: "a-token", tls: {} };
		expect(natsOptions("tls://a-token@nats:4222")).toEqual({ ...always, servers: ["nats:4222"], ...token });
	});

	it("are shown with every secret masked", () => {
		const shown = JSON.stringify(
			describeConfig(
				loadConfig({
					STOA_SECRET: SECRET,
					MONGODB_URI: "mongodb://user:pa55word@db:27017",
					SMTP_URL: "smtp://me:pa55word@mail:25",
					STOA_ADMIN_EMAIL: "a@b.test",
					STOA_ADMIN_PASSWORD: "pa55word and more",
				}),
			),
		);
		expect(shown).not.toContain("pa55word");
		expect(shown).not.toContain(SECRET);
		expect(shown).toContain("mongodb://***@db:27017");
	});
});
