import { Writable } from "node:stream";
import { ServiceBroker } from "moleculer";
import pino from "pino";
import { createLogger, loggerOptions } from "../../lib/logger.ts";

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
