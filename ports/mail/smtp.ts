import { createTransport, type Transporter } from "nodemailer";
import { type Mailbox, parseEmail } from "../../lib/email.ts";
import { type MailMessage, type MailTransport, UnusableAddress } from "./port.ts";

const TIMEOUT_MS = 10_000;

/** What nodemailer tells beside the text. */
interface SmtpError extends Error {
	code?: string;
	responseCode?: number;
	command?: string;
}

/** Without the text: mail servers repeat the recipient's address in it, and errors are logged and kept with events. */
const whatHappened = ({ code = "unknown", responseCode, command }: SmtpError): string =>
	`The mail server did not take the message: ${code}${responseCode ? ` ${responseCode}` : ""}${command ? ` at ${command}` : ""}`;

export class SmtpMail implements MailTransport {
	readonly engine = "smtp";
	readonly url = undefined;
	readonly #transporter: Transporter;
	readonly #from: Mailbox;

	constructor(url: string, from: Mailbox) {
		this.#from = from;
		this.#transporter = createTransport({
			url,
			pool: true,
			maxConnections: 5,
			connectionTimeout: TIMEOUT_MS,
			greetingTimeout: TIMEOUT_MS,
			socketTimeout: TIMEOUT_MS,
			// A template must never make the server read a file or fetch an address.
			disableFileAccess: true,
			disableUrlAccess: true,
		});
	}

	async start(): Promise<void> {
		// Mail is not needed to be ready: what cannot be sent yet waits with its event.
		await Promise.resolve();
	}

	async open(): Promise<void> {
		await Promise.resolve();
	}

	async stop(): Promise<void> {
		this.#transporter.close();
		await Promise.resolve();
	}

	async send(message: MailMessage): Promise<void> {
		const address = parseEmail(message.to);
		// Text is parsed as a list of recipients somewhere along the way: an address is handed on as one, or not at all.
		if (address === undefined) throw new UnusableAddress();
		const envelope = { from: this.#from.address, to: [address] };
		await this.#transporter
			.sendMail({ ...message, from: this.#from, to: { name: "", address }, envelope })
			.catch((error: SmtpError) => {
				throw new Error(whatHappened(error));
			});
	}
}
