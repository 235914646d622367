import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Cluster, ClusterProcess } from "../../cluster/launcher.ts";
import type { LocalServer } from "../../cluster/servers.ts";
import { checkInvariants } from "../../invariants/index.ts";
import type { TestCluster } from "./cluster.ts";
import { isAlive } from "./servers.ts";
import { until } from "./until.ts";

/** What a test does to a cluster, and how it waits for the cluster to have got over it. */

/** Whether the whole process stands still (SIGSTOP). Linux tells in /proc. */
export function isFrozen({ pid }: ClusterProcess): boolean {
	try {
		return /^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
	} catch {
		// It is gone.
		return false;
	}
}

/** Kills a process and starts it again, with these settings on top of the cluster's. */
export async function killAndRestart(process: ClusterProcess, env: Readonly<Record<string, string>> = {}) {
	process.kill("SIGKILL");
	await process.exited();
	await process.restart(env);
}

export function serverOf(cluster: Cluster, name: string) {
	const found = cluster.servers.find(server => server.name === name);
	if (!found) throw new Error(`The cluster started no ${name}`);
	return found;
}

/** Kills a server of the cluster and starts it again on its port, some seconds later. @param isEmpty without NATS' streams */
export async function replaceServer(cluster: TestCluster, server: LocalServer, isEmpty: boolean): Promise<void> {
	server.kill("SIGKILL");
	await until(`the end of ${server.name}`, () => !isAlive(server.pid));
	if (isEmpty) await rm(join(cluster.dataDir, "nats", "streams"), { recursive: true, force: true });
	await new Promise(resolve => setTimeout(resolve, 2_000));
	await server.start();
}

/**
 * Waits until everything that was begun has ended, and stock, money and mails are right.
 * @returns what stays wrong; nothing, if all is well
 */
export async function leftWrong(cluster: Cluster, timeoutMs = 60_000): Promise<string[]> {
	const report = await until(
		"all sagas and outboxes to end",
		async () => {
			const found = await checkInvariants(cluster.mongodbUri);
			return found.ok && found;
		},
		timeoutMs,
	).catch(() => checkInvariants(cluster.mongodbUri));
	return report.violations.map(({ invariant, subject, message }) => `${invariant} ${subject} ${message}`);
}
