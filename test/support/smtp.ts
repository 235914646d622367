import type { AddressInfo } from "node:net";
import { SMTPServer } from "smtp-server";

export interface ReceivedMail {
	to: string;
	/** Headers and body as they came. */
	source: string;
	messageId: string;
	subject: string;
}

export interface TestSmtpServer {
	url: string;
	mails: ReceivedMail[];
	stop(): Promise<void>;
}

const NO_USER = { responseCode: 550 };

/** A real SMTP server on loopback that keeps what it is sent; it knows everybody but `nobody…`. @param wantedPort a free one unless stated */
export async function startSmtpServer(wantedPort = 0): Promise<TestSmtpServer> {
	const mails: ReceivedMail[] = [];
	const server = new SMTPServer({
		authOptional: true,
		disabledCommands: ["STARTTLS"],
		onRcptTo({ address }, _session, done) {
			done(address.startsWith("nobody") ? Object.assign(new Error(`<${address}>: no such user`), NO_USER) : undefined);
		},
		onData(stream, session, done) {
			let source = "";
			stream.setEncoding("utf8");
			stream.on("data", (part: string) => {
				source += part;
			});
			stream.on("end", () => {
				mails.push({
					to: session.envelope.rcptTo.map(recipient => recipient.address).join(","),
					source,
					messageId: /^Message-ID:\s*(<[^>]+>)/im.exec(source)?.[1] ?? "",
					subject: /^Subject: (.*)$/im.exec(source)?.[1]?.trim() ?? "",
				});
				done();
			});
		},
	});
	await new Promise<void>(resolve => server.listen(wantedPort, "127.0.0.1", resolve));
	const { port } = server.server.address() as AddressInfo;
	return { url: `smtp://127.0.0.1:${port}`, mails, stop: () => new Promise(resolve => server.close(resolve)) };
}

/** The plain-text part, decoded from quoted-printable. */
export function textOf(mail: ReceivedMail): string {
	return mail.source
		.replace(/=\r?\n/g, "")
		.replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
