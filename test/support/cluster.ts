import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Cluster, type Group, startCluster } from "../../cluster/launcher.ts";
import { ADMIN } from "./shop.ts";

export interface TestCluster extends Cluster {
	dataDir: string;
}

/** A cluster on loopback, quiet and unlimited, in a data directory that its stop removes. Nothing restarts by itself. */
export async function startTestCluster(
	groups: readonly Group[],
	env: Record<string, string> = {},
): Promise<TestCluster> {
	const dataDir = await mkdtemp(join(tmpdir(), "stoa-cluster-"));
	const cluster = await startCluster({
		dataDir,
		groups,
		restart: false,
		env: {
			LOG_LEVEL: "info",
			RATE_LIMIT: "0",
			AUTH_RATE_LIMIT: "0",
			DEMO_DATA: "0",
			MAILBOX_PORT: "0",
			STOA_ADMIN_EMAIL: ADMIN.email,
			STOA_ADMIN_PASSWORD: ADMIN.password,
			...servers(),
			...env,
		},
	});
	const stop = async () => {
		await cluster.stop();
		if (!process.env["STOA_KEEP_DATA"]) await rm(dataDir, { recursive: true, force: true });
	};
	return { ...cluster, dataDir, stop };
}

/** Servers that run already, where the environment names them. */
function servers(): Record<string, string> {
	const named = ["NATS_URL", "REDIS_URL", "MONGODB_URI"].map(name => [name, process.env[name]] as const);
	return Object.fromEntries(named.filter((entry): entry is readonly [string, string] => Boolean(entry[1])));
}
