import net from "node:net";
import { parentPort, workerData } from "node:worker_threads";
// @ts-expect-error the interim engine is JavaScript
import { Server } from "./interim/commands.mjs";
// @ts-expect-error the interim engine is JavaScript
import { Journal } from "./interim/store.mjs";
// @ts-expect-error the interim engine is JavaScript
import { serve } from "./interim/wire.mjs";

const { dataDir, socketPath, port, params } = workerData;
const journal = new Journal(dataDir);
const server = new Server({ journal, params, port });
server.recover();
const sockets = new Set<net.Socket>();
const listener = net.createServer(socket => {
	sockets.add(socket);
	socket.on("close", () => sockets.delete(socket));
	serve(socket, server);
});
const timer = setInterval(() => server.expire(), 60_000);
listener.listen(socketPath ? { path: socketPath } : { port, host: "127.0.0.1" }, () =>
	parentPort?.postMessage({ listening: socketPath ?? (listener.address() as net.AddressInfo).port }),
);
parentPort?.on("message", message => {
	if (message !== "close") return;
	clearInterval(timer);
	listener.close();
	for (const socket of sockets) socket.destroy();
	journal.close();
	parentPort?.close();
});
