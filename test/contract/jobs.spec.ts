import { Redis } from "ioredis";
import { ServiceBroker } from "moleculer";
import { newId } from "../../lib/ids.ts";
import { BullJobs } from "../../ports/jobs/bull.ts";
import type { JobQueue } from "../../ports/jobs/port.ts";
import { startJobs } from "../support/jobs.ts";
import { findOrStartRedis } from "../support/servers.ts";
import { until } from "../support/until.ts";

const redis = await findOrStartRedis();
const engines = ["in-process" as const, ...(redis ? ["bull" as const] : [])];
const open: JobQueue[] = [];

async function start(engine: JobQueue["engine"]): Promise<JobQueue> {
	const jobs = await startJobs(engine, redis?.url ?? "");
	open.push(jobs);
	return jobs;
}

const aQueue = () => newId("evt");

/** A gate that handlers wait at. */
function aGate() {
	let openGate = () => undefined as void;
	const opened = new Promise<void>(resolve => {
		openGate = resolve;
	});
	return { opened, open: () => openGate() };
}

const flush = async (): Promise<void> => {
	const client = new Redis(redis?.url ?? "");
	await client.flushall();
	client.disconnect();
};

const sockets = () => process.getActiveResourcesInfo().filter(name => name.startsWith("TCPSocket")).length;

afterEach(async () => {
	await Promise.all(open.splice(0).map(jobs => jobs.stop()));
});
afterAll(() => redis?.stop());

describe.each(engines)("Jobs %s", engine => {
	it("When a job is woken, a worker of its queue looks at it once, and again when it is woken again", async () => {
		const jobs = await start(engine);
		const [queue, other] = [aQueue(), aQueue()];
		const runs: string[] = [];
		const note = (name: string) => async (id: string) => {
			runs.push(`${name} ${id}`);
			await Promise.resolve();
		};
		jobs.process(queue, 1, note("queue"));
		jobs.process(other, 1, note("other"));
		await jobs.wake(queue, "one");
		await until("the first run", () => runs.includes("queue one"));
		await jobs.wake(queue, "two");
		await until("the second job", () => runs.includes("queue two"));
		expect(runs).toEqual(["queue one", "queue two"]);
		await until("a run of the job that was done", async () => {
			await jobs.wake(queue, "one");
			return runs.filter(run => run === "queue one").length > 1;
		});
	});

	it("When a handler throws, the job is tried again until it is done", async () => {
		const jobs = await start(engine);
		const queue = aQueue();
		let attempts = 0;
		jobs.process(queue, 1, async () => {
			await Promise.resolve();
			if (++attempts < 3) throw new Error("not yet");
		});
		await jobs.wake(queue, "job");
		await until("the third attempt", () => attempts === 3);
	});

	it("A queue runs as many jobs at once as it was told, and not one more", async () => {
		const jobs = await start(engine);
		const queue = aQueue();
		const gate = aGate();
		let [running, most, done] = [0, 0, 0];
		jobs.process(queue, 3, async () => {
			most = Math.max(most, ++running);
			await gate.opened;
			running--;
			done++;
		});
		await Promise.all(Array.from({ length: 10 }, (_, i) => jobs.wake(queue, `job ${i}`)));
		await until("a full queue", () => running === 3);
		gate.open();
		await until("all jobs", () => done === 10);
		expect(most).toBe(3);
	});

	it("When a wake-up is delayed, what is woken after it runs before it", async () => {
		const jobs = await start(engine);
		const queue = aQueue();
		const runs: string[] = [];
		jobs.process(queue, 1, async id => {
			runs.push(id);
			await Promise.resolve();
		});
		await jobs.wake(queue, "later", 1_000);
		await jobs.wake(queue, "now");
		await until("both", () => runs.length === 2);
		expect(runs).toEqual(["now", "later"]);
	});

	it("When a job that waits is woken again, it runs once", async () => {
		const jobs = await start(engine);
		const queue = aQueue();
		const gate = aGate();
		const runs: string[] = [];
		jobs.process(queue, 1, async id => {
			runs.push(id);
			await gate.opened;
		});
		await jobs.wake(queue, "first");
		await until("a busy worker", () => runs.length === 1);
		for (let i = 0; i < 3; i++) await jobs.wake(queue, "waiting");
		for (let i = 0; i < 3; i++) await jobs.wake(queue, "delayed", 50);
		gate.open();
		await until("the delayed job", () => runs.includes("delayed"));
		await jobs.wake(queue, "last");
		await until("the last job", () => runs.includes("last"));
		expect([...runs].sort()).toEqual(["delayed", "first", "last", "waiting"]);
	});

	it("When a job waits for an hour and is woken for now, it runs now", async () => {
		const jobs = await start(engine);
		const queue = aQueue();
		const runs: string[] = [];
		jobs.process(queue, 1, async id => {
			runs.push(id);
			await Promise.resolve();
		});
		await jobs.wake(queue, "job", 3_600_000);
		await jobs.wake(queue, "job");
		await until("the job", () => runs.length > 0);
		expect(runs).toEqual(["job"]);
	});

	it("When it stops, it takes nothing new, waits for what runs, and leaves no socket", async () => {
		const before = sockets();
		const jobs = await start(engine);
		const queue = aQueue();
		const gate = aGate();
		const steps: string[] = [];
		jobs.process(queue, 1, async id => {
			steps.push(`began ${id}`);
			await gate.opened;
			steps.push(`ended ${id}`);
		});
		await jobs.wake(queue, "one");
		await until("a running job", () => steps.length === 1);
		await jobs.wake(queue, "two");
		const stopped = jobs.stop().then(() => steps.push("stopped"));
		await until("a closed intake", () => !jobs.isReady());
		gate.open();
		await stopped;
		expect(steps).toEqual(["began one", "ended one", "stopped"]);
		await until("closed sockets", () => sockets() <= before);
	});
});

