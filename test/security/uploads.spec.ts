import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type EmbeddedMongod, startEmbeddedMongod } from "../../embedded-mongod/src/index.ts";
import { Client } from "../support/client.ts";
import { rawRequest } from "../support/gateway.ts";
import { startNats, type TestNats } from "../support/nats.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { ADMIN, adminToken } from "../support/shop.ts";
import { until } from "../support/until.ts";

const ADMIN_ENV = { STOA_ADMIN_EMAIL: ADMIN.email, STOA_ADMIN_PASSWORD: ADMIN.password };

/** One and a half megabytes that unpack to 150: just below every bound of an upload, so it is taken in. */
const LINES = 8_000;
const MEMBERS = 190;
const NONSENSE = Buffer.concat(
	Array.from({ length: MEMBERS }, () =>
		gzipSync(`${randomBytes(4_200).toString("base64")}\n${`${"y".repeat(99)}\n`.repeat(LINES - 1)}`),
	),
);

describe.each(["in one process", "over NATS"])("An upload of which little is worth reading, %s", where => {
	let dir: string;
	let nats: TestNats | undefined;
	let mongod: EmbeddedMongod;
	let nodes: TestNode[] = [];
	let client: Client;
	let token: string;

	beforeAll(async () => {
		dir = await mkdtemp(join(tmpdir(), "stoa-uploads-"));
		mongod = await startEmbeddedMongod({ dataDir: dir });
		const env = { ...ADMIN_ENV, MONGODB_URI: mongod.uri };
		if (where === "over NATS") {
			nats = await startNats();
			const start = (NODE_ID: string, services: string[]) =>
				startTestNode({ services, env: { ...env, NODE_ID, NATS_URL: nats?.url ?? "" } });
			nodes = await Promise.all([start("gate", ["api", "auth", "users"]), start("shelf", ["products", "inventory"])]);
		} else nodes = [await startTestNode({ services: ["api", "auth", "users", "products", "inventory"], env })];
		client = new Client(nodes[0]?.broker.stoa.publicUrl ?? "");
		token = await adminToken(client);
		await until("the catalogue", async () => (await client.get("/products")).status === 200);
	}, 90_000);
	afterAll(async () => {
		await Promise.all(nodes.map(node => node.stop()));
		await nats?.stop();
		await mongod?.close();
		await rm(dir, { recursive: true, force: true });
	}, 60_000);

	const count = (name: string) => nodes[0]?.broker.stoa.database.of("products").collection(name).countDocuments() ?? 0;

	it("is nobody's burden once its client has gone, though all of it was sent", async () => {
		expect(NONSENSE.length).toBeLessThan(1_500_000);
		const socket = connect(Number(new URL(client.url).port), "127.0.0.1");
		socket.write(
			`POST /api/v1/admin/products/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/x-ndjson\r\nContent-Length: ${NONSENSE.length}\r\n\r\n`,
		);
		socket.write(NONSENSE);
		await until("the first chunks", async () => (await count("import_chunks")) >= 3);
		socket.destroy();
		await until("their end", async () => (await count("import_chunks")) === 0, 60_000);
		expect(await count("import_jobs")).toBe(0);
	}, 90_000);

	it("is read no further than it takes to see that", async () => {
		const taken = await rawRequest(`${client.url}/api/v1/admin/products/import`, {
			method: "POST",
			headers: { authorization: `Bearer ${token}`, "content-type": "application/x-ndjson" },
			body: NONSENSE,
		});
		expect(taken.status).toBe(202);
		const { jobId } = JSON.parse(taken.text);
		const job = await until(
			"its end",
			async () => {
				const { body } = await client.get(`/admin/jobs/${jobId}`, { token });
				return body.status !== "running" && body;
			},
			120_000,
		);
		expect([job.status, job.total, job.errors[0].code]).toEqual(["failed", LINES * MEMBERS, "TOO_MANY_REFUSED"]);
		expect(job.processed).toBeLessThanOrEqual(20_500);
		expect(await count("import_chunks")).toBe(0);
	}, 180_000);
});
