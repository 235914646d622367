import { Agent, request as httpRequest } from "node:http";
import { createHealth } from "../../lib/health.ts";
import { startOpsServer } from "../../lib/ops-server.ts";
import { Client } from "../support/client.ts";
import { create, rawBroker, startGateway } from "../support/gateway.ts";
import { startTestNode } from "../support/node.ts";
import { ADMIN } from "../support/shop.ts";
import { until } from "../support/until.ts";

const probes = { database: () => Promise.resolve(), isBrokerUp: () => true, optional: {} };

describe("Readiness", () => {
	it("needs the database and the bus; what the shop can do without only degrades it", async () => {
		const up = { events: () => true };
		expect(await createHealth({ ...probes, optional: up }).ready()).toEqual({
			status: "ok",
			checks: { database: "up", broker: "up", events: "up" },
		});
		expect((await createHealth({ ...probes, optional: { cache: () => false } }).ready()).status).toBe("degraded");
		const noDatabase = createHealth({ ...probes, database: () => Promise.reject(new Error("away")) });
		expect(await noDatabase.ready()).toMatchObject({ status: "unavailable", checks: { database: "down" } });
		expect((await createHealth({ ...probes, isBrokerUp: () => false }).ready()).status).toBe("unavailable");
	});

	it("waits for what the start began in the background", async () => {
		const health = createHealth(probes);
		const release = health.hold("firstAdmin");
		expect(await health.ready()).toMatchObject({ status: "unavailable", checks: { firstAdmin: "down" } });
		release();
		expect((await health.ready()).status).toBe("ok");
	});

	it("covers the first admin: once it is there, the sign-in works, and before that says so", async () => {
		const env = { STOA_ADMIN_EMAIL: ADMIN.email, STOA_ADMIN_PASSWORD: ADMIN.password };
		const node = await startTestNode({ services: ["api", "auth"], env });
		try {
			const client = new Client(node.broker.stoa.publicUrl);
			// The profile of the admin cannot be made: users is not there.
			const ready = () => client.get("//health/ready");
			expect([(await ready()).status, (await ready()).body.checks.firstAdmin]).toEqual([503, "down"]);
			const early = await client.post("/auth/login", ADMIN);
			expect([early.status, early.headers.get("retry-after")]).toEqual([503, "1"]);
			const users = await import("../../services/users/users.service.ts");
			await create(rawBroker(node), users.default);
			await until("readiness", async () => (await ready()).status === 200);
			expect((await client.post("/auth/login", ADMIN)).status).toBe(200);
		} finally {
			await node.stop();
		}
	}, 30_000);

	it("does not wait for a database that never answers", async () => {
		const silent = createHealth({ ...probes, database: () => new Promise(() => undefined) });
		expect((await silent.ready()).checks["database"]).toBe("down");
	});

	it("ends when the node drains, while liveness goes on", async () => {
		const health = createHealth(probes);
		const ops = await startOpsServer({ port: 0, host: "127.0.0.1" }, health);
		const get = (path: string) => fetch(`http://127.0.0.1:${ops.port}${path}`);
		expect((await get("/health/ready")).status).toBe(200);
		health.drain();
		const ready = await get("/health/ready");
		expect([ready.status, await ready.json()]).toEqual([503, expect.objectContaining({ status: "draining" })]);
		expect((await get("/health/live")).status).toBe(200);
		expect((await get("/other")).status).toBe(404);
		expect((await fetch(`http://127.0.0.1:${ops.port}/health/live`, { method: "POST" })).status).toBe(405);
		await ops.close();
	});

	it("is answered on a port of its own, which must be free when it was asked for", async () => {
		const first = await startOpsServer({ port: 0, host: "127.0.0.1" }, createHealth(probes));
		const again = startOpsServer({ port: first.port, host: "127.0.0.1" }, createHealth(probes));
		await expect(again).rejects.toMatchObject({ code: "EADDRINUSE" });
		await first.close();
	});
});

describe("A node that stops", () => {
	it("finishes the requests it has, with busy keep-alive clients around", async () => {
		const gateway = await startGateway();
		const agent = new Agent({ keepAlive: true });
		const { node, client, gate, seen } = gateway;
		let open: () => void = () => undefined;
		gate.wait = new Promise(resolve => {
			open = () => resolve();
		});
		const post = new Promise<number | undefined>((resolve, reject) => {
			const request = httpRequest(
				`${client.url}/api/v1/things`,
				{ method: "POST", agent, headers: { "content-type": "application/json" } },
				response => response.resume().on("end", () => resolve(response.statusCode)),
			);
			request.on("error", reject);
			request.end('{"name":"late"}');
		});
		await until("the request to run", () => seen.length === 1);
		expect((await client.get("//health/ready")).status).toBe(200);
		expect((await fetch(`${node.opsUrl}/health/ready`)).status).toBe(200);

		const stopped = node.stop();
		await until("the node to say so", async () => (await fetch(`${node.opsUrl}/health/ready`)).status === 503);
		await until("the door to close", () =>
			client.get("//health/live").then(
				() => false,
				() => true,
			),
		);
		open();
		expect(await post).toBe(201);
		await stopped;
		agent.destroy();
	}, 30_000);
});
