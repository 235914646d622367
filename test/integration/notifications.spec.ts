import { createServer } from "node:net";
import type { DomainEvent } from "../../ports/events/port.ts";
import { type Claim, DeliveryRepository, LEASE_MS } from "../../services/notifications/deliveries.repository.ts";
import { orderConfirmation } from "../../services/notifications/templates/order-confirmation.ts";
import { verifyEmail } from "../../services/notifications/templates/verify-email.ts";
import type { Order } from "../../services/orders/orders.contract.ts";
import { rawBroker } from "../support/gateway.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { startSmtpServer, type TestSmtpServer, textOf } from "../support/smtp.ts";
import { until } from "../support/until.ts";

const STAFF = { meta: { user: { id: "usr_staff", sessionId: "ses_staff", roles: ["manager" as const] } } };

describe("Notifications", () => {
	let smtp: TestSmtpServer;
	let node: TestNode;

	beforeAll(async () => {
		smtp = await startSmtpServer();
		node = await startTestNode({ services: ["auth", "users", "notifications"], env: { SMTP_URL: smtp.url } });
	}, 30_000);

	afterAll(async () => {
		await node?.stop();
		await smtp?.stop();
	});

	const register = (email: string) =>
		node.broker.call("auth.register", { email, password: "a long enough passphrase", name: "<b>Eve</b>" });
	const mailsTo = (email: string) => smtp.mails.filter(mail => mail.to === email);

	it("send one mail for one event, however often the event is told", async () => {
		await register("one@shop.test");
		await until("the mail", () => mailsTo("one@shop.test").length > 0);
		const { events } = node.broker.stoa;
		const { db } = node.broker.stoa.database.of("auth");
		const stored = await until("the event", () => db?.collection("events").findOne({ name: "account.registered" }));
		const { _id, ...event } = stored as unknown as DomainEvent & { _id: string };
		// As after a crash between the mail and the note of it in the inbox.
		await node.broker.stoa.database.of("notifications").db?.collection("inbox").deleteMany({});
		for (let i = 0; i < 5; i++) await events.publish({ ...event, id: _id });
		expect(mailsTo("one@shop.test")).toHaveLength(1);
	});

	it("to an address that nobody verified say nothing that whoever registered has written", async () => {
		await register("stranger@shop.test");
		const mail = await until("the mail", () => mailsTo("stranger@shop.test")[0]);
		expect(textOf(mail)).toContain("token=");
		expect(textOf(mail)).not.toContain("Eve");
	});

	it("are made from templates that let nobody's name become markup", async () => {
		const { html, text } = verifyEmail({ url: 'http://x.test/?a=1&b="<script>', token: "<t>" });
		expect(html).not.toContain("<script>");
		expect(html).not.toContain("<t>");
		expect(text).toContain("<script>");
		const eur = (amount: number) => ({ amount, currency: "EUR" });
		const order = {
			number: "N1",
			lines: [{ quantity: 2, title: "<img onerror=x>", lineTotal: eur(200) }],
			totals: { subtotal: eur(200), discount: eur(0), shipping: eur(0), tax: eur(0), total: eur(200) },
			payment: { amount: eur(200) },
			shippingAddress: { name: "<i>", line1: "1", city: "C", postalCode: "2", country: "DE" },
		} as unknown as Order;
		const mail = orderConfirmation(order);
		expect(mail.html).not.toMatch(/<img|<i>/);
		expect(mail.text).toContain("2 × <img onerror=x>: €2.00");
		expect(mail.subject).toContain("N1");
	});

	it("are logged without addresses, for staff only", async () => {
		await until(
			"the log",
			async () => (await node.broker.call("notifications.list", { status: "sent" }, STAFF)).items.length > 0,
		);
		const { items } = await node.broker.call("notifications.list", {}, STAFF);
		expect(JSON.stringify(items)).not.toContain("shop.test,");
		expect(items[0]).toMatchObject({
			template: "verify-email",
			channel: "email",
			status: "sent",
			attempts: expect.any(Number),
		});
		await expect(node.broker.call("notifications.list", {})).rejects.toMatchObject({ type: "UNAUTHENTICATED" });
		const customer = { meta: { user: { id: "usr_1", sessionId: "ses_1", roles: ["customer" as const] } } };
		await expect(node.broker.call("notifications.list", {}, customer)).rejects.toMatchObject({ type: "FORBIDDEN" });
	});
});

