import { tellTheStory } from "../e2e/story.ts";
import { startTestCluster } from "../support/cluster.ts";

tellTheStory("in a cluster with two gateways", env =>
	startTestCluster(
		[
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
	),
);
