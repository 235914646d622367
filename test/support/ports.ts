import type { AddressInfo, Server } from "node:net";

/** Lets a server listen on a free port, and gives that. */
export async function listeningPort(server: Server): Promise<number> {
	await new Promise<void>(resolve => server.listen(0, resolve));
	return (server.address() as AddressInfo).port;
}
