import { endOf, pauseMs, Supervisor } from "../../cluster/supervisor.ts";

describe("What looks after the processes of a cluster", () => {
	it("waits longer with every crash, and never longer than half a minute", () => {
		expect([0, 1, 2, 3].map(pauseMs)).toEqual([500, 1_000, 2_000, 4_000]);
		expect([6, 50, 5_000].map(pauseMs)).toEqual([30_000, 30_000, 30_000]);
	});

	it("starts what crashed once more, and tells", async () => {
		const told: string[] = [];
		await new Promise<void>(done => {
			const onEvent = (message: string) => {
				told.push(message);
				if (message.includes("again")) done();
			};
			new Supervisor({ restart: true, onEvent }, async () => undefined).crashed("orders", endOf(null, "SIGKILL"), 5);
		});
		expect(told).toEqual(["orders ended (SIGKILL)", "orders runs again"]);
	});

	it("tells why a start failed, and leaves the next one to the crash that this was", async () => {
		const told = await new Promise<string>(done => {
			const onEvent = (message: string) => message.startsWith("no room") && done(message);
			const start = () => Promise.reject(new Error("no room"));
			new Supervisor({ restart: true, onEvent }, start).crashed("orders", endOf(1, null), 5);
		});
		expect(told).toBe("no room");
	});

	it("starts nothing where tests do that themselves, and nothing after it was told not to", async () => {
		let starts = 0;
		const start = async () => void starts++;
		new Supervisor({ restart: false }, start).crashed("orders", "code 1", 5);
		const cancelled = new Supervisor({ restart: true }, start);
		cancelled.crashed("orders", "code 1", 5);
		cancelled.cancel();
		await new Promise<void>(done => {
			new Supervisor({ restart: true }, async () => done()).crashed("stock", "code 1", 5);
		});
		expect(starts).toBe(0);
	});
});
