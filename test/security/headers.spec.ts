import type { rawRequest, TestGateway } from "../support/gateway.ts";
import { countSteps, type StepCounter } from "../support/steps.ts";

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
	let counter: StepCounter;
	let send: typeof rawRequest;
	beforeAll(async () => {
		counter = await countSteps(/\/(?:lib|services\/api|middlewares)\//);
		const support = await import("../support/gateway.ts");
		send = support.rawRequest;
		gateway = await support.startGateway({
			TRUSTED_PROXIES: "127.0.0.0/8,10.0.0.0/8",
			CORS_ORIGINS: "https://shop.example",
		});
	}, 30_000);
	afterAll(async () => {
		counter?.stop();
		await gateway?.stop();
	});

	const work = async (header: string, filler: string, length: number): Promise<number> => {
		const value = `a${filler.repeat(Math.floor(length / filler.length))}b`;
		await counter.steps();
		for (const [method, path] of [
			["GET", "/things"],
			["POST", "/things/1/pay"],
			["POST", "/hooks/test"],
		] as const) {
			const headers = { "content-type": "application/json", [header]: value };
			const body = method === "POST" ? "{}" : undefined;
			const { status } = await send(`${gateway.client.url}/api/v1${path}`, {
				method,
				headers,
				...(body ? { body } : {}),
			});
			expect([header, filler, status < 500]).toEqual([header, filler, true]);
		}
		return counter.steps();
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
		expect((await send(`${gateway.client.url}/health/live`, { headers })).status).toBe(431);
	});
});
