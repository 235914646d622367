import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { mongo } from "mongoose";
import { type EmbeddedMongod, startEmbeddedMongod } from "../../embedded-mongod/src/index.ts";
import { errorType } from "../../lib/errors.ts";
import { newEvent } from "../../lib/events.ts";
import { newId } from "../../lib/ids.ts";
import type { DeliveryRepository } from "../../services/notifications/deliveries.repository.ts";
import { rawBroker } from "../support/gateway.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { until } from "../support/until.ts";

const PASSWORD = "a long enough passphrase";
type Document = Record<string, unknown> & { _id: string };

/** Accounts as the version left them that kept a registration within its account. */
describe("Accounts of an earlier version", () => {
	let dataDir: string;
	let mongod: EmbeddedMongod;
	let node: TestNode;
	const known = "known@shop.test";
	const elsewhere = "max@müller.example";
	const pending = newId("usr");
	let refreshToken = "";
	let event: ReturnType<typeof newEvent>;

	const start = () => startTestNode({ services: ["auth", "users", "notifications"], env: { MONGODB_URI: mongod.uri } });
	const of = (database: string, collection: string) =>
		node.broker.stoa.database.of(database).collection<Document>(collection) as unknown as mongo.Collection<Document>;
	const tokenOf = async (email: string) => {
		const registration = await until("the registration", () => of("auth", "registrations").findOne({ email }));
		const link = await node.broker.call("auth.verificationToken", { registrationId: registration._id });
		return link?.token ?? "";
	};

	beforeAll(async () => {
		dataDir = await mkdtemp(join(tmpdir(), "stoa-old-accounts-"));
		mongod = await startEmbeddedMongod({ dataDir });
		node = await start();
		await node.broker.call("auth.register", { email: known, password: PASSWORD });
		const tokens = await node.broker.call("auth.verifyEmail", { token: await tokenOf(known), password: PASSWORD });
		refreshToken = tokens.refreshToken;
		const accounts = of("auth", "accounts");
		const account = await until("the account", () => accounts.findOne({ email: known }));
		const { outbox: _, ...active } = account;
		const createdAt = new Date();
		event = newEvent("account.registered", { accountId: pending } as never, { sequence: 1, now: createdAt });
		await accounts.insertMany([
			{ ...active, _id: newId("usr"), email: elsewhere, registeredAgainAt: createdAt },
			{
				...active,
				_id: pending,
				email: "pending@shop.test",
				status: "unverified",
				verification: {
					nonce: "a".repeat(32),
					expiresAt: new Date(Date.now() + 86_400_000),
					mails: 1,
					since: createdAt,
				},
				purgeAt: new Date(Date.now() + 30 * 86_400_000),
				version: 1,
				outbox: [event],
			},
		]);
		await of("auth", "sessions").updateMany({}, { $unset: { rotatedAt: 1, successor: 1 } });
		await node.stop();
		node = await start();
	}, 120_000);
	afterAll(async () => {
		await node?.stop();
		await mongod?.close();
		await rm(dataDir, { recursive: true, force: true });
	});

	it("sign in, and their sessions go on", async () => {
		expect((await node.broker.call("auth.login", { email: known, password: PASSWORD })).tokenType).toBe("Bearer");
		const next = await node.broker.call("auth.refresh", { refreshToken });
		expect((await node.broker.call("auth.refresh", { refreshToken: next.refreshToken })).tokenType).toBe("Bearer");
	}, 60_000);

	it("sign in when their domain is of another script, which was kept as it was typed", async () => {
		const tokens = await node.broker.call("auth.login", { email: elsewhere, password: PASSWORD });
		expect(tokens.tokenType).toBe("Bearer");
	}, 60_000);

	it("that were never verified are registered again, under their ids; their old link is good for nothing", async () => {
		const token = `${pending}.${"a".repeat(43)}`;
		const old = node.broker.call("auth.verifyEmail", { token, password: PASSWORD });
		expect(await old.catch((error: unknown) => errorType(error))).toBe("UNAUTHENTICATED");
		await node.broker.call("auth.register", { email: "pending@shop.test", password: "another long passphrase" });
		const again = { token: await tokenOf("pending@shop.test"), password: "another long passphrase" };
		expect((await node.broker.call("auth.verifyEmail", again)).tokenType).toBe("Bearer");
		expect(await of("auth", "accounts").findOne({ _id: pending })).toMatchObject({ status: "active" });
	}, 60_000);

	it("whose mail had not been sent leave no dead letter", async () => {
		const entry = await until("the event's end", async () => {
			const found = await of("notifications", "inbox").findOne({ _id: event.id });
			return found?.["at"] || found?.["deadAt"] ? found : undefined;
		});
		expect(entry).toEqual({ _id: event.id, at: expect.any(Date) });
	}, 60_000);

	it("and their messages that failed say what they are about when they are tried again, so that they can be resumed", async () => {
		const about = {
			eventId: "evt_old",
			template: "order-confirmation",
			messageId: "<old@shop.test>",
			createdAt: new Date(),
		};
		const old = { ...about, channel: "email", status: "failed", attempts: 3, lastError: "away", sentAt: null };
		await of("notifications", "deliveries").insertOne({ _id: "old", ...old });
		const service = rawBroker(node).getLocalService("notifications") as unknown as { repository: DeliveryRepository };
		const claim = await service.repository.claim({ _id: "old", aboutId: "ord_1", ...about }, new Date(), false);
		expect(claim).toEqual({ id: "old", epoch: 1, attempts: 4 });
		expect(await service.repository.byId("old")).toMatchObject({ aboutId: "ord_1", status: "sending" });
	}, 60_000);
});
