/**
 * Ends servers whose launcher died without saying goodbye. It is told their pids on its standard input, a line each,
 * and acts when that input closes: the system closes it whatever way the launcher went.
 */
const pids = new Set<number>();
let rest = "";

process.stdin.setEncoding("utf8");
process.stdin.on("data", (part: string) => {
	const lines = (rest + part).split("\n");
	rest = lines.pop() ?? "";
	for (const line of lines) {
		const pid = Number(line.slice(1));
		if (line.startsWith("+")) pids.add(pid);
		else pids.delete(pid);
	}
});
process.stdin.on("end", () => {
	for (const pid of pids) {
		try {
			process.kill(pid, "SIGTERM");
		} catch {
			// It ended before its launcher did.
			pids.delete(pid);
		}
	}
	process.exit(0);
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
