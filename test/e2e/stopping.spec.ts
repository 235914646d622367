import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../cluster/ports.ts";
import { startCommand } from "../support/process.ts";
import { until } from "../support/until.ts";

const ROOT = join(import.meta.dirname, "..", "..");

describe("Whoever signals npm stops the shop", () => {
	let dataDir: string;
	let port: number;

	beforeEach(async () => {
		dataDir = await mkdtemp(join(tmpdir(), "stoa-stop-"));
		port = await freePort();
	});

	afterEach(() => rm(dataDir, { recursive: true, force: true }));

	const env = () => ({
		DATA_DIR: dataDir,
		PORT: String(port),
		OPS_PORT: "0",
		MAILBOX_PORT: "0",
		LOG_LEVEL: "error",
		DEMO_DATA: "0",
	});
	const answers = () =>
		fetch(`http://127.0.0.1:${port}/health/live`).then(
			() => true,
			() => false,
		);

	it.each(["SIGTERM", "SIGINT"] as const)("%s to `npm start` reaches it, and npm ends after it", async signal => {
		const npm = startCommand("npm", ["start"], env());
		await npm.prints("Stoa is ready", 60_000);
		npm.kill(signal);
		await npm.exited;
		expect(await answers()).toBe(false);
		expect(npm.output).toContain("Stopped.");
	}, 120_000);

	it("stops too when a shell stays between and dies, as where there is no exec", async () => {
		const line = "node run.mjs main.ts; exit $?";
		const shell = startCommand("sh", ["-c", line], { ...env(), npm_lifecycle_script: line });
		await shell.prints("Stoa is ready", 60_000);
		shell.kill("SIGKILL");
		await shell.prints("Stopped.", 30_000);
		await until("the shop to be gone", async () => !(await answers()));
	}, 120_000);

	it("finds a program called exec where the shell has none", async () => {
		const { scripts } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
		const lasting = ["start", "dev", "cluster", "console", "import", "mongod"];
		expect(lasting.filter(name => !/^exec node run\.mjs /.test(scripts[name]))).toEqual([]);
		expect((await readFile(join(ROOT, "exec.cmd"), "utf8")).trim()).toBe("@%*");
	});
});
