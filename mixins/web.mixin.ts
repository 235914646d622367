import type { ServiceSchema, ServiceSettingSchema } from "moleculer";
import ApiGateway from "moleculer-web";

/**
 * moleculer-web as a request handler without a server of its own: the root context, the routing hooks, static files.
 * Of its actions only the private `rest` stays; `listAliases`, `addRoute` and `removeRoute` are nobody's to call, and
 * its own server would neither drain nor time out as Stoa's does.
 */
export function web({ publicDir }: { publicDir: string }): Partial<ServiceSchema> {
	const gateway = ApiGateway as unknown as Required<
		Pick<ServiceSchema, "actions" | "methods" | "created" | "metadata">
	>;
	const { rest } = gateway.actions;
	if (!rest) throw new Error("moleculer-web has no rest action");
	return {
		metadata: gateway.metadata,
		settings: {
			// The registry tells every node the settings of every service: not these.
			$secureSettings: ["assets", "routes", "server"],
			server: false,
			routes: [{ path: "/", mappingPolicy: "restrict", bodyParsers: false, aliases: {} }],
			assets: { folder: publicDir, options: { extensions: ["html"], index: ["index.html"], redirect: false } },
			logRequest: null,
			logResponse: null,
			logRequestParams: null,
			logRouteRegistration: null,
		} as ServiceSettingSchema,
		actions: { rest },
		methods: gateway.methods,
		created: gateway.created,
	};
}
