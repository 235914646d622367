import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ServiceBroker } from "moleculer";
import { loadConfig } from "./lib/config.ts";
import { natsOptions } from "./lib/nats-url.ts";
import { withSecretFiles } from "./lib/secret-files.ts";
import type { AppBroker } from "./lib/typed.ts";
import { brokerOptions } from "./moleculer.config.ts";
import { findCommand, OPERATOR_COMMANDS, type OperatorCommand, type OperatorDeps } from "./operator/commands.ts";
import { moleculerCommand } from "./operator/moleculer.ts";

/**
 * `npm run console`: Moleculer's REPL on a running cluster, with commands of the shop. Where the cluster is comes from
 * NATS_URL, or from what `npm run cluster` wrote into DATA_DIR. `-- --run "<command>"` runs one command and ends with
 * its result as exit code.
 */

const { values } = parseArgs({ options: { nats: { type: "string" }, run: { type: "string" } } });
const MEET_MS = 1_500;
const ATTACH_MS = 10_000;

interface ClusterFile {
	natsUrl: string;
	mongodbUri: string;
}

try {
	const { natsUrl, mongodbUri } = locate();
	const config = loadConfig({
		NATS_URL: natsUrl,
		MONGODB_URI: mongodbUri,
		STOA_SECRET: "of no use here: 0123456789abcdef",
		NODE_ID: `console-${process.pid}`,
	});
	const { namespace, nodeID, transporter, serializer, requestTimeout } = brokerOptions(config);
	const deps: OperatorDeps = {
		broker: undefined as unknown as AppBroker,
		mongodbUri,
		print: text => console.log(text),
	};
	const broker = new ServiceBroker({
		...{ namespace, nodeID, transporter, serializer, requestTimeout },
		logger: false,
		replOptions: { delimiter: "stoa $", customCommands: OPERATOR_COMMANDS.map(command => forRepl(command, deps)) },
	});
	deps.broker = broker as unknown as AppBroker;
	await withDeadline(broker.start(), `NATS does not answer at ${natsOptions(natsUrl).servers.join()}`);
	await meet(broker);
	if (values.run === undefined) broker.repl();
	else {
		const isRight = await runOnce(values.run, deps);
		await broker.stop();
		process.exit(isRight ? 0 : 1);
	}
} catch (error) {
	console.error(error instanceof Error ? error.message : error);
	process.exit(1);
}

async function withDeadline<T>(work: Promise<T>, message: string): Promise<T> {
	const timer = Promise.withResolvers<never>();
	const timeout = setTimeout(() => timer.reject(new Error(`${message}: is the cluster running?`)), ATTACH_MS);
	try {
		return await Promise.race([work, timer.promise]);
	} finally {
		clearTimeout(timeout);
	}
}

function locate(): { natsUrl: string; mongodbUri: string | undefined } {
	const mistakes: string[] = [];
	const env = withSecretFiles(process.env, mistakes);
	if (mistakes.length > 0) throw new Error(mistakes.join("\n"));
	const file = join(env["DATA_DIR"] ?? "data", "cluster.json");
	const natsUrl = values.nats ?? env["NATS_URL"];
	const written = read(file);
	const found = natsUrl ?? written?.natsUrl;
	if (!found)
		throw new Error(
			`There is no cluster to attach to: start one with \`npm run cluster\`, or set NATS_URL (looked for ${file})`,
		);
	return { natsUrl: found, mongodbUri: env["MONGODB_URI"] ?? written?.mongodbUri };
}

function read(file: string): ClusterFile | undefined {
	try {
		return JSON.parse(readFileSync(file, "utf8"));
	} catch {
		// No cluster was started from this folder.
		return undefined;
	}
}

/** Waits until the nodes of the cluster have introduced themselves. */
async function meet(broker: ServiceBroker): Promise<void> {
	await broker
		.waitForServices("orders", MEET_MS, 50)
		.catch(() => console.error("The cluster has not introduced all its services yet"));
}

/** The shop's own commands go before Moleculer's. */
async function runOnce(line: string, deps: OperatorDeps): Promise<boolean> {
	const [name = "", ...args] = line.trim().split(/\s+/);
	const isOurs = OPERATOR_COMMANDS.some(({ usage }) => usage.split(" ")[0] === name);
	const others = isOurs ? undefined : moleculerCommand(deps.broker, line);
	return others ? others() : findCommand(name).run(deps, args);
}

/** A command as moleculer-repl takes it: its arguments come by name, in the order of the usage. */
function forRepl(command: OperatorCommand, deps: OperatorDeps) {
	const names = [...command.usage.matchAll(/[<[](\w+)[>\]]/g)].map(([, name = ""]) => name);
	return {
		command: command.usage,
		description: command.description,
		// Moleculer types the arguments as a list; the REPL hands them over by name.
		async action(_broker: ServiceBroker, args: string[]) {
			const given = args as unknown as Record<string, unknown>;
			try {
				await command.run(
					deps,
					names.flatMap(name => (given[name] === undefined ? [] : [String(given[name])])),
				);
			} catch (error) {
				deps.print(error instanceof Error ? error.message : String(error));
			}
		},
	};
}
