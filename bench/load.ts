import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import autocannon from "autocannon";

const ROOT = join(import.meta.dirname, "..");

/** Starts a program of the project and waits until it says that it is ready. */
export async function startChild(file: string, env: Record<string, string>): Promise<ChildProcess> {
	const child = fork(join(ROOT, file), {
		env: { ...process.env, ...env },
		cwd: ROOT,
		stdio: ["ignore", "ignore", "inherit", "ipc"],
	});
	await new Promise<void>((resolve, reject) => {
		child.once("message", () => resolve());
		child.once("exit", code => reject(new Error(`${file} ended with code ${code}`)));
	});
	return child;
}

export interface Rate {
	rps: number;
	p50: number;
	p99: number;
	errors: number;
}

/** GETs of one URL over 50 connections, after a warm-up that does not count. Latencies in ms. */
export async function measure(url: string, seconds = 8): Promise<Rate> {
	await autocannon({ url, connections: 50, duration: 2 });
	const { requests, latency, errors, non2xx } = await autocannon({ url, connections: 50, duration: seconds });
	return { rps: Math.round(requests.average), p50: latency.p50, p99: latency.p99, errors: errors + non2xx };
}

/** The value below which `share` of the sorted numbers lie. */
export const quantile = (sorted: readonly number[], share: number): number =>
	sorted[Math.floor(sorted.length * share)] ?? 0;
