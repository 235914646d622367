import { allSpecs, serviceNames, specsOf, splitArguments } from "../choose.ts";

describe("npm test -- <what>", () => {
	it.each(serviceNames())("finds the specs that are about %s", service => {
		expect(specsOf(service).length).toBeGreaterThan(0);
	});

	it("finds by any part of a path, by a pattern, and by a path that the shell completed", () => {
		expect(specsOf("unit/choose")).toEqual(["test/unit/choose.spec.ts"]);
		expect(specsOf("./test/unit/choose.spec.ts")).toEqual(["test/unit/choose.spec.ts"]);
		expect(specsOf("test/(unit|contract)/")).toContain("test/contract/events.spec.ts");
		expect(specsOf("mongod/test")).toContain("embedded-mongod/test/lock.spec.ts");
		expect(specsOf("carts")).toContain("test/integration/checkout.spec.ts");
		expect(specsOf("carts").filter(spec => spec.startsWith("test/cluster/"))).toEqual([]);
	});

	it("finds every spec there is by its own path", () => {
		for (const spec of allSpecs()) expect(specsOf(spec)).toContain(spec);
	});

	it("says so when nothing is called that, with names that are near", () => {
		expect(() => specsOf("chekout")).toThrow(/No spec is called chekout\. Near: checkout, /);
		expect(() => specsOf("nothing of the kind(")).toThrow("No spec is called");
	});

	it("leaves what is for Jest to Jest", () => {
		expect(splitArguments(["money", "-u", "-t", "a name", "totals"])).toEqual({
			patterns: ["money", "totals"],
			flags: ["-u", "-t", "a name"],
		});
	});
});
