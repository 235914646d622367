import { mkdtemp, rm } from "node:fs/promises";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { freePort } from "../../cluster/ports.ts";
import { Mailbox } from "../../ports/mail/mailbox.ts";
import type { MailMessage, MailTransport } from "../../ports/mail/port.ts";
import { SmtpMail } from "../../ports/mail/smtp.ts";
import { startSmtpServer, type TestSmtpServer, textOf } from "../support/smtp.ts";

const mail = (n = 1): MailMessage => ({
	messageId: `<event-${n}.placed@shop.test>`,
	to: "ada@shop.test",
	subject: `Order ${n}`,
	text: `Thank you for order ${n}`,
	html: `<p>Thank you for <b>order ${n}</b></p>`,
});

interface Arrived {
	messageId: string;
	to: string;
	subject: string;
	/** All of it, decoded. */
	content: string;
}

let dir: string;
let smtp: TestSmtpServer;
const open: MailTransport[] = [];

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "stoa-mail-"));
	smtp = await startSmtpServer();
});
afterEach(async () => {
	await Promise.all(open.splice(0).map(transport => transport.stop()));
});
afterAll(async () => {
	await smtp.stop();
	await rm(dir, { recursive: true, force: true });
});

async function started<T extends MailTransport>(transport: T): Promise<T> {
	open.push(transport);
	await transport.start();
	await transport.open();
	return transport;
}

const engines = [
	[
		"mailbox",
		async () => {
			const mailbox = await started(new Mailbox(dir, 0));
			const arrived = async (): Promise<Arrived[]> =>
				(await mailbox.list()).map(kept => ({ ...kept, content: `${kept.text}\n${kept.html}` }));
			return { transport: mailbox as MailTransport, arrived };
		},
	],
	[
		"smtp",
		async () => {
			const transport = await started(new SmtpMail(smtp.url, { name: "Stoa", address: "shop@shop.test" }));
			const arrived = async (): Promise<Arrived[]> =>
				Promise.resolve(smtp.mails.map(each => ({ ...each, content: textOf(each) })));
			return { transport: transport as MailTransport, arrived };
		},
	],
] as const;

describe.each(engines)("Mail through %s", (_name, start) => {
	it("A message arrives once, with its id, as text and as HTML", async () => {
		const { transport, arrived } = await start();
		await transport.send(mail(1));
		const got = (await arrived()).filter(({ messageId }) => messageId === mail(1).messageId);
		expect(got).toHaveLength(1);
		expect(got[0]).toMatchObject({ to: "ada@shop.test", subject: "Order 1" });
		expect(got[0]?.content).toContain(mail(1).text);
		expect(got[0]?.content).toContain(mail(1).html);
	});

	it.each([
		"ada@shop.test,eve@shop.test",
		"ada@shop.test;eve@shop.test",
		"Eve <eve@shop.test>",
		"eve@shop.test\r\nBcc: x@shop.test",
	])("A message to %j goes to nobody", async to => {
		const { transport, arrived } = await start();
		await expect(transport.send({ ...mail(50), to })).rejects.toMatchObject({ name: "UnusableAddress" });
		expect((await arrived()).filter(({ messageId }) => messageId === mail(50).messageId)).toEqual([]);
	});

	it("Many messages at once all arrive", async () => {
		const { transport, arrived } = await start();
		const mails = Array.from({ length: 30 }, (_, i) => mail(100 + i));
		await Promise.all(mails.map(each => transport.send(each)));
		const ids = (await arrived()).map(({ messageId }) => messageId);
		for (const { messageId } of mails) expect(ids.filter(id => id === messageId)).toHaveLength(1);
	});
});

