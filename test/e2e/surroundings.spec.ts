import { execFile } from "node:child_process";
import { chmod, copyFile, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { listeningPort } from "../support/ports.ts";
import { type Program, startProgram } from "../support/process.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const SECRET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEF";
const HEADLINE = "Stoa cannot start here:";
/** Nothing listens there, and nobody without rights may. */
const NOWHERE = "127.0.0.1:1";

describe("A start in bad surroundings says in one line what to do, and ends", () => {
	let dataDir: string;
	let other: Server;
	let taken: number;
	const running: Program[] = [];

	beforeAll(async () => {
		dataDir = await mkdtemp(join(tmpdir(), "stoa-surroundings-"));
		await writeFile(join(dataDir, "a-file"), "");
		other = createServer();
		taken = await listeningPort(other);
	});

	afterAll(async () => {
		for (const program of running) {
			program.kill("SIGKILL");
			await program.exited;
		}
		await new Promise(resolve => other.close(resolve));
		await rm(dataDir, { recursive: true, force: true });
	});

	const start = (env: Record<string, string>, args = ["main.ts"]) => {
		const quiet = { PORT: "0", OPS_PORT: "0", MAILBOX_PORT: "0", DEMO_DATA: "0", DATA_DIR: join(dataDir, "data") };
		const program = startProgram(args, { ...quiet, ...env });
		running.push(program);
		return program;
	};
	/** Neither a stack nor a line of a log. */
	const refusal = async (env: Record<string, string>, args?: string[]): Promise<string> => {
		const program = start(env, args);
		expect(await program.exited).toBe(1);
		expect(program.output).not.toMatch(/^\s+at |"level"|[{}]/m);
		return program.output.trim();
	};

	it.each([
		["PORT", () => ({ PORT: String(taken) })],
		["OPS_PORT", () => ({ OPS_PORT: String(taken) })],
	])(
		"%s in use",
		async (setting, env) => {
			expect(await refusal(env())).toBe(
				`${HEADLINE}\n  - ${setting} ${taken} is in use by another program: stop that one, or set another ${setting} (0 takes a free one)`,
			);
		},
		60_000,
	);

	it.each([
		["is a file", "a-file", "a file and not a folder"],
		["lies below a file", "a-file/below", "a file and not a folder"],
		["lies where the system makes none", "/proc/nowhere/data", "the system makes no folder there"],
	])(
		"DATA_DIR %s",
		async (_, path, why) => {
			const dir = path.startsWith("/") ? path : join(dataDir, path);
			expect(await refusal({ DATA_DIR: dir })).toContain(`DATA_DIR ${dir} cannot be used: `);
			expect(await refusal({ DATA_DIR: dir })).toContain(why);
		},
		60_000,
	);

	it("DATA_DIR may not be written to", async () => {
		const dir = join(dataDir, "read-only");
		await mkdir(dir);
		await chmod(dir, 0o500);
		// The superuser may write everywhere but into a file system of the kernel's own.
		const isRoot = process.getuid?.() === 0;
		const output = await refusal({ DATA_DIR: isRoot ? "/sys" : dir });
		expect(output).toMatch(/cannot be used: (this user may not write there|it is on a file system that is read-only)/);
	}, 60_000);

	it("DATA_DIR is another shop's, or its lock is empty", async () => {
		const first = start({});
		await first.prints("Stoa is ready", 60_000);
		expect(await refusal({})).toMatch(
			/data\/mongod is in use by process \d+ .*stop that one, or choose another folder\.$/,
		);
		first.kill("SIGINT");
		expect(await first.exited).toBe(0);
		await writeFile(join(dataDir, "data", "mongod", "mongod.lock"), "");
		expect(await refusal({})).toContain("mongod.lock cannot be read; remove it if no server uses the folder");
		await rm(join(dataDir, "data", "mongod", "mongod.lock"));
		expect((await readdir(join(dataDir, "data", "mongod"))).filter(name => name.includes(".lock"))).toEqual([]);
	}, 120_000);

	it("an own secret that was cut", async () => {
		const dir = join(dataDir, "cut");
		await mkdir(dir);
		await writeFile(join(dir, "secret"), "");
		expect(await refusal({ DATA_DIR: dir })).toContain("does not hold a whole secret: bring it back from a copy");
	}, 60_000);

	it("NATS and MongoDB away: told at once, waited for a while, then refused together", async () => {
		const env = { NATS_URL: `nats://${NOWHERE}`, MONGODB_URI: `mongodb://${NOWHERE}`, STOA_SECRET: SECRET };
		const output = await refusal(env);
		for (const [name, setting] of [
			["NATS", "NATS_URL"],
			["MongoDB", "MONGODB_URI"],
		]) {
			expect(output).toContain(`${name} does not answer at ${NOWHERE} (ECONNREFUSED); waiting`);
			expect(output).toContain(
				`- ${name} does not answer at ${NOWHERE} (ECONNREFUSED): start it, or correct ${setting}`,
			);
		}
	}, 60_000);

	it("Redis away: told in a line for the cache and one for jobs, and started without", async () => {
		const program = start({ REDIS_URL: `redis://${NOWHERE}` });
		await program.prints("Stoa is ready", 60_000);
		const lines = program.output
			.split("\n")
			.filter(line => /redis|ECONNREFUSED/i.test(line) && !line.includes("Engines"));
		expect(lines).toEqual([
			expect.stringContaining("Redis does not answer (connect ECONNREFUSED 127.0.0.1:1)"),
			expect.stringContaining("Redis does not serve jobs"),
		]);
		expect(program.output).not.toMatch(/\bat .*:\d+:\d+/);
		program.kill("SIGINT");
		await program.exited;
	}, 90_000);

	it("SERVICES and databases of services that are not there: which, and what may be meant", async () => {
		const output = await refusal({ SERVICES: "order,users", USER_MONGODB_URI: `mongodb://${NOWHERE}` });
		expect(output).toContain('SERVICES names "order", which is no service: did you mean orders?');
		expect(output).toContain("USER_MONGODB_URI is for a service that is not there: did you mean USERS_MONGODB_URI?");
	}, 60_000);

	it("an admin whose password is refused", async () => {
		const output = await refusal({ STOA_ADMIN_EMAIL: "a@shop.test", STOA_ADMIN_PASSWORD: "password1234" });
		expect(output).toContain("STOA_ADMIN_PASSWORD ");
		expect(output).not.toContain("Stoa is ready");
	}, 60_000);

	it("a cluster is told the same before it starts a process", async () => {
		expect(await refusal({ PORT: String(taken) }, ["cluster.ts"])).toContain(`PORT ${taken} is in use`);
		expect(await refusal({ DATA_DIR: join(dataDir, "a-file") }, ["cluster.ts"])).toContain("a file and not a folder");
	}, 60_000);

	it("is interrupted by Ctrl-C while it waits", async () => {
		const program = start({ MONGODB_URI: `mongodb://${NOWHERE}` });
		await program.prints("waiting");
		program.kill("SIGINT");
		expect(await program.exited).toBe(0);
		expect(program.output).not.toContain(HEADLINE);
	}, 60_000);
});

describe("A file .env beside package.json", () => {
	it("holds settings, and the environment goes before it; tests read none", async () => {
		const dir = await mkdtemp(join(tmpdir(), "stoa-env-"));
		await copyFile(join(ROOT, "run.mjs"), join(dir, "run.mjs"));
		await symlink(join(ROOT, "node_modules"), join(dir, "node_modules"));
		await writeFile(join(dir, "main.ts"), "console.log([process.env.PORT, process.env.MAIL_FROM].join());");
		const { PATH = "" } = process.env;
		const program = [join(dir, "run.mjs"), "main.ts"];
		const without = await promisify(execFile)(process.execPath, program, { cwd: dir, env: { PATH } });
		expect(without).toEqual({ stdout: ",\n", stderr: "" });
		await writeFile(join(dir, ".env"), 'PORT=4711\nMAIL_FROM="A shop <a@shop.test>"\n');
		const run = async (env: Record<string, string>) =>
			(await promisify(execFile)(process.execPath, program, { cwd: dir, env })).stdout.trim();
		expect(await run({ PATH })).toBe("4711,A shop <a@shop.test>");
		expect(await run({ PATH, PORT: "1" })).toBe("1,A shop <a@shop.test>");
		expect(await run({ PATH, NODE_ENV: "test" })).toBe(",");
		await rm(dir, { recursive: true });
	}, 30_000);
});
