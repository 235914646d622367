import { ServiceBroker, type ServiceSchema } from "moleculer";
import ApiGateway from "moleculer-web";

/** moleculer-web with nothing around it, serving the JSON it is given: what a gateway of Stoa is compared with. */
const body = JSON.parse(process.env["BODY"] ?? "{}");
const port = Number(process.env["PORT"]);

const broker = new ServiceBroker({ logger: false });
broker.createService({ name: "shop", actions: { list: () => body } });
broker.createService({
	name: "api",
	mixins: [ApiGateway as Partial<ServiceSchema>],
	settings: { port, ip: "127.0.0.1", routes: [{ path: "/", aliases: { "GET list": "shop.list" } }] },
} as ServiceSchema);
await broker.start();
process.send?.("ready");
process.on("disconnect", () => process.exit(0));
