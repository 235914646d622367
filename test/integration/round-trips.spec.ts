import mongoose from "mongoose";
import { SERVICES } from "../../node.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { ADDRESS, eur } from "../support/shop.ts";
import { until } from "../support/until.ts";

const STAFF = { meta: { user: { id: "usr_staff", sessionId: "ses_staff", roles: ["admin" as const] } } };

interface ProfileEntry {
	op: string;
	ns: string;
	command?: {
		filter?: object;
		q?: object;
		query?: object;
		projection?: Record<string, unknown>;
		u?: unknown;
	};
}

/** What relays, sweeps and workers ask for, by what only they ask: it is not on the way to an answer. */
const OF_SWEEPS =
	/outbox\.at|lease\.(until|dueAt)|asking\.at|leaseUntil|webhook\.nextAt|nextExpiryAt|dirtyAt|cleanUpAt|checkout\.lookAt|leaseAt|"journal":\{"\$size":0/;
/** Taking entries out of an outbox or a journal. */
const OF_RELAYS = /"\$\$REMOVE"|"\$pull":\{"journal"/;
const OF_WORKERS = /\.(events|inbox|ledger|levels|announcements|system\..*|\$cmd.*)$/;

describe("Round trips to the database on the way to an answer", () => {
	let node: TestNode;
	let client: mongoose.mongo.MongoClient;

	beforeAll(async () => {
		node = await startTestNode({ services: ["products", "inventory", "carts", "orders", "payments", "test-payments"] });
		client = await mongoose.mongo.MongoClient.connect(node.mongodbUri);
		await node.broker.call(
			"products.create",
			{ title: "Lamp", status: "published", variants: [{ sku: "L-1", price: eur(500) }] },
			STAFF,
		);
		await node.broker.call("inventory.receive", { sku: "L-1", quantity: 10, reason: "opening" }, STAFF);
		await until(
			"the stock to be shown",
			async () => (await node.broker.call("products.get", { idOrSlug: "lamp" })).variants[0]?.available === "in_stock",
		);
		await until(
			"the events to be told",
			async () =>
				(await client
					.db("inventory")
					.collection("events")
					.countDocuments({ nextAt: { $type: "date" } })) === 0,
		);
		await node.broker.stoa.cache.bump("products");
	}, 30_000);

	afterAll(async () => {
		await client?.close();
		await node?.stop();
	});

	/** The operations that were done while this ran, background work left out. */
	async function operationsOf(work: () => Promise<unknown>): Promise<string[]> {
		for (const service of SERVICES) {
			await client.db(service).command({ profile: 0 });
			await client.db(service).dropCollection("system.profile");
			await client.db(service).command({ profile: 2, slowms: 0 });
		}
		await work();
		for (const service of SERVICES) await client.db(service).command({ profile: 0 });
		const found: string[] = [];
		for (const service of SERVICES) {
			const entries = await client.db(service).collection<ProfileEntry>("system.profile").find().toArray();
			for (const { op, ns, command } of entries) {
				const asked = JSON.stringify([command?.filter, command?.q, command?.query]);
				const isRelay =
					// The journal's worker, which tells of what is available.
					(command?.projection?.["available"] === 1 && command.projection["version"] === 1) ||
					typeof command?.projection?.["outbox"] === "object" ||
					command?.projection?.["journal"] === 1 ||
					OF_RELAYS.test(JSON.stringify(command?.u ?? null));
				if (!isRelay && !OF_WORKERS.test(ns) && !OF_SWEEPS.test(asked)) found.push(`${ns} ${op}`);
			}
		}
		return found;
	}

	it("are one for a list and one for a product, none when they are cached", async () => {
		expect(await operationsOf(() => node.broker.call("products.list", { limit: 20 }))).toHaveLength(1);
		expect(await operationsOf(() => node.broker.call("products.get", { idOrSlug: "lamp" }))).toHaveLength(1);
		expect(await operationsOf(() => node.broker.call("products.get", { idOrSlug: "lamp" }))).toHaveLength(0);
	});

	it("are two for a cart made with its lines: their prices are asked for once", async () => {
		const operations = await operationsOf(() =>
			node.broker.call("carts.create", { lines: [{ sku: "L-1", quantity: 1 }] }),
		);
		expect(operations.filter(operation => operation.startsWith("products."))).toEqual(["products.products query"]);
		expect(operations).toHaveLength(2);
	});

	it("are at most two for a line put into a cart", async () => {
		const cart = await node.broker.call("carts.create", {});
		const operations = await operationsOf(() =>
			node.broker.call("carts.addLine", { id: cart.id, sku: "L-1", quantity: 1 }),
		);
		expect(operations).toEqual(expect.arrayContaining(["products.products query"]));
		expect(operations.length).toBeLessThanOrEqual(2);
	});

	it("are at most twelve for a checkout of one line, the payment provider's own among them", async () => {
		const cart = await node.broker.call("carts.create", { lines: [{ sku: "L-1", quantity: 1 }] });
		const order = {
			id: cart.id,
			email: "ada@shop.test",
			shippingAddress: ADDRESS,
			payment: { method: "test", token: "tok_ok" },
			expectedTotal: cart.totals.total,
		};
		let status = "";
		const operations = await operationsOf(async () => {
			({ status } = await node.broker.call("orders.place", order, { meta: { idempotencyKey: "one-checkout" } }));
		});
		expect(status).toBe("paid");
		// The cart is finished after the answer, and may or may not have been by now.
		const onTheWay = operations.filter(operation => operation !== "carts.carts update");
		expect(onTheWay.length).toBeLessThanOrEqual(12);
		expect(onTheWay).toEqual(
			expect.arrayContaining([
				"carts.carts command",
				"inventory.stock update",
				"orders.orders command",
				"payments.payments insert",
			]),
		);
	});
});
