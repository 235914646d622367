import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../lib/config.ts";
import { type StoaNode, startNode } from "../../node.ts";

export interface TestNode extends StoaNode {
	dataDir: string;
}

/** Settings that keep a test on loopback, quiet and unlimited. Ports are chosen by the system. */
export const testEnv = (dataDir: string): Record<string, string> => ({
	DATA_DIR: dataDir,
	PORT: "0",
	OPS_PORT: "0",
	MAILBOX_PORT: "0",
	LOG_LEVEL: "silent",
	// The same for all: nodes that share a database (`MONGODB_URI`) share what is sealed in it.
	STOA_SECRET: "the secret of every node that a test starts",
	RATE_LIMIT: "0",
	AUTH_RATE_LIMIT: "0",
	DEMO_DATA: "0",
	...(process.env["MONGODB_URI"] ? { MONGODB_URI: process.env["MONGODB_URI"] } : {}),
});

/** A node in this process, on engines of its own, in a data directory that its stop removes. */
export async function startTestNode(
	options: { services?: string[]; env?: Record<string, string> } = {},
): Promise<TestNode> {
	const dataDir = await mkdtemp(join(tmpdir(), "stoa-test-"));
	const services = options.services ? { SERVICES: options.services.join(",") } : {};
	const node = await startNode(loadConfig({ ...testEnv(dataDir), ...services, ...options.env }));
	const stop = async () => {
		await node.stop();
		await rm(dataDir, { recursive: true, force: true });
	};
	return { ...node, dataDir, stop };
}
