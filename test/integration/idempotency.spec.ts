import { randomUUID } from "node:crypto";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { until } from "../support/until.ts";

const newKey = () => `key-${randomUUID()}`;

/** The `commands` collection of the fixture's service, through the gateway and the middleware. */
describe("An Idempotency-Key", () => {
	let gateway: TestGateway;

	beforeAll(async () => {
		gateway = await startGateway({ TRUSTED_PROXIES: "127.0.0.1,::1" });
	}, 30_000);
	afterAll(() => gateway?.stop());
	beforeEach(() => {
		gateway.seen.length = 0;
		gateway.gate.wait = undefined;
	});

	const create = (key: string | undefined, body: unknown = { name: "lamp" }, token?: string) =>
		gateway.client.post("/things", body, { key, token });
	const records = () => gateway.node.broker.stoa.database.of("things").collection<{ _id: string }>("commands");

	it("gives the first answer again, byte for byte, with a request id of its own", async () => {
		const key = newKey();
		const first = await create(key);
		const again = await create(key);
		expect([first.status, again.status]).toEqual([201, 201]);
		expect(again.text).toBe(first.text);
		expect(first.headers.get("idempotent-replayed")).toBeNull();
		expect(again.headers.get("idempotent-replayed")).toBe("true");
		for (const name of ["location", "etag", "content-type"])
			expect(again.headers.get(name)).toBe(first.headers.get(name));
		expect(again.headers.get("x-request-id")).not.toBe(first.headers.get("x-request-id"));
		expect(gateway.seen).toHaveLength(1);
	});

	it("makes one effect of fifty requests at once", async () => {
		const key = newKey();
		let open: () => void = () => undefined;
		gateway.gate.wait = new Promise(resolve => {
			open = () => resolve();
		});
		const answers = Array.from({ length: 50 }, () => create(key));
		await until("the first to run", () => gateway.seen.length === 1);
		const early = await Promise.race(answers);
		expect([early.status, early.body.code, early.headers.get("retry-after")]).toEqual([
			409,
			"IDEMPOTENCY_IN_PROGRESS",
			"1",
		]);
		open();
		const statuses = (await Promise.all(answers)).map(answer => answer.status);
		expect(statuses.filter(status => status === 201).length).toBeGreaterThanOrEqual(1);
		expect(statuses.every(status => status === 201 || status === 409)).toBe(true);
		expect(gateway.seen).toHaveLength(1);
		expect((await create(key)).headers.get("idempotent-replayed")).toBe("true");
	});

	it("is refused with another body, and belongs to its user alone", async () => {
		const key = newKey();
		const [ada, bob] = [gateway.tokenFor(), gateway.tokenFor()];
		expect((await create(key, { name: "lamp" }, ada)).status).toBe(201);
		const other = await create(key, { name: "chair" }, ada);
		expect([other.status, other.body.code]).toEqual([422, "IDEMPOTENCY_KEY_REUSED"]);
		const bobs = await create(key, { name: "chair" }, bob);
		expect([bobs.status, bobs.body.name]).toEqual([201, "chair"]);
	});

	it("keeps a refusal that is final, and none that is not", async () => {
		const [final, passing] = [newKey(), newKey()];
		const first = await create(final, { name: "taken" });
		const again = await create(final, { name: "taken" });
		expect([first.status, again.status, again.body.detail]).toEqual([409, 409, first.body.detail]);
		expect(again.headers.get("idempotent-replayed")).toBe("true");
		expect(gateway.seen).toHaveLength(1);
		for (let i = 0; i < 2; i++) expect((await create(passing, { name: "unlucky" })).status).toBe(503);
		expect(gateway.seen).toHaveLength(3);
	});

	it("is not taken by a request with another body from one that ended in nothing final", async () => {
		const key = newKey();
		expect((await create(key, { name: "unlucky" })).status).toBe(503);
		expect((await create(key)).body.code).toBe("IDEMPOTENCY_KEY_REUSED");
		expect((await create(key, { name: "unlucky" })).status).toBe(503);
		expect(gateway.seen).toHaveLength(2);
	});

	it("is not used up by a request that never ran", async () => {
		const key = newKey();
		expect((await create(key, { name: 5 })).status).toBe(422);
		expect((await create(key, { name: "lamp" }, "rubbish")).status).toBe(401);
		expect((await create(key, { name: "lamp" })).status).toBe(201);
	});

	it("of a process that died is taken over after its lease, with the same id", async () => {
		const key = newKey();
		const before = new Set((await records().find().toArray()).map(record => record._id));
		const first = await create(key);
		const record = await until("its record", async () =>
			(await records().find().toArray()).find(({ _id }) => !before.has(_id)),
		);
		// As a process leaves it that dies between the effect and the outcome.
		await records().updateOne(
			{ _id: record._id },
			{ $set: { outcome: null, leaseUntil: new Date(Date.now() + 60_000) } },
		);
		expect((await create(key)).body.code).toBe("IDEMPOTENCY_IN_PROGRESS");
		await records().updateOne({ _id: record._id }, { $set: { leaseUntil: new Date(Date.now() - 1_000) } });
		const retried = await create(key);
		expect([retried.status, retried.body.id]).toEqual([201, first.body.id]);
		expect(gateway.seen).toHaveLength(2);
	});

	/** A request that holds its claim until it is let go on, as one does whose process hangs. */
	async function hanging(key: string, body: unknown) {
		const before = gateway.seen.length;
		let open: () => void = () => undefined;
		gateway.gate.wait = new Promise(resolve => {
			open = resolve;
		});
		const known = new Set((await records().find().toArray()).map(({ _id }) => _id));
		const answer = create(key, body);
		await until("it to run", () => gateway.seen.length === before + 1);
		gateway.gate.wait = undefined;
		const record = (await records().find().toArray()).find(({ _id }) => !known.has(_id));
		const expire = () =>
			records().updateOne({ _id: record?._id ?? "" }, { $set: { leaseUntil: new Date(Date.now() - 1_000) } });
		const read = () => records().findOne({ _id: record?._id ?? "" });
		return { answer, open, expire, read };
	}

	it("belongs to whoever took over: a worker that hung answers what its successor came to, and overwrites nothing", async () => {
		const key = newKey();
		const first = await hanging(key, { name: "lamp" });
		await first.expire();
		const second = await create(key);
		expect([second.status, second.body.at]).toEqual([201, 2]);
		const kept = await first.read();
		first.open();
		const late = await first.answer;
		expect([late.status, late.text]).toEqual([201, second.text]);
		expect(late.headers.get("idempotent-replayed")).toBe("true");
		expect(await first.read()).toEqual(kept);
	});

	it("is told to a worker that hung while its successor runs, which alone gives it back", async () => {
		const [key, unlucky] = [newKey(), newKey()];
		const first = await hanging(key, { name: "lamp" });
		await first.expire();
		const second = await hanging(key, { name: "lamp" });
		first.open();
		expect((await first.answer).body.code).toBe("IDEMPOTENCY_IN_PROGRESS");
		second.open();
		expect((await second.answer).status).toBe(201);

		const failing = await hanging(unlucky, { name: "unlucky" });
		await failing.expire();
		const successor = await hanging(unlucky, { name: "unlucky" });
		failing.open();
		expect((await failing.answer).status).toBe(503);
		expect((await create(unlucky, { name: "unlucky" })).body.code).toBe("IDEMPOTENCY_IN_PROGRESS");
		successor.open();
		expect((await successor.answer).status).toBe(503);
		expect((await create(unlucky, { name: "unlucky" })).status).toBe(503);
	});

	it("is kept alive while its command runs", async () => {
		const running = await hanging(newKey(), { name: "lamp" });
		const since = (await running.read()) as unknown as { leaseUntil: Date };
		await until("the lease to be renewed", async () => {
			const now = (await running.read()) as unknown as { leaseUntil: Date };
			return now.leaseUntil > since.leaseUntil;
		});
		await running.expire();
		running.open();
		// Nobody took over: what it came to counts.
		expect((await running.answer).status).toBe(201);
	});

	it("keeps a refusal to the letter, also one that another service gave", async () => {
		for (const name of ["taken", "taken elsewhere"]) {
			const key = newKey();
			const first = await create(key, { name });
			const again = await create(key, { name });
			expect([first.status, again.status, again.text]).toEqual([409, 409, first.text]);
			expect(again.body.requestId).toBe(first.headers.get("x-request-id"));
			expect(again.headers.get("x-request-id")).not.toBe(again.body.requestId);
			expect(again.headers.get("idempotent-replayed")).toBe("true");
		}
		expect(gateway.seen).toHaveLength(2);
	});

	it("is not used up by what the service itself finds wrong with a request", async () => {
		const key = newKey();
		expect((await create(key, { name: "wrong" })).status).toBe(422);
		expect((await create(key, { name: "lamp" })).status).toBe(201);
	});

	it("of a guest without a cart means nothing from another network", async () => {
		const key = newKey();
		const from = (address: string) =>
			gateway.client.post("/things", { name: "lamp" }, { key, headers: { "x-forwarded-for": address } });
		const mine = await from("203.0.113.7");
		expect((await from("203.0.113.7")).text).toBe(mine.text);
		const stranger = await from("198.51.100.7");
		expect([stranger.status, stranger.headers.get("idempotent-replayed")]).toEqual([201, null]);
		expect(stranger.body.id).not.toBe(mine.body.id);
		const home = await from("2001:db8:1:2::7");
		expect((await from("2001:db8:1:2:ffff::8")).text).toBe(home.text);
		expect((await from("2001:db8:1:3::7")).body.id).not.toBe(home.body.id);
	});

	it("that a stranger could guess is refused without a scope", async () => {
		const guessable = await create("1234");
		expect([guessable.status, guessable.body.code]).toEqual([400, "BAD_REQUEST"]);
		expect((await create("1234", { name: "lamp" }, gateway.tokenFor())).status).toBe(201);
	});
});
