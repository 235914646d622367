import type { Middleware } from "./middleware.ts";

interface Drainable {
	drain?(): Promise<void>;
}

/**
 * Before any service stops, the gateway finishes what it has begun: no new connections, idle ones closed, busy ones
 * told to close. Without it a server with busy keep-alive clients never ends.
 */
export const httpDrain: Middleware = {
	name: "HttpDrain",
	async stopping(broker) {
		const gateway = broker.getLocalService("api") as unknown as Drainable | undefined;
		await gateway?.drain?.();
	},
};
