// The engine in a worker thread. It ends by an uncaught error when its files fail, and the host hears of that.
import { parentPort, workerData } from "node:worker_threads";
import type { Params } from "./params.ts";
import type { Login } from "./scram.ts";
import { type Address, startServer } from "./server.ts";

/** What the host hands over. */
export interface WorkerInput {
	dataDir: string;
	address: Address;
	params: Params;
	login?: Login | undefined;
}
export type WorkerMessage =
	| { type: "listening"; port: number | undefined }
	| { type: "failed"; name: string; message: string };

const { dataDir, address, params, login } = workerData as WorkerInput;
const post = (message: WorkerMessage) => parentPort?.postMessage(message);

try {
	const options = {
		dataDir,
		params,
		onFatal(error: Error) {
			post({ type: "failed", name: error.name, message: error.message });
			// After the replies that tell clients of it: their writes are not acknowledged.
			setImmediate(() => {
				throw error;
			});
		},
	};
	const server = await startServer(address, options, login);
	parentPort?.once("message", async () => {
		await server.close();
		parentPort?.close();
	});
	post({ type: "listening", port: server.port });
} catch (error) {
	post({ type: "failed", name: (error as Error).name, message: (error as Error).message });
}
