// Starts a file with Node >= 22.18 (which runs TypeScript as it is): this Node when it is new enough, otherwise the
// one that came with `npm ci` as an optional dependency. Plain JavaScript, because any Node must be able to read it.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(fileURLToPath(import.meta.url));
const [major, minor] = process.versions.node.split(".").map(Number);
const isNewEnough = major > 22 || (major === 22 && minor >= 18);
const platform = `${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
const packaged = join(
	root,
	"node_modules",
	`node-${platform}`,
	"bin",
	process.platform === "win32" ? "node.exe" : "node",
);
const node = isNewEnough ? process.execPath : packaged;

if (!existsSync(node)) {
	console.error(
		`Stoa needs Node 22.18 or newer; this is ${process.version}, and the packaged Node 24 (node-${platform}) is not installed.\n` +
			"Either install a newer Node (https://nodejs.org), or run `npm ci` again without --omit=optional.",
	);
	process.exit(1);
}

// argon2 and the journal's fsync share libuv's pool: 8 threads keep one from starving the other. glibc's many arenas and
// V8's generous growth would double what a shop with twenty thousand products takes; neither buys it any speed.
const leanHeap = ["--heap-growing-percent=15", "--max-semi-space-size=3"];
const env = {
	UV_THREADPOOL_SIZE: "8",
	MALLOC_ARENA_MAX: "2",
	...process.env,
	PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ""}`,
};
// Settings of whoever runs a shop; what the environment says goes before. Tests are nobody's shop.
const programs = ["main.ts", "cluster.ts", "console.ts", "scripts/import.ts"];
const isProgram = process.env.NODE_ENV !== "test" && process.argv.some(argument => programs.includes(argument));
const envFile = join(root, ".env");
const settings = isProgram && existsSync(envFile) ? [`--env-file=${envFile}`] : [];
const child = spawn(node, [...leanHeap, ...settings, ...process.argv.slice(2)], { stdio: "inherit", env });
// The terminal sends Ctrl-C to the whole group; the child decides when to end, this process only waits and passes on.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
	process.on(signal, () => {
		if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
	});
}
watchNpm();
child.on("error", error => {
	console.error(`Could not start ${node}: ${error.message}`);
	process.exit(1);
});

/**
 * npm signals the shell that it started this file with. `exec` in the scripts makes that shell this process; where a shell
 * stands between all the same (Windows), or npm is killed, their end is all there is to see of it.
 */
function watchNpm() {
	const script = process.argv[2] === undefined ? undefined : `run.mjs ${process.argv.slice(2, 3)}`;
	if (!script || !process.env.npm_lifecycle_script?.includes(script)) return;
	const parent = process.ppid;
	const watch = setInterval(() => {
		if (process.ppid === parent && isAlive(parent)) return;
		clearInterval(watch);
		child.kill("SIGTERM");
	}, 300);
	watch.unref();
}

function isAlive(pid) {
	try {
		process.kill(pid, 0);
		return true;
	} catch (error) {
		return error.code === "EPERM";
	}
}

child.on("exit", (code, signal) => process.exit(signal ? 128 + (constants.signals[signal] ?? 0) : (code ?? 1)));
