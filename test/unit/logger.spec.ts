import { Writable } from "node:stream";
import { ServiceBroker } from "moleculer";
import pino from "pino";
import { errorLine } from "../../lib/attempts.ts";
import { newId, newKey } from "../../lib/ids.ts";
import { createLogger, logDestination, loggerOptions, terminalStream } from "../../lib/logger.ts";
import { createSecrets } from "../../services/auth/secrets.ts";

describe("An error in a log", () => {
	let written = "";
	const sink = new Writable({
		write(chunk, _encoding, done) {
			written += chunk;
			done();
		},
	});
	const lines = () => {
		const found = written.trim().split("\n").filter(Boolean);
		written = "";
		return found.map(line => JSON.parse(line));
	};
	/** As ioredis makes it. */
	const refused = () =>
		Object.assign(new Error("WRONGPASS invalid username-password pair"), {
			code: "WRONGPASS",
			command: { name: "auth", args: ["the-password-of-redis"] },
		});

	it("says what happened and where, and nothing of what a library hung on it", () => {
		const log = createLogger("info", sink);
		log.error({ err: refused() }, "plain");
		log.error({ err: new Error("outer", { cause: refused() }) }, "as a cause");
		log.error({ err: new AggregateError([refused()], "several") }, "one of several");
		log.error({ err: "a text" }, "no error at all");
		const found = lines();
		expect(JSON.stringify(found)).not.toContain("the-password-of-redis");
		expect(found.map(({ err }) => err)).toMatchObject([
			{ type: "Error", message: "WRONGPASS invalid username-password pair", code: "WRONGPASS" },
			{ message: "outer: WRONGPASS invalid username-password pair" },
			{ message: "several", aggregateErrors: [{ code: "WRONGPASS" }] },
			"a text",
		]);
		expect(found[0].err.stack).toContain("logger.spec");
	});

	it("holds no address of a person, and no id or token that is a key", () => {
		const log = createLogger("info", sink);
		const [cart, order, secrets] = [newKey("crt"), newId("ord"), createSecrets("s".repeat(32))];
		const link = secrets.verificationToken(newId("reg"));
		const refresh = secrets.refreshToken({ id: newId("ses"), rotation: 3, family: secrets.nonce() });
		const tokens = [link, refresh].map(token => token.split(".").at(-1) ?? "");
		const duplicate = `E11000 duplicate key error collection: auth.accounts dup key: { email: "ada+x@shop.test" }`;
		const error = new Error(`${duplicate} ${cart} ${order} ${link} ${refresh} eyJhbGciOiJFUzI1NiJ9.eyJzdWIi.c2ln`);
		log.warn({ err: error }, `${cart} could not be looked at yet`);
		log.warn({ err: error }, "a mail");
		log.warn("to ada@shop.test, %s", "and others");
		const found = lines();
		for (const secret of ["ada", cart, ...tokens, "eyJ"]) expect(JSON.stringify(found)).not.toContain(secret);
		expect(errorLine(error)).not.toContain("ada");
		expect(found.map(({ msg }) => msg)).toEqual([
			`${cart.slice(0, 14)}… could not be looked at yet`,
			"a mail",
			"to [address], and others",
		]);
		for (const { err } of found.slice(0, 2)) {
			expect(err.message).toContain(order);
			expect(err.stack).toContain("logger.spec");
		}
	});

	it("is there as well when a service logs it behind its message", () => {
		const options = { level: "warn" as const, pino: { options: loggerOptions("warn"), destination: sink } };
		const broker = new ServiceBroker({ nodeID: "log-test", logger: { type: "Pino", options } });
		lines();
		broker.logger.warn("The cart could not be looked at", refused());
		pino(loggerOptions("warn"), sink).warn("%s of %s", "3", "4");
		const [of, formatted] = lines();
		expect(of).toMatchObject({ msg: "The cart could not be looked at", err: { code: "WRONGPASS" } });
		expect(JSON.stringify(of)).not.toContain("the-password-of-redis");
		expect(formatted.msg).toBe("3 of 4");
	});
});

describe("Logs for whoever looks at a terminal", () => {
	it("are lines to read, without what is secret and without what they do not want", () => {
		const lines: string[] = [];
		const into = { write: (text: string) => void lines.push(text) };
		const log = createLogger("info", terminalStream(into, false)).child({ mod: "http", nodeID: "node-1" });
		log.warn({ port: 3000, token: "tok_secret" }, "the gateway listens");
		const text = lines.join("");
		expect(text).toMatch(/^\[?\d\d:\d\d:\d\d\]? WARN.*the gateway listens/);
		expect(text).toContain('"port":3000');
		expect(text).not.toMatch(/tok_secret|node-1|"level"/);
	});

	it("are JSON wherever nobody looks", () => {
		expect(logDestination).toBeUndefined();
	});
});
