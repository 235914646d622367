/** One e-mail. `messageId` is fixed by (event, template, recipient), so a repeat is recognisable as one. */
export interface MailMessage {
	messageId: string;
	/** One plain address. */
	to: string;
	subject: string;
	text: string;
	html: string;
}

/** Sends mail. Two engines: a development mailbox one opens in the browser, and SMTP through nodemailer. */
export interface MailTransport {
	readonly engine: "mailbox" | "smtp";
	/** Where a person can read what was sent, once it is open. */
	readonly url: string | undefined;
	start(): Promise<void>;
	/** Called by the service that sends mail, on the nodes that run it. */
	open(): Promise<void>;
	stop(): Promise<void>;
	/** Resolves once the message is accepted; rejects when it was not, or when that is unknown. @throws UnusableAddress */
	send(message: MailMessage): Promise<void>;
}

/** The recipient is not one plain address. Trying again changes nothing. */
export class UnusableAddress extends Error {
	constructor() {
		super("The recipient is not one plain e-mail address");
		this.name = "UnusableAddress";
	}
}
