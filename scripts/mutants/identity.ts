import type { Mutant } from "./mutant.ts";

const REGISTRATION = "services/auth/domain/registration.ts";
const REGISTRATIONS = ["test/security/registrations.spec.ts"];
const SESSIONS = "services/auth/domain/sessions.ts";
const ACCOUNTS = ["test/integration/accounts.spec.ts"];
const DELIVERIES = "services/notifications/deliveries.repository.ts";
const MAILS = ["test/integration/notifications.spec.ts"];
const LOGIN = ["embedded-mongod/test/login.spec.ts"];

/** Accounts, sessions, mails, and who may talk to the engines. */
export const IDENTITY: readonly Mutant[] = [
	{
		name: "a link opens an account with any password",
		file: REGISTRATION,
		find: "if (!(await deps.passwords.verify(normalisePassword(password), registration.passwordHash))) throw wrongPassword();",
		replace: "",
		specs: REGISTRATIONS,
	},
	{
		name: "one network uses up all mails of an address",
		file: REGISTRATION,
		find: "if (!(await allowances.take(ofNetwork, MAX_MAILS_FROM_A_NETWORK))) return false;",
		replace: "",
		specs: REGISTRATIONS,
	},
	{
		name: "an address gets any number of mails",
		file: REGISTRATION,
		// biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a line of code
		find: "if (await allowances.take(`${about}:${of}`, max)) return true;",
		replace: "return true;",
		specs: REGISTRATIONS,
	},
	{
		name: "a link takes over an account that is active",
		file: "services/auth/account.repository.ts",
		find: '{ email, status: "unverified", roles: { $ne: "admin" } },',
		replace: '{ email, roles: { $ne: "admin" } },',
		specs: ACCOUNTS,
	},
	{
		name: "two links open one account",
		file: "services/auth/account.repository.ts",
		find: '{ _id: id, status: "unverified", version, claimedBy: registration.id },',
		replace: "{ _id: id },",
		specs: ACCOUNTS,
	},
	{
		name: "a spent refresh token is good for ever",
		file: SESSIONS,
		find: " && ageMs <= GRACE_MS",
		replace: "",
		specs: ACCOUNTS,
	},
	{
		name: "any earlier refresh token is good",
		file: SESSIONS,
		find: "session.rotation === claims.rotation + 1",
		replace: "session.rotation > claims.rotation",
		specs: ACCOUNTS,
	},
	{
		name: "a reuse does not end the session",
		file: SESSIONS,
		find: "if (!(await deps.sessions.revokeIfSpent(claims, now))) throw notValid();",
		replace: "",
		specs: ACCOUNTS,
	},
	{
		name: "a session never ends while it is used",
		file: SESSIONS,
		find: "new Date(Math.min(now.getTime() + IDLE_MS, openedAt.getTime() + MAX_LIFE_MS));",
		replace: "new Date(Math.min(now.getTime() + IDLE_MS, openedAt.getTime() + MAX_LIFE_MS * 100));",
		specs: ACCOUNTS,
	},
	{
		name: "two tabs spend one refresh token for two branches",
		file: "services/auth/session.repository.ts",
		find: "{ _id: id, family: familyHash(family), rotation, revokedAt: { $exists: false }, expiresAt: { $gt: at } },",
		replace: "{ _id: id, family: familyHash(family), revokedAt: { $exists: false }, expiresAt: { $gt: at } },",
		specs: ACCOUNTS,
	},
	{
		name: "an address is judged before it is normalised",
		file: "lib/email.ts",
		find: 'const address = text.normalize("NFKC").trim().toLowerCase();',
		replace: "const address = text.trim().toLowerCase();",
		specs: ["test/unit/email.spec.ts"],
	},
	{
		name: "a mail goes to whatever stands in its recipient",
		file: "ports/mail/smtp.ts",
		find: "if (address === undefined) throw new UnusableAddress();",
		replace:
			"if (address === undefined) return void (await this.#transporter.sendMail({ ...message, from: this.#from }));",
		specs: ["test/contract/mail.spec.ts"],
	},
	{
		name: "a message is sent again after it was sent",
		file: DELIVERIES,
		find: 'const open = { status: { $ne: "sent" },',
		replace: "const open = {",
		specs: MAILS,
	},
	{
		name: "two nodes send one message at once",
		file: DELIVERIES,
		find: "{ _id, ...open, ...free },",
		replace: "{ _id, ...open },",
		specs: MAILS,
	},
	{
		name: "a node that was paused writes over its successor's delivery",
		file: DELIVERIES,
		find: '{ _id: id, epoch, status: "sending" }',
		replace: '{ _id: id, status: "sending" }',
		specs: MAILS,
	},
	{
		name: "a forged webhook is believed",
		file: "lib/webhook-signature.ts",
		find: ".includes(true);",
		replace: ".includes(false);",
		specs: ["test/integration/checkout.spec.ts"],
	},
	{
		name: "a database with a login serves strangers",
		file: "embedded-mongod/src/dispatch.ts",
		find: "if (!isStranger(connection) || BEFORE_PROOF.has(name)) return;",
		replace: "if (!isStranger(connection) || name) return;",
		specs: LOGIN,
	},
	{
		name: "a database takes any password",
		file: "embedded-mongod/src/scram.ts",
		find: "if (!isRight || nonce !== begun.nonce || !begun.isKnown) throw failed();",
		replace: "if (nonce !== begun.nonce || !begun.isKnown) throw failed();",
		specs: LOGIN,
	},
	{
		name: "a database takes any user",
		file: "embedded-mongod/src/scram.ts",
		find: "nonce !== begun.nonce || !begun.isKnown) throw",
		replace: "nonce !== begun.nonce) throw",
		specs: LOGIN,
	},
	{
		name: "the test provider is in production wherever embedded engines are",
		file: "lib/config.ts",
		find: 'read.flag("TEST_PAYMENTS", !isProduction)',
		replace: 'read.flag("TEST_PAYMENTS", !isProduction || read.flag("ALLOW_EMBEDDED", false))',
		specs: ["test/unit/config.spec.ts"],
	},
];
