import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Writable } from "node:stream";
import { createLogger } from "../../lib/logger.ts";
import { createMetrics } from "../../lib/metrics.ts";
import { fail, logWhenDone, type WebRequest } from "../../services/api/http/exchange.ts";
import { compileRoute } from "../../services/api/http/route.ts";
import { until } from "../support/until.ts";

describe("The line of a request", () => {
	it("carries the route's pattern and the outcome, and nothing that could be a key", async () => {
		let written = "";
		const sink = new Writable({
			write(chunk, _encoding, done) {
				written += chunk;
				done();
			},
		});
		const log = createLogger("info", sink);
		const metrics = createMetrics();
		const unhandled = metrics.counter("stoa_unhandled_errors_total", "help", ["route"]);
		const route = compileRoute({
			name: "carts.get",
			visibility: "published",
			permissions: "anyone",
			rest: "GET /carts/:id",
		});
		if (!route) throw new Error("No route");
		const server = createServer((request, response) => {
			const web = request as WebRequest;
			const match = { route, values: ["crt_SECRET"] };
			web.$exchange = {
				requestId: "request-1",
				startedAt: performance.now(),
				query: "q=hidden",
				match,
				userId: "usr_1",
			};
			logWhenDone(log, web, response, () => true);
			fail({ log, unhandled }, web, response, new Error("database away"));
		});
		await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve));
		const { port } = server.address() as AddressInfo;
		const answer = await fetch(`http://127.0.0.1:${port}/api/v1/carts/crt_SECRET?q=hidden`);
		expect([answer.status, (await answer.text()).includes("database")]).toEqual([500, false]);
		await until("the line", () => written.includes('"msg":"request"'));
		await new Promise(resolve => server.close(resolve));

		const [failure, line] = written
			.trim()
			.split("\n")
			.map(text => JSON.parse(text));
		expect(failure).toMatchObject({ level: "error", requestId: "request-1", err: { message: "database away" } });
		expect(line).toMatchObject({
			level: "warn",
			requestId: "request-1",
			method: "GET",
			route: "/api/v1/carts/:id",
			status: 500,
			user: "usr_1",
		});
		expect((await metrics.page()).body).toContain('stoa_unhandled_errors_total{route="GET /api/v1/carts/:id"} 1');
		expect(written).not.toMatch(/crt_SECRET|hidden|127\.0\.0\.1/);
	});
});
