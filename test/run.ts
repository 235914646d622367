import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findOnPath } from "../cluster/servers.ts";

/**
 * `npm test [-- pattern …]`: all suites that this machine can run, then one line per kind that it cannot, and the sum.
 * With CI=true nothing may be left out.
 */

interface Group {
	name: string;
	patterns: string[];
	/** Suites that start whole clusters run alone: they are about time-outs and kills. */
	isSerial: boolean;
	/** Servers it cannot do without: a setting that names one, and the program that is one. */
	needs: { setting: string; program: string }[];
}
interface Sum {
	passed: number;
	failed: number;
	skipped: number;
}

const NATS = { setting: "NATS_URL", program: "nats-server" };
const REDIS = { setting: "REDIS_URL", program: "redis-server" };

const GROUPS: readonly Group[] = [
	{ name: "rules and types", patterns: ["test/unit/"], isSerial: false, needs: [] },
	{ name: "embedded database", patterns: ["embedded-mongod/test/"], isSerial: false, needs: [] },
	{
		name: "services on the embedded database",
		patterns: ["test/(integration|security|e2e)/"],
		isSerial: false,
		needs: [],
	},
	{ name: "engines behind the ports", patterns: ["test/contract/"], isSerial: false, needs: [] },
	{ name: "clusters of processes", patterns: ["test/cluster/"], isSerial: true, needs: [NATS, REDIS] },
];

const root = join(import.meta.dirname, "..");
const isCi = process.env["CI"] === "true";
const patterns = process.argv.slice(2);
const scratch = mkdtempSync(join(tmpdir(), "stoa-tests-"));
const skippedFile = join(scratch, "skipped");

const total: Sum = { passed: 0, failed: 0, skipped: 0 };
const leftOut: string[] = [];

for (const group of patterns.length > 0 ? [{ name: "chosen", patterns, isSerial: true, needs: [] }] : GROUPS) {
	const missing = group.needs.filter(({ setting, program }) => !process.env[setting] && !findOnPath(program));
	if (missing.length > 0) {
		leftOut.push(
			...missing.map(
				({ setting, program }) =>
					`${group.name}: needs ${program} on the PATH (apt-get install ${program}) or ${setting}`,
			),
		);
		continue;
	}
	console.log(`\n# ${group.name}`);
	const sum = await run(group);
	for (const key of Object.keys(total) as (keyof Sum)[]) total[key] += sum[key];
}

leftOut.push(...readLines(skippedFile));
rmSync(scratch, { recursive: true, force: true });
if (leftOut.length > 0) console.log(`\nSkipped:\n${[...new Set(leftOut)].map(line => `  ${line}`).join("\n")}`);
if (isCi && (leftOut.length > 0 || total.skipped > 0)) {
	console.log("With CI=true nothing may be skipped");
	total.failed += Math.max(1, leftOut.length + total.skipped);
}
console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);

async function run({ patterns: chosen, isSerial }: Group): Promise<Sum> {
	const output = join(scratch, "result.json");
	rmSync(output, { force: true });
	const args = [
		join(root, "node_modules", "jest", "bin", "jest.js"),
		...chosen,
		"--json",
		`--outputFile=${output}`,
		"--passWithNoTests",
		...(isSerial ? ["--runInBand"] : []),
	];
	const env = {
		...process.env,
		NODE_OPTIONS: "--experimental-vm-modules --no-warnings",
		STOA_SKIPPED_FILE: skippedFile,
	};
	// The report goes to stderr; the JSON that would go to stdout is in the file.
	const child = spawn(process.execPath, args, { cwd: root, env, stdio: ["ignore", "ignore", "inherit"] });
	const code = await new Promise<number>(resolve => child.once("exit", status => resolve(status ?? 1)));
	return sumOf(output, code);
}

function sumOf(file: string, code: number): Sum {
	try {
		const result = JSON.parse(readFileSync(file, "utf8"));
		const failed = result.numFailedTests + result.numRuntimeErrorTestSuites;
		return {
			passed: result.numPassedTests,
			failed: code !== 0 && failed === 0 ? 1 : failed,
			skipped: result.numPendingTests + result.numTodoTests,
		};
	} catch {
		console.error("Jest ended without a result");
		return { passed: 0, failed: 1, skipped: 0 };
	}
}

function readLines(file: string): string[] {
	try {
		return readFileSync(file, "utf8").split("\n").filter(Boolean);
	} catch {
		// No suite wrote that it left something out.
		return [];
	}
}
