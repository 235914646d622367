import { ConfigError, loadConfig } from "./lib/config.ts";
import { createLogger } from "./lib/logger.ts";
import { checkSurroundings } from "./lib/preflight.ts";
import { mistakesInServices } from "./lib/service-names.ts";
import { problemOf, SurroundingsError } from "./lib/surroundings.ts";
import { SERVICES, type StoaNode, startNode } from "./node.ts";
import { banner } from "./scripts/banner.ts";

/** Starts one node: the whole shop, or the services that SERVICES names. */

/** A supervisor waits for half a minute, a person at a terminal does not. */
const STOP_DEADLINE_MS = { SIGTERM: 25_000, SIGINT: 8_000 } as const;
/** The terminal and npm may both hand on one Ctrl-C. */
const ONE_PRESS_MS = 500;
const MEET_TIMEOUT_MS = 20_000;

const startedAt = performance.now();
const config = readConfig();
/** A node that a launcher started writes into a file. */
const isForPeople = process.stdout.isTTY === true || !process.send;
const log = createLogger(config.logLevel);
let node: StoaNode | undefined;
let stopping: Promise<void> | undefined;

for (const signal of ["SIGTERM", "SIGINT"] as const) {
	let firstAt = 0;
	process.on(signal, () => {
		if (stopping && performance.now() - firstAt < ONE_PRESS_MS) return;
		if (stopping) process.exit(1);
		firstAt = performance.now();
		if (isForPeople) console.log("Stopping: what is under way is finished first. Ctrl-C again ends it at once.");
		void stop(0, STOP_DEADLINE_MS[signal]);
	});
}
// A node that a launcher started does not outlive it.
process.on("disconnect", () => void stop(0));
if (process.connected === false) void stop(0);
process.on("unhandledRejection", error => fatal(error, "A rejection was not handled"));

refuseUnknownServices();
refuseLonelyPart();

try {
	await checkSurroundings(config, config.services?.includes("api") ?? true, line => console.error(line));
	node = await startNode(config, error => fatal(error, "An engine ended on its own"));
	process.on("message", message => void meet(message as { waitFor?: string[] } | null));
	process.send?.({
		ready: true,
		url: node.broker.stoa.publicUrl,
		opsUrl: node.opsUrl,
		mailUrl: node.broker.stoa.mail.url,
	});
	if (isForPeople) console.log(banner(node, performance.now() - startedAt));
} catch (error) {
	refuseOrFail(error);
}

/** What the surroundings cause needs a remedy, everything else needs its stack. */
function refuseOrFail(error: unknown): void {
	// A start that was interrupted fails somewhere, which is no news.
	if (stopping) return;
	const problem = problemOf(error, config);
	if (error instanceof SurroundingsError || problem) {
		console.error(error instanceof SurroundingsError ? error.message : new SurroundingsError([problem ?? ""]).message);
		void stop(1);
	} else fatal(error, "Stoa could not start");
}

/** For a launcher: tells when this node knows the other services of the cluster, or that it did not find them. */
async function meet(message: { waitFor?: string[] } | null): Promise<void> {
	if (!node || !message?.waitFor) return;
	const hasMet = await node.broker.waitForServices(message.waitFor, MEET_TIMEOUT_MS, 50).then(
		() => true,
		() => false,
	);
	if (!hasMet) log.warn({ waitFor: message.waitFor }, "Not all services of the cluster were found");
	process.send?.({ hasMet });
}

function refuseUnknownServices(): void {
	const mistakes = mistakesInServices(config, SERVICES);
	if (mistakes.length === 0) return;
	console.error(new ConfigError(mistakes).message);
	process.exit(1);
}

/** A part of the shop is of no use where the other parts cannot be reached. */
function refuseLonelyPart(): void {
	const missing = SERVICES.filter(name => config.services && !config.services.includes(name));
	if (config.natsUrl || missing.length === 0) return;
	console.error(`SERVICES leaves out ${missing.join(", ")}: set NATS_URL to where they are, or start the whole shop`);
	process.exit(1);
}

function readConfig() {
	try {
		return loadConfig(process.env);
	} catch (error) {
		if (!(error instanceof ConfigError)) throw error;
		console.error(error.message);
		process.exit(1);
	}
}

function fatal(error: unknown, what: string): void {
	log.fatal({ err: error }, what);
	void stop(1);
}

function stop(code: number, deadlineMs: number = STOP_DEADLINE_MS.SIGTERM): Promise<void> {
	stopping ??= (async () => {
		setTimeout(() => {
			console.error(
				`Not everything ended within ${deadlineMs / 1000} s; the rest is ended now, and found again at the next start.`,
			);
			process.exit(1);
		}, deadlineMs).unref();
		await node?.stop().catch(error => log.error({ err: error }, "The node did not stop cleanly"));
		if (isForPeople && code === 0) console.log("Stopped.");
		process.exit(code);
	})();
	return stopping;
}
