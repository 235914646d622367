import { Errors, type ServiceBroker } from "moleculer";
import type { Middleware } from "./middleware.ts";

/** After a reconnect the other nodes need their own time to subscribe again. */
const GRACE_MS = 1_000;

interface NatsClient {
	close(): Promise<void>;
	status(): AsyncIterable<{ type: string }>;
}
interface WithTransit {
	transit?: {
		tx?: { client?: NatsClient | null };
		discoverer: { sendLocalNodeInfo(): unknown; discoverAllNodes(): unknown };
	};
}

export interface NatsGuard extends Middleware {
	isUp(): boolean;
	/** Lets the connection go without a word: Moleculer's own way out waits for an answer, and a frozen server gives none. */
	leave(): void;
}

/**
 * Fails calls to other nodes at once while the message bus is away (they would hang until their timeout), and says so
 * to the readiness check: Moleculer itself believes to be connected all the while.
 */
export function createNatsGuard(): NatsGuard {
	let isUp = false;
	let grace: NodeJS.Timeout | undefined;
	let current: NatsClient | undefined;
	const watched = new WeakSet<NatsClient>();

	async function watch(client: NatsClient, { transit }: WithTransit): Promise<void> {
		for await (const { type } of client.status()) {
			if (type === "disconnect") {
				clearTimeout(grace);
				isUp = false;
			}
			if (type === "reconnect") {
				transit?.discoverer.sendLocalNodeInfo();
				transit?.discoverer.discoverAllNodes();
				grace = setTimeout(() => {
					isUp = true;
				}, GRACE_MS).unref();
			}
		}
		isUp = false;
	}

	return {
		name: "NatsGuard",
		isUp: () => isUp,
		leave() {
			current?.close().catch(() => undefined);
		},
		created(broker: ServiceBroker) {
			broker.localBus.on("$transporter.connected", () => {
				const withTransit = broker as unknown as WithTransit;
				const client = withTransit.transit?.tx?.client;
				if (!client || watched.has(client)) return;
				watched.add(client);
				current = client;
				isUp = true;
				watch(client, withTransit).catch((error: unknown) => broker.logger.warn("The bus is no longer watched", error));
			});
		},
		stopped() {
			clearTimeout(grace);
		},
		remoteAction: next => ctx =>
			isUp ? next(ctx) : Promise.reject(new Errors.MoleculerRetryableError("Message bus is down", 503, "BUS_DOWN", {})),
	};
}
