import { startTestNode, type TestNode } from "../support/node.ts";

const TEN_MINUTES = 600_000;

describe("A node whose clock is ten minutes ahead", () => {
	let node: TestNode;

	beforeAll(async () => {
		node = await startTestNode({ services: ["carts"], env: { CLOCK_SHIFT_MS: String(TEN_MINUTES) } });
	});
	afterAll(() => node?.stop());

	it("agrees with the database on what time it is, in every service", () => {
		const { clock, database } = node.broker.stoa;
		for (const nowMs of [clock.nowMs(), database.clockOf("carts").nowMs()]) {
			expect(Math.abs(nowMs - Date.now())).toBeLessThan(TEN_MINUTES / 2);
		}
	});

	it("shows its metrics to operators, parked work among them", async () => {
		const answer = await fetch(`${node.opsUrl}/metrics`);
		expect(answer.status).toBe(200);
		expect(answer.headers.get("content-type")).toMatch(/^text\/plain/);
		expect(await answer.text()).toContain("# TYPE stoa_parked gauge");
	});
});
