import mongoose, { type Connection } from "mongoose";

/**
 * The node's connections: one per URI, `w: majority, j: true`, shared by all services of the process. A service's
 * models live in a database named after it. Opened by the node before its services, closed after them.
 */
export interface Database {
	/** The connection of one service, bound to its own database. */
	of(service: string): Connection;
	/** Resolves when every connection in use answers. */
	ping(): Promise<void>;
	close(): Promise<void>;
}

const TIMEOUT_MS = 5_000;

/**
 * @param uri the database of all services that have none of their own
 * @param serviceUris URIs of single services (`ORDERS_MONGODB_URI` …)
 */
export function createDatabase(uri: string, serviceUris: Readonly<Record<string, string>> = {}): Database {
	const connections = new Map<string, Connection>();
	const connect = (to: string): Connection => {
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
		connections.set(to, connection);
		return connection;
	};
	return {
		of: service => connect(serviceUris[service] ?? uri).useDb(service, { useCache: true }),
		async ping() {
			await Promise.all(
				[...connections.values()].map(async connection => {
					await connection.asPromise();
					await connection.db?.command({ ping: 1 }, { timeoutMS: TIMEOUT_MS });
				}),
			);
		},
		async close() {
			await Promise.all([...connections.values()].map(connection => connection.close()));
			connections.clear();
		},
	};
}
