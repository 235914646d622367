import mongoose, { type Connection } from "mongoose";
import type { Clock } from "./clock.ts";
import { DatabaseClock } from "./database-clock.ts";

/**
 * The node's connections: one per URI, `w: majority, j: true`, shared by all services of the process. A service's
 * models live in a database named after it. Opened by the node before its services, closed after them.
 */
export interface Database {
	/** The connection of one service, bound to its own database. */
	of(service: string): Connection;
	/** The clock of the database that a service lives in; without a name, that of the services that have none of their own. */
	clockOf(service?: string): Clock;
	/** Connects and measures the clocks once, as far as the databases answer. */
	start(): Promise<void>;
	/** Resolves when every connection in use answers. */
	ping(): Promise<void>;
	close(): Promise<void>;
}

const TIMEOUT_MS = 5_000;

/**
 * @param uri the database of all services that have none of their own
 * @param serviceUris URIs of single services (`ORDERS_MONGODB_URI` …)
 * @param nodeClock what the databases' clocks are measured against
 */
export function createDatabase(uri: string, serviceUris: Readonly<Record<string, string>>, nodeClock: Clock): Database {
	const connections = new Map<string, { connection: Connection; clock: DatabaseClock }>();
	const connect = (to: string) => {
		const known = connections.get(to);
		if (known) return known;
		const connection = mongoose.createConnection(to, {
			autoIndex: false,
			autoCreate: false,
			maxPoolSize: 50,
			serverSelectionTimeoutMS: TIMEOUT_MS,
			socketTimeoutMS: 60_000,
			writeConcern: { w: "majority", journal: true },
		});
		// Without a listener a lost connection would be an unhandled 'error'; readiness reports it.
		connection.on("error", () => undefined);
		const clock = new DatabaseClock(connection, nodeClock);
		connections.set(to, { connection, clock });
		return { connection, clock };
	};
	const ofService = (service?: string) => connect((service && serviceUris[service]) ?? uri);
	return {
		of: service => ofService(service).connection.useDb(service, { useCache: true }),
		clockOf: service => ofService(service).clock,
		async start() {
			for (const to of [uri, ...Object.values(serviceUris)]) connect(to);
			await Promise.all([...connections.values()].map(({ clock }) => clock.start()));
		},
		async ping() {
			await Promise.all(
				[...connections.values()].map(async ({ connection }) => {
					await connection.asPromise();
					await connection.db?.command({ ping: 1 }, { timeoutMS: TIMEOUT_MS });
				}),
			);
		},
		async close() {
			for (const { clock } of connections.values()) clock.stop();
			await Promise.all([...connections.values()].map(({ connection }) => connection.close(true)));
			connections.clear();
		},
	};
}
