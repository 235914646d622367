import { randomUUID } from "node:crypto";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { until } from "../support/until.ts";

const newKey = () => `key-${randomUUID()}`;

/** The `commands` collection of the fixture's service, through the gateway and the middleware. */
describe("An Idempotency-Key", () => {
	let gateway: TestGateway;

	beforeAll(async () => {
		gateway = await startGateway();
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

	it("that a stranger could guess is refused without a scope", async () => {
		const guessable = await create("1234");
		expect([guessable.status, guessable.body.code]).toEqual([400, "BAD_REQUEST"]);
		expect((await create("1234", { name: "lamp" }, gateway.tokenFor())).status).toBe(201);
	});
});
