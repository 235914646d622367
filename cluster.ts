import { parseArgs } from "node:util";
import { DEFAULT_GROUPS, type Group, startCluster } from "./cluster/launcher.ts";
import { ConfigError, loadConfig } from "./lib/config.ts";
import { checkSurroundings } from "./lib/preflight.ts";
import { withSecretFiles } from "./lib/secret-files.ts";
import { SERVICES } from "./node.ts";

/** `npm run cluster [-- --gateways 2 --orders 2]`: the whole shop as processes that find each other over NATS. */

const { values } = parseArgs({
	options: {
		gateways: { type: "string", default: "1" },
		orders: { type: "string", default: "1" },
		help: { type: "boolean", short: "h", default: false },
	},
});
if (values.help) {
	console.log(
		"npm run cluster [-- --gateways N --orders N]   settings as for npm start; NATS_URL, REDIS_URL, MONGODB_URI name servers that run already",
	);
	process.exit(0);
}

const copies = (group: Group, count: number): Group[] =>
	count === 1 ? [group] : Array.from({ length: count }, (_, i) => ({ ...group, name: `${group.name}-${i + 1}` }));

/** Services that no group names, such as new ones, run in a process of their own. */
function allGroups(): Group[] {
	const named = new Set(DEFAULT_GROUPS.flatMap(({ services }) => services));
	const others = SERVICES.filter(name => !named.has(name));
	return others.length > 0 ? [...DEFAULT_GROUPS, { name: "others", services: others }] : [...DEFAULT_GROUPS];
}

const counts: Record<string, number> = { gateway: Number(values.gateways), orders: Number(values.orders) };
for (const [name, count] of Object.entries(counts)) {
	if (!Number.isInteger(count) || count < 1 || count > 16) {
		console.error(`--${name === "gateway" ? "gateways" : name} must be a whole number from 1 to 16`);
		process.exit(1);
	}
}

try {
	// The children are told all that matters; here only the mistakes are looked for, before anything starts.
	const isProduction = process.env["NODE_ENV"]?.trim() === "production";
	const own = isProduction ? process.env : { ...process.env, NATS_URL: undefined, NATS_URL_FILE: undefined };
	const config = loadConfig(own);
	const env = withSecretFiles(process.env, []);
	const given = ["NATS_URL", "REDIS_URL", "MONGODB_URI", "PUBLIC_URL", "STOA_SECRET"].flatMap(name => {
		const value = env[name]?.trim();
		return value ? [[name, value]] : [];
	});
	await checkSurroundings(
		{
			...config,
			opsPort: 0,
			secret: undefined,
			natsUrl: env["NATS_URL"]?.trim() || undefined,
		},
		true,
		line => console.error(line),
	);
	const cluster = await startCluster({
		dataDir: config.dataDir,
		port: config.port,
		groups: allGroups().flatMap(group => copies(group, counts[group.name] ?? 1)),
		env: Object.fromEntries(given),
		onEvent: message => console.log(`${new Date().toISOString().slice(11, 19)} ${message}`),
	});
	let stoppingSince: number | undefined;
	for (const signal of ["SIGINT", "SIGTERM"] as const) {
		process.on(signal, () => {
			// The terminal and npm may both hand on one Ctrl-C.
			if (stoppingSince !== undefined && performance.now() - stoppingSince < 500) return;
			if (stoppingSince !== undefined) process.exit(1);
			stoppingSince = performance.now();
			console.log("Stopping: nodes first, then the servers. Ctrl-C again ends all at once.");
			void cluster.stop().then(() => process.exit(0));
		});
	}
	console.log("\nStoa runs as a cluster\n");
	console.table([
		...cluster.servers.map(({ name, pid, port }) => ({ process: name, pid, runs: `127.0.0.1:${port}` })),
		...cluster.processes.map(({ name, pid, services, opsUrl }) => ({
			process: name,
			pid,
			runs: services.join(", "),
			health: `${opsUrl}/health/ready`,
		})),
	]);
	if (!cluster.redisUrl)
		console.log("  No Redis: rate limits count per process, jobs run in the process that got them");
	console.log(`  API          ${cluster.urls.map(url => `${url}/api/v1`).join("  ")}`);
	console.log(`  Reference    ${cluster.urls[0]}/docs`);
	const mailUrl = cluster.processes.find(node => node.mailUrl)?.mailUrl;
	if (mailUrl) console.log(`  Mailbox      ${mailUrl}`);
	console.log(`  Logs         ${config.dataDir}/logs`);
	console.log("  Console      npm run console");
	console.log("  Stop with Ctrl-C\n");
} catch (error) {
	console.error(error instanceof ConfigError || error instanceof Error ? error.message : error);
	process.exit(1);
}
