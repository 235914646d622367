import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mongoose, { type Connection } from "mongoose";
import { startEmbeddedMongod } from "../../embedded-mongod/src/index.ts";
import { checkInvariants } from "../../invariants/index.ts";
import type { Order } from "../../services/orders/orders.contract.ts";
import { startTestNode } from "./node.ts";
import { ADDRESS, eur } from "./shop.ts";
import { until } from "./until.ts";

const STAFF = { user: { id: "usr_staff", sessionId: "ses_staff", roles: ["admin" as const] } };

/** What stands in the databases of the shop, by what it was made for. */
export interface WholeShop {
	mongodbUri: string;
	/** Ids of orders, by how they ended. */
	orders: Record<"paid" | "small" | "declined" | "cancelled" | "refunded" | "settled" | "free", string>;
	/** The id of an open cart made with a key. */
	cartId: string;
	connection: Connection;
	stop(): Promise<void>;
}

/**
 * Databases of a shop in which everything happened once, made by its services: bought, declined, cancelled, refunded,
 * settled later, bought for nothing; received, corrected, registered. The services have stopped; the database runs.
 */
export async function makeWholeShop(): Promise<WholeShop> {
	const dir = await mkdtemp(join(tmpdir(), "stoa-whole-"));
	const server = await startEmbeddedMongod({ dataDir: dir });
	const connection = await mongoose.createConnection(server.uri).asPromise();
	const stop = async () => {
		await connection.close();
		await server.close();
		await rm(dir, { recursive: true, force: true });
	};
	try {
		return { ...(await live(server.uri)), mongodbUri: server.uri, connection, stop };
	} catch (error) {
		await stop();
		throw error;
	}
}

async function live(uri: string): Promise<Pick<WholeShop, "orders" | "cartId">> {
	const node = await startTestNode({ env: { MONGODB_URI: uri } });
	const { broker } = node;
	const key = () => randomBytes(24).toString("base64url");
	try {
		await Promise.all([product("A", 1_000, 100), product("B", 500, 6), product("C", 0, 10)]);
		await broker.call(
			"inventory.adjust",
			{ sku: "A", delta: -2, reason: "broken" },
			{ meta: { ...STAFF, idempotencyKey: key() } },
		);
		await broker.call("auth.register", { email: "new@shop.test", password: "correct horse battery staple" });
		const cart = await broker.call(
			"carts.create",
			{ lines: [{ sku: "A", quantity: 3 }] },
			{ meta: { idempotencyKey: key() } },
		);
		const orders = {
			paid: (
				await buy([
					["A", 2],
					["B", 1],
				])
			).id,
			small: (await buy([["A", 1]])).id,
			declined: await refused(),
			cancelled: await cancelled(await buy([["A", 4]])),
			refunded: await refunded(await buy([["A", 5]])),
			settled: (await buy([["B", 1]], "tok_async")).id,
			free: (await buy([["C", 1]])).id,
		};
		await until("everything to end", async () => (await checkInvariants(uri)).ok, 60_000).catch(async error => {
			throw new Error(`${error.message}: ${JSON.stringify((await checkInvariants(uri)).violations, null, 1)}`);
		});
		return { orders, cartId: cart.id };
	} finally {
		await node.stop();
	}

	async function product(sku: string, price: number, stock: number): Promise<void> {
		await broker.call(
			"products.create",
			{ title: `Thing ${sku}`, status: "published", variants: [{ sku, price: eur(price) }] },
			{ meta: STAFF },
		);
		await broker.call(
			"inventory.receive",
			{ sku, quantity: stock, reason: "opening" },
			{ meta: { ...STAFF, idempotencyKey: key() } },
		);
	}
	async function buy(lines: [sku: string, quantity: number][], token = "tok_ok"): Promise<Order> {
		const cart = await broker.call("carts.create", { lines: lines.map(([sku, quantity]) => ({ sku, quantity })) });
		const body = {
			id: cart.id,
			email: "ada@shop.test",
			shippingAddress: ADDRESS,
			payment: { method: "test", token },
			expectedTotal: cart.totals.total,
		};
		return broker.call("orders.place", body, { meta: { idempotencyKey: key() } });
	}
	/** No answer names the order of a checkout that was declined. */
	async function refused(): Promise<string> {
		await buy([["A", 7]], "tok_declined").catch(error => {
			if (error.type !== "PAYMENT_DECLINED") throw error;
		});
		const { items } = await broker.call("orders.adminList", { status: "failed" }, { meta: STAFF });
		return items[0]?.id ?? "";
	}
	async function cancelled({ id, accessToken }: Order): Promise<string> {
		await broker.call("orders.cancel", { id }, { meta: { orderToken: accessToken ?? "", idempotencyKey: key() } });
		return id;
	}
	async function refunded({ id }: Order): Promise<string> {
		for (const amount of [300, 400])
			await broker.call(
				"orders.refund",
				{ id, amount: eur(amount), reason: "scratch" },
				{ meta: { ...STAFF, idempotencyKey: key() } },
			);
		return id;
	}
}
