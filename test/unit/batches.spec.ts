import { Batches } from "../../lib/batches.ts";

describe("Batches", () => {
	it("do together what is asked for at once, so many at most, and give each its own result", async () => {
		const sizes: number[] = [];
		const batches = new Batches<number, number>(4, async items => {
			sizes.push(items.length);
			await Promise.resolve();
			return items.map(item => item * 10);
		});
		expect(await Promise.all([1, 2, 3, 4, 5, 6].map(item => batches.add(item)))).toEqual([10, 20, 30, 40, 50, 60]);
		expect(sizes).toEqual([4, 2]);
	});

	it("are one at a time: what comes meanwhile is the next one", async () => {
		const begun: number[][] = [];
		const gates: (() => void)[] = [];
		const batches = new Batches<number, void>(64, async items => {
			begun.push([...items]);
			await new Promise<void>(resolve => gates.push(resolve));
			return items.map(() => undefined);
		});
		const first = batches.add(1);
		while (begun.length < 1) await new Promise(resolve => setImmediate(resolve));
		const later = [batches.add(2), batches.add(3)];
		await new Promise(resolve => setImmediate(resolve));
		expect(begun).toEqual([[1]]);
		gates[0]?.();
		await first;
		while (begun.length < 2) await new Promise(resolve => setImmediate(resolve));
		gates[1]?.();
		await Promise.all(later);
		expect(begun).toEqual([[1], [2, 3]]);
	});

	it("fail together, and the next one is tried all the same", async () => {
		const batches = new Batches<number, number>(2, items =>
			items.includes(1) ? Promise.reject(new Error("no database")) : Promise.resolve(items),
		);
		const outcomes = await Promise.allSettled([1, 2, 3].map(item => batches.add(item)));
		expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled"]);
		expect(await batches.add(4)).toBe(4);
	});
});
