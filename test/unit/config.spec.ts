import { type Config, type ConfigError, describeConfig, loadConfig } from "../../lib/config.ts";
import { isTestProviderAllowed } from "../../services/payments/test-provider.ts";

const SECRET = "kB7f2Qz9XyT4mW8sLpR1vN6cJ3hD5gA0";
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
		expect(mistakesOf({ NODE_ENV: "production", ALLOW_EMBEDDED: "1", STOA_SECRET: SECRET })).toEqual([]);
		expect(mistakesOf({ NODE_ENV: "production", ALLOW_EMBEDDED: "1", STOA_SECRET: "a".repeat(40) })).toEqual([
			expect.stringContaining("STOA_SECRET"),
		]);
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

	it("keep the test provider, whose tokens buy for nothing, out of production", () => {
		expect(isTestProviderAllowed({ isProduction: true, allowEmbedded: false })).toBe(false);
		expect(isTestProviderAllowed({ isProduction: true, allowEmbedded: true })).toBe(true);
		expect(isTestProviderAllowed({ isProduction: false, allowEmbedded: false })).toBe(true);
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
