import { Session } from "node:inspector/promises";
import { rawRequest, startGateway, type TestGateway } from "../support/gateway.ts";

const HEADERS = [
	"accept",
	"accept-encoding",
	"access-control-request-headers",
	"authorization",
	"content-encoding",
	"content-type",
	"cookie",
	"idempotency-key",
	"if-match",
	"if-none-match",
	"origin",
	"stoa-signature",
	"x-correlation-id",
	"x-forwarded-for",
	"x-order-token",
	"x-request-id",
];
const FILLERS = [" ", ",", ";", '"', "a,", "10.1.1.1,", ";q=", "Bearer ", '"1",', "=", "-"];
const [SHORT, LONG] = [3_000, 15_000];

describe("A header of 16 kB", () => {
	let gateway: TestGateway;
	const session = new Session();
	beforeAll(async () => {
		gateway = await startGateway({ TRUSTED_PROXIES: "127.0.0.0/8,10.0.0.0/8", CORS_ORIGINS: "https://shop.example" });
		session.connect();
		await session.post("Profiler.enable");
		await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
	}, 30_000);
	afterAll(async () => {
		session.disconnect();
		await gateway?.stop();
	});

	/** How often any block of the shop's own code ran since it was asked last: steps, not time. */
	const steps = async (): Promise<number> => {
		const { result } = await session.post("Profiler.takePreciseCoverage");
		return result
			.filter(({ url }) => /\/(?:lib|services\/api|middlewares)\//.test(url) && !url.includes("node_modules"))
			.flatMap(({ functions }) => functions.flatMap(({ ranges }) => ranges.map(({ count }) => count)))
			.reduce((sum, count) => sum + count, 0);
	};
	const work = async (header: string, filler: string, length: number): Promise<number> => {
		const value = `a${filler.repeat(Math.floor(length / filler.length))}b`;
		await steps();
		for (const [method, path] of [
			["GET", "/things"],
			["POST", "/things/1/pay"],
			["POST", "/hooks/test"],
		] as const) {
			const headers = { "content-type": "application/json", [header]: value };
			const body = method === "POST" ? "{}" : undefined;
			const { status } = await rawRequest(`${gateway.client.url}/api/v1${path}`, {
				method,
				headers,
				...(body ? { body } : {}),
			});
			expect([header, filler, status < 500]).toEqual([header, filler, true]);
		}
		return steps();
	};

	it.each(HEADERS)("costs steps in proportion to its length at most, whatever stands in it: %s", async header => {
		for (const filler of FILLERS) {
			const [short, long] = [await work(header, filler, SHORT), await work(header, filler, LONG)];
			expect(short).toBeGreaterThan(20);
			// Work that grew with the square would be 25 times as much.
			expect([header, filler, long <= short * (LONG / SHORT) + 500]).toEqual([header, filler, true]);
		}
	}, 60_000);

	it("is the most that is read at all", async () => {
		const headers = { "accept-encoding": "x".repeat(17_000) };
		expect((await rawRequest(`${gateway.client.url}/health/live`, { headers })).status).toBe(431);
	});
});
