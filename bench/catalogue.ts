import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../cluster/ports.ts";
import { measure, startChild } from "./load.ts";

/** `node run.mjs bench/catalogue.ts`: list and detail of the demo catalogue, against bare moleculer-web and the same bytes. */

const dataDir = await mkdtemp(join(tmpdir(), "stoa-bench-"));
const [port, barePort] = [await freePort(), await freePort()];
const settings = {
	DATA_DIR: dataDir,
	PORT: String(port),
	OPS_PORT: "0",
	MAILBOX_PORT: "0",
	RATE_LIMIT: "0",
	LOG_LEVEL: process.env["LOG_LEVEL"] ?? "info",
};
const shop = await startChild("main.ts", settings);
try {
	const api = `http://127.0.0.1:${port}/api/v1`;
	const list = `${api}/products?limit=20`;
	let body = await (await fetch(list)).text();
	while (JSON.parse(body).items.length < 20) {
		await new Promise(resolve => setTimeout(resolve, 200));
		body = await (await fetch(list)).text();
	}
	const bare = await startChild("bench/bare.ts", { BODY: body, PORT: String(barePort) });
	const rows: Record<string, object> = {};
	const bareRate = await measure(`http://127.0.0.1:${barePort}/list`);
	rows["bare moleculer-web, same bytes as the list"] = bareRate;
	const targets = {
		"product list, 20 items, warm": list,
		"product detail, warm": `${api}/products/${JSON.parse(body).items[0].id}`,
	};
	for (const [name, url] of Object.entries(targets)) {
		const rate = await measure(url);
		rows[name] = { ...rate, "of bare": `${Math.round((rate.rps / bareRate.rps) * 100)} %` };
	}
	console.log(
		`${Buffer.byteLength(body)} bytes a list, one process, request log ${settings.LOG_LEVEL}, 50 connections, the load generator on the same cores`,
	);
	console.table(rows);
	bare.kill();
} finally {
	shop.kill("SIGTERM");
	await new Promise(resolve => shop.once("exit", resolve));
	await rm(dataDir, { recursive: true, force: true });
}
