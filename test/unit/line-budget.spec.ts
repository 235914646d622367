import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { createLineBudget } from "../../lib/line-budget.ts";
import { createLogger } from "../../lib/logger.ts";
import { logWhenDone, type WebRequest } from "../../services/api/http/exchange.ts";
import { until } from "../support/until.ts";

describe("Lines that a client may cause as often as it likes", () => {
	it("are so many a minute of each network and kind; the rest is told as a number", async () => {
		const told: object[] = [];
		const budget = createLineBudget(leftOut => void told.push(leftOut), 200);
		const written = (kind: string, addresses: string[]) => addresses.filter(one => budget.isLeft(kind, one)).length;
		const flood = Array.from({ length: 500 }, () => "203.0.113.9");
		expect(written("limited", flood)).toBe(60);
		expect(written("no_route", flood)).toBe(60);
		expect(written("limited", ["192.0.2.7"])).toBe(1);
		await until("the number", () => told.length === 1);
		expect(told).toEqual([{ limited: 440, no_route: 440 }]);
		expect(written("limited", flood)).toBe(60);
	});

	it("are bounded for a network of any size, and for any number of networks", () => {
		const budget = createLineBudget(() => undefined);
		const written = (addresses: string[]) => addresses.filter(one => budget.isLeft("limited", one)).length;
		expect(written(Array.from({ length: 5_000 }, (_, i) => `2001:db8:7:${i.toString(16)}::1`))).toBe(60);
		const botnet = Array.from({ length: 5_000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
		expect(written([...botnet, ...botnet])).toBeLessThan(2_100);
	});

	it.each([
		["a page that does not exist", 404, false],
		["a request that its limit refuses", 429, true],
	])("do not grow with the requests of one client: %s", async (_, status, hasRoute) => {
		const lines: string[] = [];
		const log = createLogger("info", { write: (text: string) => void lines.push(text) });
		const budget = createLineBudget(() => undefined);
		let answered = 0;
		const server = createServer((incoming, response) => {
			const web = incoming as WebRequest;
			const match = hasRoute ? { match: { route: { pattern: "/api/v1/products" }, values: [] } as never } : {};
			web.$exchange = { requestId: "request-1", startedAt: performance.now(), query: "", ...match };
			response.once("close", () => answered++);
			logWhenDone(log, web, response, kind => budget.isLeft(kind, incoming.socket.remoteAddress));
			response.writeHead(status).end();
		});
		server.listen(0, "127.0.0.1");
		await once(server, "listening");
		const { port } = server.address() as AddressInfo;
		for (let i = 0; i < 100; i++) {
			const [answer] = await once(request({ port, agent: false }).end(), "response");
			answer.resume();
			await once(answer, "end");
		}
		await until("the last line", () => answered === 100);
		server.close();
		expect(lines).toHaveLength(60);
	});
});
