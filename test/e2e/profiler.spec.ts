import { startTestNode, type TestNode } from "../support/node.ts";
import { type Profiler, startProfiler } from "../support/profiler.ts";
import { tellTheStory } from "./story.ts";

describe("No query of the story scans a collection or sorts in memory", () => {
	let profiler: Profiler;
	let node: TestNode;

	// The demo catalogue seeds the collections: on an empty one every plan looks good.
	tellTheStory("with the profiler on", async env => {
		node = await startTestNode({ env: { DEMO_DATA: "1", ...env } });
		profiler = await startProfiler(node.mongodbUri);
		return { urls: [node.broker.stoa.publicUrl], mongodbUri: node.mongodbUri, stop: async () => undefined };
	});

	afterEach(() => profiler?.collect());

	afterAll(async () => {
		await profiler?.stop();
		await node?.stop();
	}, 60_000);

	it("and the profiler has seen it all", async () => {
		await profiler.collect();
		const seen = [...profiler.counts().keys()].join("\n");
		for (const collection of [
			"products.products",
			"carts.carts",
			"orders.orders",
			"payments.payments",
			"inventory.stock",
		]) {
			expect(seen).toContain(collection);
		}
		expect(profiler.offences()).toEqual([]);
	});
});
