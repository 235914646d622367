import { parseArgs } from "node:util";
import { startEmbeddedMongod } from "./index.ts";

const { values } = parseArgs({
	options: {
		port: { type: "string", default: "27017" },
		dbpath: { type: "string" },
		setParameter: { type: "string", multiple: true, default: [] },
	},
	strict: false,
});
const params = Object.fromEntries(
	(values.setParameter as string[]).map(p => {
		const [name = "", value = ""] = p.split("=");
		return [name, value === "1" || value === "true" ? true : Number.isNaN(Number(value)) ? value : Number(value)];
	}),
);
const server = await startEmbeddedMongod({ dataDir: String(values.dbpath), port: Number(values.port), params });
console.log(JSON.stringify({ msg: "Waiting for connections", attr: { port: Number(values.port) } }));
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => server.close().then(() => process.exit(0)));
