import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startCluster } from "../cluster/launcher.ts";
import { checkInvariants } from "../invariants/index.ts";
import { quantile } from "./load.ts";
import { sum, type Usage, usageOf, usagePer } from "./usage.ts";

/**
 * `node run.mjs bench/checkout.ts [--seconds 15] [--buyers 32] [--one-sku]`: carts with a line become paid orders, two
 * requests each, over a gateway, NATS and four processes, on the embedded database as a process of its own with
 * `w: majority, j: true`. The invariants are checked at the end.
 */
const { values } = parseArgs({
	options: {
		seconds: { type: "string", default: "15" },
		buyers: { type: "string", default: "32" },
		"one-sku": { type: "boolean", default: false },
	},
});
const ADMIN = { email: "bench@shop.test", password: "correct horse battery staple" };
const ADDRESS = { name: "A", line1: "1 Street", city: "Town", postalCode: "1", country: "DE" };
const SKUS = values["one-sku"] ? 1 : 50;

const dataDir = await mkdtemp(join(tmpdir(), "stoa-bench-"));
const cluster = await startCluster({
	dataDir,
	restart: false,
	groups: [
		{ name: "gateway", services: ["api", "products", "carts"] },
		{ name: "orders", services: ["orders"] },
		{ name: "stock", services: ["inventory", "auth", "users", "notifications"] },
		{ name: "payments", services: ["payments", "test-payments"] },
	],
	env: {
		RATE_LIMIT: "0",
		AUTH_RATE_LIMIT: "0",
		DEMO_DATA: "0",
		MAILBOX_PORT: "0",
		LOG_LEVEL: "warn",
		STOA_ADMIN_EMAIL: ADMIN.email,
		STOA_ADMIN_PASSWORD: ADMIN.password,
	},
});
const api = `${cluster.urls[0]}/api/v1`;

interface Body {
	id: string;
	accessToken?: string;
	totals: { total: object };
}

async function post(path: string, body: unknown, headers: Record<string, string> = {}) {
	const answer = await fetch(api + path, {
		method: "POST",
		headers: { "content-type": "application/json", ...headers },
		body: JSON.stringify(body),
	});
	return { status: answer.status, body: (await answer.json()) as Body };
}

/** Waits until the database has next to nothing to do but to answer those who look for work. */
async function settled(): Promise<Usage> {
	let last = await usageOf(cluster);
	for (let i = 0; i < 60; i++) {
		await new Promise(resolve => setTimeout(resolve, 500));
		const now = await usageOf(cluster);
		const writes = (usage: Usage) => (usage.commands["update"] ?? 0) + (usage.commands["findAndModify"] ?? 0);
		if (writes(now) - writes(last) < 10) return now;
		last = now;
	}
	return last;
}

try {
	let token = "";
	while (!token) token = (await post("/auth/login", ADMIN)).body.accessToken ?? "";
	const staff = { authorization: `Bearer ${token}` };
	for (let i = 0; i < SKUS; i++) {
		await post(
			"/admin/products",
			{
				title: `Thing ${i}`,
				status: "published",
				variants: [{ sku: `B-${i}`, price: { amount: 1_000, currency: "EUR" } }],
			},
			staff,
		);
		await post(`/admin/inventory/B-${i}/receipts`, { quantity: 1_000_000, reason: "bench" }, staff);
	}
	const times: number[] = [];
	let failed = 0;
	let n = 0;
	const buyer = async (until: number, isCounted: boolean) => {
		while (performance.now() < until) {
			const i = n++;
			const cart = await post("/carts", { lines: [{ sku: `B-${i % SKUS}`, quantity: 1 }] });
			const startedAt = performance.now();
			const order = await post(
				`/carts/${cart.body.id}/checkout`,
				{
					email: "b@shop.test",
					shippingAddress: ADDRESS,
					payment: { method: "test", token: "tok_ok" },
					expectedTotal: cart.body.totals.total,
				},
				{ "idempotency-key": `bench-${i}` },
			);
			if (order.status !== 201) failed++;
			else if (isCounted) times.push(performance.now() - startedAt);
		}
	};
	const run = (seconds: number, isCounted: boolean) =>
		Promise.all(
			Array.from({ length: Number(values.buyers) }, () => buyer(performance.now() + seconds * 1_000, isCounted)),
		);
	await run(4, false);
	const seconds = Number(values.seconds);
	const before = await usageOf(cluster);
	await run(seconds, true);
	const answered = await usageOf(cluster);
	times.sort((a, b) => a - b);
	console.log(`${values.buyers} buyers, ${SKUS} SKU, ${seconds} s, two requests an order (cart with a line, checkout)`);
	console.table({
		checkout: {
			"orders/s": Math.round(times.length / seconds),
			"p50 ms": Math.round(quantile(times, 0.5)),
			"p99 ms": Math.round(quantile(times, 0.99)),
			failed,
		},
	});
	const used = (until: Usage) => {
		const { processorMs, commands } = usagePer(times.length, before, until);
		return { "processor ms": sum(processorMs), commands: sum(commands), ...processorMs };
	};
	const quiet = await settled();
	console.log(
		"For each order, until the last answer and until all that follows was done (a cart and its line included)",
	);
	console.table({ answered: used(answered), settled: used(quiet) });
	console.log(usagePer(times.length, before, quiet).commands);
	let report = await checkInvariants(cluster.mongodbUri);
	for (let i = 0; i < 60 && !report.ok; i++) {
		await new Promise(resolve => setTimeout(resolve, 500));
		report = await checkInvariants(cluster.mongodbUri);
	}
	console.log(report.ok ? `All invariants hold over ${report.checked.orders} orders` : report.violations.slice(0, 10));
} finally {
	await cluster.stop();
	await rm(dataDir, { recursive: true, force: true });
}
