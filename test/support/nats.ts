import { findOrStartNats } from "./servers.ts";

export interface TestNats {
	url: string;
	/** As a power cut. */
	kill(): Promise<void>;
	start(): Promise<void>;
	stop(): Promise<void>;
}

/** A real NATS server with JetStream on loopback, for suites that cannot do without one. */
export async function startNats(): Promise<TestNats> {
	const server = await findOrStartNats();
	if (!server) throw new Error("This suite needs nats-server on the PATH");
	return { ...server, kill: () => server.kill("SIGKILL") };
}