describe("The development mailbox", () => {
	it("keeps its mails over a restart, newest first, and shows them on loopback only", async () => {
		const first = await started(new Mailbox(dir, 0));
		await first.send(mail(7));
		await first.stop();
		const second = await started(new Mailbox(dir, 0));
		await second.send(mail(8));
		expect((await second.list()).slice(0, 2).map(({ subject }) => subject)).toEqual(["Order 8", "Order 7"]);
		expect(new URL(second.url ?? "").hostname).toBe("127.0.0.1");
		const answer = await fetch(`${second.url}/messages`);
		expect(((await answer.json()) as unknown[]).slice(0, 2)).toMatchObject([
			{ subject: "Order 8" },
			{ subject: "Order 7" },
		]);
		expect((await fetch(`${second.url}/mail/unknown`)).status).toBe(404);
	});

	it("escapes what a mail says, and shows its HTML in a frame that may do nothing", async () => {
		const mailbox = await started(new Mailbox(dir, 0));
		const evil = "<script>alert(1)</script>";
		await mailbox.send({ ...mail(9), subject: evil, text: evil });
		const [kept] = await mailbox.list();
		for (const path of ["/", `/mail/${kept?.id}`]) {
			const answer = await fetch(`${mailbox.url}${path}`);
			const html = await answer.text();
			expect(html).not.toContain(evil);
			expect(html).toContain("&#60;script&#62;");
			expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'");
		}
		expect(await (await fetch(`${mailbox.url}/mail/${kept?.id}`)).text()).toContain('<iframe sandbox=""');
	});

	it("answers to its own name only, so that no page of the internet has its name lead here and reads the mails", async () => {
		const mailbox = await started(new Mailbox(dir, 0));
		const { port } = new URL(mailbox.url ?? "");
		const statusFor = (host: string) =>
			new Promise<number | undefined>((resolve, reject) => {
				const options = { host: "127.0.0.1", port, path: "/messages", headers: { host } };
				get(options, response => resolve(response.resume().statusCode)).on("error", reject);
			});
		expect(await statusFor(`localhost:${port}`)).toBe(200);
		expect(await statusFor(`127.0.0.1:${port}`)).toBe(200);
		for (const host of [`rebound.example:${port}`, "localhost.rebound.example", "127.0.0.1.rebound.example:80"])
			expect([host, await statusFor(host)]).toEqual([host, 421]);
	});

	it("When its port is taken, it opens on another one", async () => {
		const first = await started(new Mailbox(dir, await freePort()));
		const second = await started(new Mailbox(dir, Number(new URL(first.url ?? "").port)));
		expect(second.url).not.toBe(first.url);
	});
});

describe("SMTP", () => {
	it("When the server is down, sending rejects, and succeeds with the same transport once it is back", async () => {
		const port = await freePort();
		const transport = await started(
			new SmtpMail(`smtp://127.0.0.1:${port}`, { name: "Stoa", address: "shop@shop.test" }),
		);
		await expect(transport.send(mail(20))).rejects.toThrow();
		const server = await startSmtpServer(port);
		try {
			await transport.send(mail(20));
			expect(server.mails.map(({ messageId }) => messageId)).toEqual([mail(20).messageId]);
		} finally {
			await transport.stop();
			await server.stop();
		}
	});

	it("What a server says of a recipient goes no further than a code: errors are logged and kept", async () => {
		const transport = await started(new SmtpMail(smtp.url, { name: "Stoa", address: "shop@shop.test" }));
		const error: Error = await transport.send({ ...mail(22), to: "nobody.known@shop.test" }).then(
			() => new Error("it was sent"),
			failure => failure,
		);
		expect(error.message).toBe("The mail server did not take the message: EENVELOPE 550 at RCPT TO");
		expect(inspect(error, { depth: 9, showHidden: true })).not.toContain("nobody.known");
	});

	it("A subject or recipient cannot add headers", async () => {
		const transport = await started(new SmtpMail(smtp.url, { name: "Stoa", address: "shop@shop.test" }));
		await transport.send({ ...mail(21), subject: "Hello\r\nBcc: eve@shop.test" });
		const got = smtp.mails.find(({ messageId }) => messageId === mail(21).messageId);
		expect(got?.to).toBe("ada@shop.test");
		expect(got?.source).not.toMatch(/^Bcc:/im);
	});
});
