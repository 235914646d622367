import { Breaker } from "../../lib/breaker.ts";
import { DomainError } from "../../lib/errors.ts";
import { createProviderGuard } from "../../services/payments/provider-breaker.ts";

function setUp() {
	let now = 0;
	const breaker = new Breaker({ threshold: 3, restMs: 100 }, () => now);
	return {
		breaker,
		pass: (ms: number) => {
			now += ms;
		},
		open: () => {
			for (let i = 0; i < 3; i++) breaker.unanswered();
		},
	};
}

describe("A breaker", () => {
	it("opens after silence in a row, and any answer begins the row anew", () => {
		const { breaker } = setUp();
		breaker.unanswered();
		breaker.unanswered();
		breaker.answered();
		breaker.unanswered();
		breaker.unanswered();
		expect([breaker.state, breaker.mayPass()]).toEqual(["closed", true]);
		breaker.unanswered();
		expect([breaker.state, breaker.mayPass()]).toEqual(["open", false]);
	});

	it("lets one try after its rest, and another when that one was never heard of", () => {
		const { breaker, pass, open } = setUp();
		open();
		pass(100);
		expect([breaker.state, breaker.mayPass(), breaker.mayPass()]).toEqual(["trying", true, false]);
		pass(100);
		expect(breaker.mayPass()).toBe(true);
	});

	it("is open again when the try stays silent, and closed at once when it is answered", () => {
		const { breaker, pass, open } = setUp();
		open();
		pass(100);
		breaker.mayPass();
		breaker.unanswered();
		expect(breaker.state).toBe("open");
		pass(100);
		breaker.mayPass();
		breaker.answered();
		expect([breaker.state, breaker.mayPass(), breaker.mayPass()]).toEqual(["closed", true, true]);
	});
});

describe("The guard of a provider", () => {
	const timeout = () => Promise.reject(Object.assign(new Error("late"), { type: "REQUEST_TIMEOUT" }));
	const broken = () => Promise.reject(new DomainError("INTERNAL", "tok_error"));

	it("takes every answer for an answer, and silence that a client asked for as no sign", async () => {
		const { breaker } = setUp();
		const guard = createProviderGuard(() => Promise.resolve(), breaker);
		for (let i = 0; i < 24; i++) await guard(broken).catch(() => undefined);
		for (let i = 0; i < 24; i++) await guard(timeout).catch(() => undefined);
		expect(await guard(() => Promise.resolve("charged"))).toBe("charged");
		expect(breaker.state).toBe("closed");
	});

	it("stops asking a provider that is silent to everything, and heals with its first answer, an error too", async () => {
		const { breaker, pass } = setUp();
		const guard = createProviderGuard(timeout, breaker);
		for (let i = 0; i < 3; i++) await guard(timeout).catch(() => undefined);
		await expect(guard(() => Promise.resolve("charged"))).rejects.toMatchObject({ type: "SERVICE_UNAVAILABLE" });
		pass(100);
		await guard(broken).catch(() => undefined);
		expect(await guard(() => Promise.resolve("charged"))).toBe("charged");
	});

	it("lets everybody pass the moment the provider is back, and asks it one question at a time until then", async () => {
		const { breaker, open } = setUp();
		let [pings, isBack] = [0, false];
		const ping = () => {
			pings++;
			return isBack ? Promise.resolve() : timeout();
		};
		const guard = createProviderGuard(ping, breaker);
		open();
		const refused = await Promise.allSettled(Array.from({ length: 60 }, () => guard(() => Promise.resolve("charged"))));
		expect([new Set(refused.map(({ status }) => status)), pings]).toEqual([new Set(["rejected"]), 1]);
		isBack = true;
		// Its rest is not over: no time has passed.
		expect(await guard(() => Promise.resolve("charged"))).toBe("charged");
		expect([breaker.state, pings]).toEqual(["closed", 2]);
	});
});