(redis ? describe : describe.skip)("Jobs over Redis", () => {
	it("When Redis does not take the password, at the start or after a reconnect, work waits until it does", async () => {
		const rejections: unknown[] = [];
		const onRejection = (reason: unknown) => rejections.push(reason);
		process.on("unhandledRejection", onRejection);
		const admin = new Redis(redis?.url ?? "");
		const withPassword = new URL(redis?.url ?? "");
		withPassword.password = "right";
		const said: string[] = [];
		const setPassword = async (password: string) => {
			await admin.call("ACL", "LOG", "RESET");
			await admin.config("SET", "requirepass", password);
			await admin.call("CLIENT", "KILL", "TYPE", "normal");
			await admin.call("CLIENT", "KILL", "TYPE", "pubsub");
		};
		const jobs = new BullJobs(withPassword.href);
		const broker = new ServiceBroker({ logger: false });
		try {
			await setPassword("changed");
			broker.createService(jobs.service("test"));
			const { logger } = broker.getLocalService("jobs-test");
			logger.warn = (line: unknown) => void said.push(String(line));
			await broker.start();
			const queue = aQueue();
			const runs: string[] = [];
			jobs.process(queue, 1, async id => {
				runs.push(id);
				await Promise.resolve();
			});
			const isRefused = async () => ((await admin.call("ACL", "LOG")) as unknown[]).length > 0;
			await until("a refused start", isRefused);
			await until("a line", () => said.some(line => line.includes("WRONGPASS") && line.includes("REDIS_URL")));
			await setPassword("right");
			await until("a run", async () => {
				await jobs.wake(queue, "one");
				return runs.includes("one");
			});
			await setPassword("changed");
			await until("a second refusal", isRefused);
			await setPassword("right");
			await until("a run after it", async () => {
				await jobs.wake(queue, "two");
				return runs.includes("two");
			});
			expect(rejections).toEqual([]);
		} finally {
			process.off("unhandledRejection", onRejection);
			await admin.config("SET", "requirepass", "");
			admin.disconnect();
			await broker.stop();
			await jobs.stop();
		}
	}, 60_000);

	it("When two nodes work on one queue, each job runs on one of them", async () => {
		const nodes = [await start("bull"), await start("bull")];
		const queue = aQueue();
		const runs: [number, string][] = [];
		for (const [i, node] of nodes.entries())
			node.process(queue, 2, async id => {
				runs.push([i, id]);
				await until("the other node's turn", () => new Set(runs.map(([n]) => n)).size === 2);
			});
		const ids = Array.from({ length: 20 }, (_, i) => `job ${i}`);
		for (const id of ids) await nodes[0]?.wake(queue, id);
		await until("all jobs", () => runs.length >= 20);
		expect(runs.map(([, id]) => id).sort()).toEqual([...ids].sort());
		expect(new Set(runs.map(([node]) => node)).size).toBe(2);
	});

	it("When there is no worker yet, the job waits for one", async () => {
		const [first, second] = [await start("bull"), await start("bull")];
		const queue = aQueue();
		const runs: string[] = [];
		await first.wake(queue, "job");
		second.process(queue, 1, async id => {
			runs.push(id);
			await Promise.resolve();
		});
		await until("the job", () => runs.length === 1);
	});

	it("When Redis forgets everything while jobs wait and run, work goes on with the next wake-up", async () => {
		const jobs = await start("bull");
		const queue = aQueue();
		const gate = aGate();
		const runs: string[] = [];
		jobs.process(queue, 1, async id => {
			runs.push(id);
			await gate.opened;
		});
		await jobs.wake(queue, "running");
		await until("a running job", () => runs.length === 1);
		await jobs.wake(queue, "waiting");
		await flush();
		gate.open();
		// What a sweep does.
		await until("the job that was forgotten", async () => {
			await jobs.wake(queue, "waiting");
			return runs.includes("waiting");
		});
	});

	if (!redis?.isOwn) return;

	it("When Redis is killed, wake-ups are lost without an error, running jobs end, and work goes on after it", async () => {
		const jobs = await start("bull");
		const queue = aQueue();
		const gate = aGate();
		const ended: string[] = [];
		let isRunning = false;
		jobs.process(queue, 1, async id => {
			isRunning = true;
			await gate.opened;
			ended.push(id);
		});
		await jobs.wake(queue, "running");
		await until("a running job", () => isRunning);
		await redis.kill("SIGKILL");
		await jobs.wake(queue, "lost");
		gate.open();
		await until("the end of the running job", () => ended.includes("running"));
		await redis.start();
		await until(
			"the next job",
			async () => {
				await jobs.wake(queue, "next");
				return ended.includes("next");
			},
			25_000,
		);
	});

	it("When Redis is down at the start, and even at the stop, neither fails", async () => {
		await redis.kill("SIGKILL");
		const [late, never] = [await start("bull"), await start("bull")];
		const queue = aQueue();
		const runs: string[] = [];
		for (const jobs of [late, never])
			jobs.process(queue, 1, async id => {
				runs.push(id);
				await Promise.resolve();
			});
		await never.wake(queue, "lost");
		await never.stop();
		await redis.start();
		await until(
			"a job after all",
			async () => {
				await late.wake(queue, "job");
				return runs.includes("job");
			},
			25_000,
		);
	});
});
