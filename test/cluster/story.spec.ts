import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startCluster } from "../../cluster/launcher.ts";
import { tellTheStory } from "../e2e/story.ts";

tellTheStory("in a cluster with two gateways", async env => {
	const dataDir = await mkdtemp(join(tmpdir(), "stoa-story-"));
	const cluster = await startCluster({
		dataDir,
		groups: [
			{ name: "gateway-1", services: ["api", "products", "carts"] },
			{ name: "gateway-2", services: ["api", "products", "carts"] },
			{ name: "accounts", services: ["auth", "users"] },
			{ name: "orders", services: ["orders"] },
			{ name: "stock", services: ["inventory"] },
			{ name: "payments", services: ["payments"] },
			{ name: "provider", services: ["test-payments"] },
			{ name: "mail", services: ["notifications"] },
		],
		env,
	});
	return {
		urls: cluster.urls,
		mongodbUri: cluster.mongodbUri,
		async stop() {
			await cluster.stop();
			await rm(dataDir, { recursive: true, force: true });
		},
	};
});
