import { randomUUID } from "node:crypto";
import { errorType } from "../../lib/errors.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { startSmtpServer, type TestSmtpServer, textOf } from "../support/smtp.ts";
import { until } from "../support/until.ts";

const OWNER = "the passphrase of the owner";
/** Many passwords are hashed here, on however busy a machine. */
const WAIT_MS = 60_000;
const STRANGER = "the passphrase of a stranger";

const thrown = async (work: Promise<unknown>): Promise<string | undefined> =>
	work.then(
		() => "nothing was thrown",
		(error: unknown) => errorType(error),
	);

/** A stranger knows an address, not its mailbox; the owner reads the mailbox and knows a password of their own. */
describe("Someone who registers somebody else's address", () => {
	let smtp: TestSmtpServer;
	let node: TestNode;

	beforeAll(async () => {
		smtp = await startSmtpServer();
		node = await startTestNode({ services: ["auth", "users", "notifications"], env: { SMTP_URL: smtp.url } });
	}, 120_000);
	afterAll(async () => {
		await node?.stop();
		await smtp?.stop();
	});

	const from = (clientAddress: string) => ({ meta: { clientAddress } });
	const address = () => `ada-${randomUUID()}@shop.test`;
	const mailsTo = (email: string) => smtp.mails.filter(({ to }) => to === email);
	const tokenOf = (mail: Parameters<typeof textOf>[0] | undefined) =>
		/token=([\w.~-]+)/.exec(mail ? textOf(mail) : "")?.[1] ?? "";
	/** Registers, and gives the token of the mail that comes of it. */
	async function register(email: string, password: string, network = "192.0.2.1"): Promise<string> {
		const before = mailsTo(email).length;
		await node.broker.call("auth.register", { email, password }, from(network));
		return tokenOf(await until("the mail", () => mailsTo(email)[before], WAIT_MS));
	}
	const verify = (token: string, password: string) => node.broker.call("auth.verifyEmail", { token, password });
	const login = (email: string, password: string) => node.broker.call("auth.login", { email, password });

	it("after the owner did, cannot have the owner's click open an account with a stranger's password", async () => {
		const email = address();
		const own = await register(email, OWNER);
		const strangers = await register(email, STRANGER);
		expect(await thrown(verify(strangers, OWNER))).toBe("UNAUTHENTICATED");
		expect(await thrown(verify(own, STRANGER))).toBe("UNAUTHENTICATED");
		expect((await verify(own, OWNER)).tokenType).toBe("Bearer");
		expect(await thrown(login(email, STRANGER))).toBe("UNAUTHENTICATED");
		expect((await login(email, OWNER)).tokenType).toBe("Bearer");
		expect(await thrown(verify(strangers, STRANGER))).toBe("UNAUTHENTICATED");
	}, 120_000);

	it("before the owner does, does not keep the owner from opening it", async () => {
		const email = address();
		const strangers = await register(email, STRANGER);
		const own = await register(email, OWNER);
		expect((await verify(own, OWNER)).tokenType).toBe("Bearer");
		expect(await thrown(verify(strangers, STRANGER))).toBe("UNAUTHENTICATED");
		expect(await thrown(login(email, STRANGER))).toBe("UNAUTHENTICATED");
		expect((await login(email, OWNER)).tokenType).toBe("Bearer");
	}, 120_000);

	it("again and again neither spoils the owner's link nor keeps a new one away, and fills no mailbox", async () => {
		const email = address();
		const own = await register(email, OWNER, "192.0.2.1");
		for (let i = 0; i < 15; i++)
			await node.broker.call("auth.register", { email, password: STRANGER }, from("198.51.100.9"));
		await until("the mails of a stranger", () => mailsTo(email).length === 9, WAIT_MS);
		const newer = await register(email, OWNER, "192.0.2.1");
		expect(mailsTo(email)).toHaveLength(10);
		expect(newer).not.toBe(own);
		expect((await verify(own, OWNER)).tokenType).toBe("Bearer");
	}, 120_000);

	it("from many networks gets no more than thirty mails a day sent there", async () => {
		const email = address();
		for (let i = 0; i < 36; i++)
			await node.broker.call("auth.register", { email, password: STRANGER }, from(`10.${i}.0.1`));
		const registrations = node.broker.stoa.database.of("auth").collection("registrations");
		expect(await registrations.countDocuments({ email })).toBe(30);
		await until("the mails", () => mailsTo(email).length === 30, WAIT_MS);
	}, 120_000);

	it("from a few networks, as often as they may, does not keep the owner's link away", async () => {
		const email = address();
		for (const network of ["198.51.100.20", "198.51.100.21", "203.0.113.20", "203.0.113.21"])
			for (let i = 0; i < 9; i++) await node.broker.call("auth.register", { email, password: STRANGER }, from(network));
		const neighbours = await register(email, OWNER, "203.0.113.22");
		const own = await register(email, OWNER, "192.0.2.1");
		expect(neighbours).not.toBe(own);
		expect((await verify(own, OWNER)).tokenType).toBe("Bearer");
	}, 180_000);

	it("under many names of one mailbox fills it no faster", async () => {
		const email = address();
		const named = (i: number) => email.replace("@", `+note${i}@`);
		for (let i = 0; i < 14; i++)
			await node.broker.call("auth.register", { email: named(i), password: STRANGER }, from("198.51.100.10"));
		const registrations = node.broker.stoa.database.of("auth").collection("registrations");
		const names = Array.from({ length: 14 }, (_, i) => named(i));
		expect(await registrations.countDocuments({ email: { $in: names } })).toBe(8);
	}, 120_000);

	it("from many addresses of one IPv6 network is one network", async () => {
		const email = address();
		for (let i = 0; i < 14; i++)
			await node.broker.call("auth.register", { email, password: STRANGER }, from(`2001:db8:7:${i}::${i}`));
		const registrations = node.broker.stoa.database.of("auth").collection("registrations");
		expect(await registrations.countDocuments({ email })).toBe(8);
	}, 120_000);

	it("with a wrong password at the link does not use it up", async () => {
		const email = address();
		const own = await register(email, OWNER);
		for (let i = 0; i < 5; i++) expect(await thrown(verify(own, `${OWNER} ${i}`))).toBe("UNAUTHENTICATED");
		expect((await verify(own, OWNER)).tokenType).toBe("Bearer");
	}, 120_000);
});
