import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { MUTANTS } from "./mutants/index.ts";
import { type Mutant, mutated } from "./mutants/mutant.ts";

/**
 * `npm run mutate [-- word …] [--jobs n]` (words of names, files or specs): breaks the lines of the list, one at a time, in copies of the tree, and runs the
 * specs that should notice. Exit code 1 when one of them survives, 2 when the list or the tree is not as it should be.
 */

/** A broken shop may hang: that is noticed too. */
const TIMEOUT_MS = 5 * 60_000;
const STOP_MS = 5_000;

interface Outcome {
	mutant: Mutant;
	killedBy: string | undefined;
	seconds: number;
}

const root = join(import.meta.dirname, "..");
const { values, positionals: words } = parseArgs({ allowPositionals: true, options: { jobs: { type: "string" } } });
const jobs = Math.max(1, Number(values.jobs ?? Math.min(2, availableParallelism())) || 1);
const running = new Set<ChildProcess>();
const copies: string[] = [];

const chosen = MUTANTS.filter(({ name, file, specs }) =>
	words.every(word => `${name} ${file} ${specs.join(" ")}`.includes(word)),
);
if (chosen.length === 0) fail(`No mutant is called ${words.join(" ")}`);
for (const mutant of chosen) checkApplies(mutant);

process.once("exit", () => {
	for (const child of running) endGroup(child, "SIGKILL");
	for (const copy of copies) rmSync(copy, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

const specs = [...new Set(chosen.flatMap(mutant => mutant.specs))];
console.log(`${chosen.length} mutants, ${specs.length} suites, ${jobs} at a time`);
const workers = Array.from({ length: jobs }, copyOfTree);
console.log("First the suites as they are …");
const healthy = await Promise.all(
	workers.map((copy, n) =>
		firstFailure(
			copy,
			specs.filter((_, i) => i % jobs === n),
		),
	),
);
const broken = healthy.find(spec => spec !== undefined);
if (broken !== undefined) fail(`${broken} fails without any mutant`);

const queue = [...chosen];
const outcomes: Outcome[] = [];
await Promise.all(workers.map(work));
const survivors = outcomes.filter(({ killedBy }) => killedBy === undefined);
if (survivors.length > 0) console.log(`\nNo spec noticed:`);
for (const { mutant } of survivors) console.log(`  ${mutant.file}: ${mutant.name}`);
console.log(`\n${outcomes.length - survivors.length} killed, ${survivors.length} survived`);
process.exit(survivors.length > 0 ? 1 : 0);

async function work(copy: string): Promise<void> {
	for (let mutant = queue.shift(); mutant; mutant = queue.shift()) {
		const began = Date.now();
		const path = join(copy, mutant.file);
		const original = readFileSync(path, "utf8");
		writeFileSync(path, mutated(original, mutant));
		const killedBy = await firstFailure(copy, mutant.specs);
		writeFileSync(path, original);
		const seconds = Math.round((Date.now() - began) / 1_000);
		outcomes.push({ mutant, killedBy, seconds });
		const end = killedBy === undefined ? "SURVIVED" : "killed  ";
		console.log(
			`[${outcomes.length}/${chosen.length}] ${end} ${mutant.name} (${killedBy ?? mutant.specs.join(", ")}, ${seconds} s)`,
		);
	}
}

function checkApplies(mutant: Mutant): void {
	try {
		mutated(readFileSync(join(root, mutant.file), "utf8"), mutant);
	} catch (error) {
		fail(`${mutant.name}: ${error instanceof Error ? error.message : error}`);
	}
}

/** The tree as it stands, what is not committed included; the packages are shared. */
function copyOfTree(): string {
	const copy = mkdtempSync(join(tmpdir(), "stoa-mutants-"));
	copies.push(copy);
	const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
		cwd: root,
		encoding: "utf8",
	});
	for (const file of listed.split("\0").filter(Boolean)) {
		mkdirSync(dirname(join(copy, file)), { recursive: true });
		try {
			copyFileSync(join(root, file), join(copy, file));
		} catch (error) {
			// Removed, and not committed yet.
			if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
		}
	}
	symlinkSync(join(root, "node_modules"), join(copy, "node_modules"), "junction");
	return copy;
}

/** Runs suites one after the other until one fails. @returns which, undefined when all pass */
async function firstFailure(copy: string, suites: readonly string[]): Promise<string | undefined> {
	for (const spec of suites) if (!(await passes(copy, spec))) return spec;
	return undefined;
}

function passes(copy: string, spec: string): Promise<boolean> {
	const args = [
		join(copy, "node_modules/jest/bin/jest.js"),
		"--runTestsByPath",
		spec,
		"--runInBand",
		"--bail",
		"--silent",
	];
	const env = { ...process.env, NODE_OPTIONS: "--experimental-vm-modules --no-warnings" };
	const child = spawn(process.execPath, args, { cwd: copy, env, stdio: "ignore", detached: true });
	running.add(child);
	const timer = setTimeout(() => {
		endGroup(child, "SIGTERM");
		setTimeout(() => endGroup(child, "SIGKILL"), STOP_MS).unref();
	}, TIMEOUT_MS);
	return new Promise(resolve => {
		child.once("exit", code => {
			clearTimeout(timer);
			running.delete(child);
			// What a suite that failed half-way has left running.
			endGroup(child, "SIGKILL");
			resolve(code === 0);
		});
	});
}

/** A suite starts servers; they are of its group, and end with it. */
function endGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
	if (pid === undefined) return;
	try {
		process.kill(-pid, signal);
	} catch (error) {
		// Nobody of it is left.
		if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
	}
}

function fail(message: string): never {
	console.error(message);
	process.exit(2);
}