describe("When the mail server is away", () => {
	it("mails wait and are sent when it is back, under the Message-ID they had", async () => {
		// A port on which nothing speaks SMTP at first.
		const placeholder = createServer();
		await new Promise<void>(resolve => placeholder.listen(0, "127.0.0.1", resolve));
		const { port } = placeholder.address() as { port: number };
		await new Promise(resolve => placeholder.close(resolve));
		const node = await startTestNode({
			services: ["auth", "users", "notifications"],
			env: { SMTP_URL: `smtp://127.0.0.1:${port}` },
		});
		let smtp: TestSmtpServer | undefined;
		try {
			await node.broker.call("auth.register", { email: "late@shop.test", password: "a long enough passphrase" });
			const failed = await until("a failed attempt", async () => {
				const { items } = await node.broker.call("notifications.list", {}, STAFF);
				return items.find(item => item.status === "failed");
			});
			smtp = await startSmtpServer(port);
			const mail = await until("the mail", () => smtp?.mails[0]);
			expect(mail.messageId).toBe(failed.messageId);
			expect(textOf(mail)).toContain("token=");
			await until(
				"the log to say so",
				async () => (await node.broker.call("notifications.list", { status: "sent" }, STAFF)).items.length === 1,
			);
			expect(smtp.mails).toHaveLength(1);
		} finally {
			await node.stop();
			await smtp?.stop();
		}
	}, 60_000);
});

describe("A mail that is given up", () => {
	it("is parked after its tries, is seen by operators, and is sent when one resumes it", async () => {
		const placeholder = await startSmtpServer();
		const port = Number(new URL(placeholder.url).port);
		await placeholder.stop();
		const node = await startTestNode({
			services: ["auth", "users", "notifications"],
			env: { SMTP_URL: `smtp://127.0.0.1:${port}` },
		});
		const ask = (action: string, params: object = {}) => rawBroker(node).call(`notifications.${action}`, params);
		const parked = async () => (await ask("parked")) as { id: string; kind: string; attempts: number }[];
		let smtp: TestSmtpServer | undefined;
		try {
			await node.broker.call("auth.register", { email: "parked@shop.test", password: "a long enough passphrase" });
			const deliveries = node.broker.stoa.database.of("notifications").collection("deliveries");
			await until("a failed attempt", () => deliveries.findOne({ status: "failed" }));
			await deliveries.updateOne({}, { $set: { attempts: 15 } });
			const [item] = await until("the parked mail", async () => {
				const found = await parked();
				return found.length > 0 && found;
			});
			expect(item).toMatchObject({ kind: "mails", about: "verify-email", error: "the mail server did not take it" });
			expect(item?.attempts).toBeGreaterThanOrEqual(16);
			expect((await node.broker.stoa.metrics.page()).body).toMatch(
				/stoa_parked\{service="notifications",kind="mails"\} 1/,
			);
			// In vain, it stays parked.
			await ask("resume", { kind: "mails", id: item?.id });
			expect(await parked()).toHaveLength(1);
			smtp = await startSmtpServer(port);
			expect(await ask("resume", { kind: "mails", id: item?.id })).toEqual({ resumed: true });
			expect(smtp.mails.map(({ to }) => to)).toEqual(["parked@shop.test"]);
			expect(await parked()).toEqual([]);
			expect(await ask("resume", { kind: "mails", id: item?.id })).toEqual({ resumed: false });
		} finally {
			await node.stop();
			await smtp?.stop();
		}
	}, 60_000);
});

describe("A node that was paused while it sent a mail", () => {
	it("writes nothing over what its successor did", async () => {
		const node = await startTestNode({ services: ["notifications"] });
		try {
			const models = (node.broker as unknown as { getLocalService(name: string): { models: never } }).getLocalService(
				"notifications",
			).models as { deliveries: ConstructorParameters<typeof DeliveryRepository>[0] };
			const repository = new DeliveryRepository(models.deliveries);
			const now = new Date();
			const later = new Date(now.getTime() + LEASE_MS);
			const delivery = { _id: "e:t:r", eventId: "e", template: "t", aboutId: "a", messageId: "<m>", createdAt: now };
			const claim = (at: Date) => repository.claim(delivery, at, false);
			const first = await claim(now);
			expect(first).toEqual({ id: "e:t:r", epoch: 1, attempts: 1 });
			expect(await claim(new Date(later.getTime() - 1))).toBe("taken");
			const second = await claim(later);
			expect(second).toEqual({ id: "e:t:r", epoch: 2, attempts: 2 });
			expect(await repository.failed(first as Claim, "of the first", now)).toBe(false);
			expect(await repository.sent(first as Claim, now)).toBe(false);
			expect(await repository.renew(first as Claim, now)).toBe(false);
			expect(await repository.byId("e:t:r")).toMatchObject({ status: "sending", lastError: null, epoch: 2 });
			expect((await repository.byId("e:t:r"))?.parkedAt).toBeUndefined();
			expect(await repository.sent(second as Claim, later)).toBe(true);
			expect(await repository.failed(second as Claim, "too late", now)).toBe(false);
			expect(await claim(later)).toBe("over");
			expect(await repository.byId("e:t:r")).toMatchObject({ status: "sent", attempts: 2 });
		} finally {
			await node.stop();
		}
	}, 30_000);
});
