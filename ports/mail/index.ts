import type { Config } from "../../lib/config.ts";
import { Mailbox } from "./mailbox.ts";
import type { MailTransport } from "./port.ts";
import { SmtpMail } from "./smtp.ts";

export const createMailTransport = (config: Config): MailTransport =>
	config.smtpUrl
		? new SmtpMail(config.smtpUrl, config.mailFrom)
		: new Mailbox(config.dataDir, config.isProduction ? undefined : config.mailboxPort);
