import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defaultSocketPath, startEmbeddedMongod } from "../src/index.ts";
import { connect, startProcess, startRefused, temporaryFolder } from "./support/servers.ts";

const refusal = (dataDir: string, options: object = {}): Promise<Error> =>
	startEmbeddedMongod({ dataDir, ...options }).then(
		async server => {
			await server.close();
			throw new Error("it started");
		},
		(error: Error) => error,
	);

describe("One server per data folder", () => {
	let folder: Awaited<ReturnType<typeof temporaryFolder>>;
	beforeEach(async () => {
		folder = await temporaryFolder();
	});
	afterEach(() => folder.remove());

	it("A second start in the same process is refused, by whatever address it would listen", async () => {
		const server = await startEmbeddedMongod({ dataDir: folder.path });
		expect((await refusal(folder.path)).name).toBe("LockedError");
		expect((await refusal(folder.path, { port: 0 })).message).toContain("is in use by process");
		expect((await refusal(join(folder.path, "..", folder.path.split("/").at(-1) ?? ""))).name).toBe("LockedError");
		await server.close();
		expect(existsSync(join(folder.path, "mongod.lock"))).toBe(false);
	});

	it("A second process is refused and says why, and the first goes on", async () => {
		const server = await startProcess(folder.path);
		const { code, output } = await startRefused(folder.path);
		expect(code).toBe(1);
		expect(output).toContain(`in use by process ${server.child.pid}`);
		expect((await refusal(folder.path)).name).toBe("LockedError");
		const client = await connect(server.uri);
		await client.db("d").collection("c").insertOne({ a: 1 });
		await client.close();
		expect(await server.kill("SIGTERM")).toBe(0);
	});

	it("The lock of a killed process is inherited, also by ten at once, of which one starts", async () => {
		const server = await startProcess(folder.path);
		await server.kill("SIGKILL");
		const all = await Promise.all(
			Array.from({ length: 6 }, () =>
				startProcess(folder.path).then(
					started => ({ started, error: undefined }),
					(error: Error) => ({ started: undefined, error }),
				),
			),
		);
		const running = all.flatMap(r => (r.started ? [r.started] : []));
		expect(running).toHaveLength(1);
		for (const { error } of all) if (error) expect(error.message).toContain("in use by process");
		for (const one of running) await one.kill("SIGTERM");
	});

	it("An empty lock, and a folder that the system does not make, are refused at once", async () => {
		writeFileSync(join(folder.path, "mongod.lock"), "");
		expect((await refusal(folder.path)).message).toContain("cannot be read; remove it if no server uses the folder");
		expect((await refusal("/proc/nowhere/data")).message).toContain("ENOENT");
		expect((await refusal(join(folder.path, "mongod.lock"))).message).toContain("is not a folder");
	});

	it("A lock of another boot, or of a pid that now is another process, is inherited", async () => {
		const first = await startEmbeddedMongod({ dataDir: folder.path });
		const held = JSON.parse(readFileSync(join(folder.path, "mongod.lock"), "utf8"));
		await first.close();
		const stale = [
			{ ...held, token: "a", bootId: "of-another-boot" },
			{ ...held, token: "b", pid: process.ppid, startTime: "1" },
			{ ...held, token: "c", pid: 1, pidNamespace: "pid:[1]", startTime: "1" },
		];
		for (const holder of stale) {
			writeFileSync(join(folder.path, "mongod.lock"), JSON.stringify(holder));
			const server = await startEmbeddedMongod({ dataDir: folder.path });
			await server.close();
		}
		expect(existsSync(join(folder.path, "mongod.lock"))).toBe(false);
	});

	it("A holder in another container counts as long as its socket answers", async () => {
		const other = await temporaryFolder();
		const server = await startEmbeddedMongod({ dataDir: other.path });
		const held = JSON.parse(readFileSync(join(other.path, "mongod.lock"), "utf8"));
		const elsewhere = { ...held, pid: 1, pidNamespace: "pid:[1]", bootId: "x" };
		writeFileSync(join(folder.path, "mongod.lock"), JSON.stringify(elsewhere));
		expect((await refusal(folder.path)).name).toBe("LockedError");
		await server.close();
		await other.remove();
	});

	it("A folder whose path is too long for a socket is served from the temporary directory", async () => {
		const long = join(folder.path, "a".repeat(60), "b".repeat(60));
		const server = await startEmbeddedMongod({ dataDir: long });
		expect(Buffer.byteLength(defaultSocketPath(long))).toBeLessThanOrEqual(100);
		expect(server.uri).toBe(`mongodb://${encodeURIComponent(defaultSocketPath(long))}`);
		const client = await connect(server.uri);
		expect(await client.db("d").command({ ping: 1 })).toMatchObject({ ok: 1 });
		await client.close();
		await server.close();
	});

	it("A port is served on the loopback address only", async () => {
		const server = await startEmbeddedMongod({ dataDir: folder.path, port: 0 });
		expect(server.uri).toMatch(/^mongodb:\/\/127\.0\.0\.1:\d+$/);
		await server.close();
		await server.close();
	});
});
