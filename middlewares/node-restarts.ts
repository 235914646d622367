import type { ServiceBroker } from "moleculer";
import type { Middleware } from "./middleware.ts";

interface NodeEvent {
	node: { id: string; instanceID: string; local: boolean };
}

/**
 * A process that died and came back under its name sends heartbeats as if nothing had happened, so calls that its
 * predecessor never answered would hang until their timeout. Its instance id tells: such calls end at once, as those to
 * a lost node do.
 */
export const nodeRestarts: Middleware = {
	name: "NodeRestarts",
	created(broker: ServiceBroker) {
		const instances = new Map<string, string>();
		const look = ({ node }: NodeEvent) => {
			const before = instances.get(node.id);
			instances.set(node.id, node.instanceID);
			if (before === undefined || before === node.instanceID) return;
			(broker.transit as unknown as { removePendingRequestByNodeID(id: string): void }).removePendingRequestByNodeID(
				node.id,
			);
		};
		broker.localBus.on("$node.connected", look);
		broker.localBus.on("$node.updated", look);
	},
};
