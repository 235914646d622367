import type { ServiceBroker } from "moleculer";
import type { AppBroker } from "../lib/typed.ts";
import { MemoryCache } from "../ports/cache/memory.ts";
import type { Middleware } from "./middleware.ts";

/** Longer than any healthy node needs; a deaf one is healed by its values' short life. */
const ACKNOWLEDGED_MS = 500;
const SERVICE = "$cache";

const cacheOf = (broker: ServiceBroker) => (broker as unknown as AppBroker).stoa.cache;

/**
 * Several nodes without Redis: whoever writes tells every node which values are stale, and answers its client only
 * when they have acknowledged. `broadcast` would not do: it does not say when it arrived.
 */
export const clusterCache: Middleware = {
	name: "ClusterCache",
	created(broker) {
		broker.createService({
			name: SERVICE,
			actions: {
				forget: {
					visibility: "public",
					params: { aggregate: "string" },
					handler({ params }: { params: { aggregate: string } }) {
						const cache = cacheOf(broker);
						if (cache instanceof MemoryCache) cache.forget(params.aggregate);
						return true;
					},
				},
			},
		});
	},
	starting(broker) {
		const cache = cacheOf(broker);
		if (cache instanceof MemoryCache) cache.onBump(aggregate => tellPeers(broker, aggregate));
	},
};

async function tellPeers(broker: ServiceBroker, aggregate: string): Promise<void> {
	const nodes = broker.registry.getNodeList({ onlyAvailable: true, withServices: false }) as { id: string }[];
	const peers = nodes.map(node => node.id).filter(id => id !== broker.nodeID);
	const told = peers.map(nodeID =>
		broker.call(`${SERVICE}.forget`, { aggregate }, { nodeID, timeout: ACKNOWLEDGED_MS, retries: 0 }),
	);
	for (const [i, outcome] of (await Promise.allSettled(told)).entries()) {
		if (outcome.status === "rejected")
			broker.logger.debug(`${peers[i]} was not told that ${aggregate} changed`, outcome.reason);
	}
}
