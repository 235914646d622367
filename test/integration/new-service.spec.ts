import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, "..", "..");
const NOT_COPIED = new Set(["node_modules", "data", ".git", "coverage"]);

describe("npm run new:service", () => {
	let copy: string;
	const env = { ...process.env, NODE_OPTIONS: "--no-warnings" };
	const node = (args: string[], extra: Record<string, string> = {}) =>
		run(process.execPath, args, { cwd: copy, env: { ...env, STOA_ROOT: copy, ...extra }, timeout: 120_000 });

	beforeAll(() => {
		copy = mkdtempSync(join(tmpdir(), "stoa-new-"));
		for (const name of readdirSync(ROOT).filter(entry => !NOT_COPIED.has(entry))) {
			cpSync(join(ROOT, name), join(copy, name), { recursive: true });
		}
		symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
	});

	afterAll(() => rmSync(copy, { recursive: true, force: true }));

	it("writes a service whose types, style and borders are right, and whose spec passes, untouched", async () => {
		await node(["scripts/new-service.ts", "gift-cards"]);
		const paths = ["services/gift-cards", "test/integration/gift-cards.spec.ts"];
		await node(["node_modules/@biomejs/biome/bin/biome", "check", "--vcs-enabled=false", ...paths]);
		await node(["scripts/check-boundaries.ts"]);
		const types = await node(["node_modules/typescript/bin/tsc", "--noEmit"]).catch(
			(error: { stdout: string }) => error,
		);
		expect(types.stdout.split("\n").filter(line => line.includes("gift-cards"))).toEqual([]);
		const spec = await node(["node_modules/jest/bin/jest.js", "test/integration/gift-cards.spec.ts"], {
			NODE_OPTIONS: "--experimental-vm-modules --no-warnings",
		});
		expect(spec.stderr).toMatch(/Tests:\s+3 passed, 3 total/);
	}, 180_000);

	it("refuses a name that is none, and one that is taken, and writes nothing", async () => {
		for (const name of ["", "Orders", "order", "../x", "orders"]) {
			await expect(node(["scripts/new-service.ts", name])).rejects.toMatchObject({ code: 1 });
		}
		expect(readFileSync(join(copy, "services/orders/orders.service.ts"), "utf8")).toBe(
			readFileSync(join(ROOT, "services/orders/orders.service.ts"), "utf8"),
		);
	}, 30_000);
});
