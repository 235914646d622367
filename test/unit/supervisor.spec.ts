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

	it("tries again after a start that failed, also when nothing crashed, until one succeeds", async () => {
		const told: string[] = [];
		let starts = 0;
		await new Promise<void>(done => {
			const onEvent = (message: string) => {
				told.push(message);
				if (message.includes("again")) done();
			};
			const start = () => (++starts < 3 ? Promise.reject(new Error("no room")) : Promise.resolve());
			new Supervisor({ restart: true, onEvent }, start).crashed("mongod", endOf(1, null), 5);
		});
		expect(told).toEqual(["mongod ended (code 1)", "no room", "no room", "mongod runs again"]);
	}, 20_000);

	it("takes a crash and the failure of its start for one, and starts one at a time", async () => {
		let starts = 0;
		let running = 0;
		let most = 0;
		await new Promise<void>(done => {
			const supervisor = new Supervisor({ restart: true }, async () => {
				most = Math.max(most, ++running);
				if (++starts === 3) return done();
				supervisor.crashed("orders", "code 1", 5);
				// It takes longer to notice than to be tried again.
				await new Promise(resolve => setTimeout(resolve, 2_200));
				running--;
				throw new Error("it ended before it was ready");
			});
			supervisor.crashed("orders", "code 1", 5);
		});
		expect([starts, most]).toEqual([3, 1]);
	}, 30_000);

	it("lets a start that fails after it was told to forget be the last one", async () => {
		let starts = 0;
		await new Promise<void>(done => {
			const supervisor = new Supervisor({ restart: true }, async () => {
				starts++;
				supervisor.cancel();
				setTimeout(done, 1_500);
				throw new Error("no room");
			});
			supervisor.crashed("orders", "code 1", 5);
		});
		expect(starts).toBe(1);
	}, 20_000);

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
