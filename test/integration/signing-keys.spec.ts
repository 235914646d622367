import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedMongod } from "../../embedded-mongod/src/index.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { until } from "../support/until.ts";

const SECRET = "the secret that both of these nodes were given";
const ADMIN = { email: "admin@keys.test", password: "correct horse battery staple" };

const kidOf = (token: string): string => JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString()).kid;

describe("Several auth nodes that start at once on one database", () => {
	let nodes: TestNode[];
	let stopDatabase: () => Promise<void>;

	beforeAll(async () => {
		const dataDir = await mkdtemp(join(tmpdir(), "stoa-keys-"));
		const server = await startEmbeddedMongod({ dataDir });
		stopDatabase = async () => {
			await server.close();
			await rm(dataDir, { recursive: true, force: true });
		};
		const env = {
			MONGODB_URI: server.uri,
			STOA_SECRET: SECRET,
			STOA_ADMIN_EMAIL: ADMIN.email,
			STOA_ADMIN_PASSWORD: ADMIN.password,
		};
		nodes = await Promise.all([1, 2, 3].map(() => startTestNode({ services: ["auth", "users"], env })));
	}, 60_000);
	afterAll(async () => {
		await Promise.all((nodes ?? []).map(node => node.stop()));
		await stopDatabase?.();
	}, 30_000);

	const loginAt = (node: TestNode) => until("the admin", () => node.broker.call("auth.login", ADMIN));
	const kids = async (node: TestNode) => (await node.broker.call("auth.jwks")).keys.map(({ kid }) => kid);

	it("sign with the same key and publish it", async () => {
		const signed = await Promise.all(nodes.map(async node => kidOf((await loginAt(node)).accessToken)));
		expect(new Set(signed).size).toBe(1);
		for (const node of nodes) expect(await kids(node)).toEqual([signed[0]]);
	});

	it("make one first admin, verified, with a profile", async () => {
		const [node] = nodes as [TestNode];
		await loginAt(node);
		const accounts = node.broker.stoa.database.of("auth").collection("accounts");
		await until("one active admin", async () => (await accounts.countDocuments({ status: "active" })) === 1);
		expect(await accounts.countDocuments({})).toBe(1);
		const admin = await accounts.findOne({ email: ADMIN.email });
		expect(admin?.["roles"]).toEqual(["admin"]);
		expect(await node.broker.call("users.get", { id: String(admin?._id) })).toMatchObject({ email: ADMIN.email });
	});

	it("make no second one, neither at the next start nor from the console", async () => {
		const [node] = nodes as [TestNode];
		await loginAt(node);
		const answer = await node.broker.call("auth.createAdmin", { email: "eve@keys.test", password: ADMIN.password });
		expect(answer).toEqual({ created: false, userId: null });
	});

	it("keep private keys sealed", async () => {
		const [node] = nodes as [TestNode];
		const [key] = await node.broker.stoa.database.of("auth").collection("signing_keys").find().toArray();
		expect(key?.["sealedKey"]).toMatch(/^v1\./);
		expect(JSON.stringify(key)).not.toMatch(/PRIVATE KEY|"d":/);
	});

	it("publish the old key beside the new one after a rotation, until what it signed has ended", async () => {
		const [first, second] = nodes as [TestNode, TestNode];
		const before = await kids(first);
		const rotated = await first.broker.call("auth.rotateKeys");
		expect(await kids(second)).toEqual([rotated.kid, ...before]);
		// A gateway that was made to ask for unknown keys just now does not know it yet: nothing is signed with it so far.
		expect(kidOf((await loginAt(first)).accessToken)).toBe(before[0]);
		for (const node of [first, second])
			await until(
				"the new key to sign",
				async () => {
					const { accessToken } = await node.broker.call("auth.login", ADMIN);
					return kidOf(accessToken) === rotated.kid;
				},
				60_000,
			);
		const keys = first.broker.stoa.database.of("auth").collection("signing_keys");
		await keys.updateMany({ expiresAt: { $exists: true } }, { $set: { expiresAt: new Date(Date.now() - 3_600_000) } });
		expect(await kids(second)).toEqual([rotated.kid]);
	}, 120_000);

	it("refuse to start with another secret than the one that sealed the keys", async () => {
		const [node] = nodes as [TestNode];
		const env = { MONGODB_URI: node.mongodbUri, STOA_SECRET: `${SECRET}, but changed` };
		await expect(startTestNode({ services: ["auth"], env })).rejects.toThrow(/STOA_SECRET/);
	});
});
