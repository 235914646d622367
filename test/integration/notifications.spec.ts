import { createServer } from "node:net";
import type { DomainEvent } from "../../ports/events/port.ts";
import { orderConfirmation } from "../../services/notifications/templates/order-confirmation.ts";
import { verifyEmail } from "../../services/notifications/templates/verify-email.ts";
import type { Order } from "../../services/orders/orders.contract.ts";
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
