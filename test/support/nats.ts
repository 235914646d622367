import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./until.ts";

export interface TestNats {
	url: string;
	/** As a power cut. */
	kill(): Promise<void>;
	start(): Promise<void>;
	stop(): Promise<void>;
}

/** A real NATS server with JetStream on loopback. */
export async function startNats(): Promise<TestNats> {
	const port = await freePort();
	const dir = await mkdtemp(join(tmpdir(), "stoa-nats-"));
	let child: ChildProcess | undefined;
	const start = async () => {
		child = spawn("nats-server", ["-a", "127.0.0.1", "-p", String(port), "-js", "-sd", dir], { stdio: "ignore" });
		await until("NATS", () => accepts(port));
	};
	const kill = async () => {
		const ended = new Promise(resolve => child?.once("exit", resolve));
		child?.kill("SIGKILL");
		await ended;
	};
	await start();
	return {
		url: `nats://127.0.0.1:${port}`,
		kill,
		start,
		async stop() {
			if (child?.exitCode === null && child.signalCode === null) await kill();
			await rm(dir, { recursive: true, force: true });
		},
	};
}

async function freePort(): Promise<number> {
	const server = createServer();
	await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve));
	const { port } = server.address() as AddressInfo;
	await new Promise(resolve => server.close(resolve));
	return port;
}

const accepts = (port: number): Promise<boolean> =>
	new Promise(resolve => {
		const socket = connect(port, "127.0.0.1", () => {
			socket.destroy();
			resolve(true);
		});
		socket.once("error", () => resolve(false));
	});
