import type { StoaNode } from "../node.ts";

/** What a start tells: where things are, on which engines, and what to do next. */
export function banner({ broker, opsUrl }: StoaNode, ms: number): string {
	const { config, publicUrl, events, jobs, cache, mail } = broker.stoa;
	const hasGateway = broker.getLocalService("api") !== undefined;
	const engines = [
		`database ${config.mongodbUri ? "MongoDB" : "embedded"}`,
		`events ${events.engine}`,
		`jobs ${jobs.engine}`,
		`cache ${cache.engine}`,
		`mail ${mail.engine}`,
	];
	const lines = [
		`Stoa is ready in ${(ms / 1000).toFixed(1)} s`,
		"",
		...(hasGateway ? [`  API          ${publicUrl}/api/v1`, `  Reference    ${publicUrl}/docs`] : []),
		...(mail.url ? [`  Mailbox      ${mail.url}`] : []),
		`  Health       ${opsUrl}/health/ready`,
		`  Engines      ${engines.join(", ")}`,
		`  Data         ${config.dataDir}`,
		"",
		...hints(broker),
	];
	return `\n${lines.join("\n")}\n`;
}

function hints(broker: StoaNode["broker"]): string[] {
	const { config, cache } = broker.stoa;
	const admin = config.admin
		? [`  Admin        ${config.admin.email} (from STOA_ADMIN_EMAIL), unless there was one already`]
		: [
				"  First admin  stop, then STOA_ADMIN_EMAIL=you@example.com STOA_ADMIN_PASSWORD='12 characters or more' npm start",
			];
	const limits =
		config.natsUrl && cache.engine === "memory" ? ["  Without REDIS_URL rate limits count per process"] : [];
	const origins = [...(config.isProduction ? [] : ["any port of localhost"]), ...config.corsOrigins];
	const browsers =
		broker.getLocalService("api") && origins.length > 0
			? [`  Browsers     pages from ${origins.join(", ")} may call it (CORS_ORIGINS)`]
			: [];
	return [...browsers, ...admin, ...limits, "  Stop with Ctrl-C"];
}
