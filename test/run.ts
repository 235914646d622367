import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { findOnPath } from "../cluster/servers.ts";
import { allSpecs, specsOf, splitArguments } from "./choose.ts";

/**
 * `npm test [-- pattern …]`: all suites that this machine can run, then one line per kind that it cannot, the slowest, and
 * the sum. A pattern is a part of a path or a service's name. With CI=true nothing may be left out.
 */

interface Group {
	name: string;
	specs: string[];
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

/** Chance decides what it meets: a run of its own (`npm test -- chaos`), by night and before a release, not a gate. */
const isByNight = (spec: string): boolean => spec === "test/cluster/chaos.spec.ts";

const isCluster = (spec: string): boolean => spec.startsWith("test/cluster/");

/** Those that do not hurt each other share the workers: together they end sooner than one kind after the other. */
const groupsOf = (specs: readonly string[]): Group[] => [
	{
		name: "rules, services, engines and the embedded database",
		specs: specs.filter(spec => !isCluster(spec)),
		isSerial: false,
		needs: [],
	},
	{ name: "clusters of processes", specs: specs.filter(isCluster), isSerial: true, needs: [NATS, REDIS] },
];

const root = join(import.meta.dirname, "..");
const isCi = process.env["CI"] === "true";
const { patterns, flags } = splitArguments(process.argv.slice(2));
const scratch = mkdtempSync(join(tmpdir(), "stoa-tests-"));
const skippedFile = join(scratch, "skipped");

const total: Sum = { passed: 0, failed: 0, skipped: 0 };
const leftOut: string[] = [];

const slowest: { spec: string; ms: number }[] = [];
const MAX_SLOWEST = 10;

for (const group of chosenGroups()) {
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
	console.log(`\n# ${group.name}: ${group.specs.length} suites`);
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
if (slowest.length > MAX_SLOWEST) {
	slowest.sort((a, b) => b.ms - a.ms);
	console.log("\nThe slowest:");
	for (const { spec, ms } of slowest.slice(0, MAX_SLOWEST))
		console.log(`  ${(ms / 1_000).toFixed(1).padStart(6)} s  ${spec}`);
}
console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);

/** What was asked for; all of it when nothing was. */
function chosenGroups(): Group[] {
	try {
		const specs =
			patterns.length > 0
				? [...new Set(patterns.flatMap(pattern => specsOf(pattern)))].sort()
				: allSpecs().filter(spec => !isByNight(spec));
		const groups = groupsOf(specs).filter(group => group.specs.length > 0);
		// Whoever names a suite of clusters gets its own word on what is missing.
		return patterns.length > 0 ? groups.map(group => ({ ...group, needs: [] })) : groups;
	} catch (error) {
		console.error(error instanceof Error ? error.message : error);
		process.exit(1);
	}
}

async function run({ specs, isSerial }: Group): Promise<Sum> {
	const output = join(scratch, "result.json");
	rmSync(output, { force: true });
	const args = [
		join(root, "node_modules", "jest", "bin", "jest.js"),
		"--runTestsByPath",
		...specs,
		...flags,
		"--json",
		`--outputFile=${output}`,
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
		for (const { name, startTime, endTime } of result.testResults)
			slowest.push({ spec: relative(root, name), ms: endTime - startTime });
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
