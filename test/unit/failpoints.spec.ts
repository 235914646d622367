import { createFailpoints, FAILPOINTS, parseFailpoints, SAGA_STEPS, type SagaName } from "../../lib/failpoints.ts";
import { runSaga, type Saga } from "../../services/orders/use-cases/saga.ts";

describe("Failpoints", () => {
	it("stand before and after every step of every saga", () => {
		for (const [saga, steps] of Object.entries(SAGA_STEPS)) {
			for (const step of steps) {
				expect(FAILPOINTS).toContain(`${saga}.${step}:before`);
				expect(FAILPOINTS).toContain(`${saga}.${step}:after`);
			}
		}
	});

	it("are passed in the order of the steps, whatever part of a saga runs", async () => {
		const name: SagaName = "orders.place";
		const passed: string[] = [];
		const trace = Object.fromEntries(
			SAGA_STEPS[name].map(step => [
				step,
				(state: string) => {
					passed.push(step);
					return Promise.resolve(state);
				},
			]),
		) as Saga<typeof name, string>;
		const hits: string[] = [];
		const failpoints = {
			hit: (point: string) => {
				hits.push(point);
				return Promise.resolve();
			},
		};
		await runSaga(name, trace, "", failpoints, { from: "confirm", to: "capture" });
		expect(passed).toEqual(["confirm", "sell", "capture"]);
		expect(hits).toEqual(
			["confirm", "sell", "capture"].flatMap(step => [`${name}.${step}:before`, `${name}.${step}:after`]),
		);
	});

	it("act once each, and only where they are armed", async () => {
		const points = createFailpoints(parseFailpoints("orders.place.sell:after:error,orders.cancel.mark:before:pause:1"));
		await points.hit("orders.place.sell:before");
		await expect(points.hit("orders.place.sell:after")).rejects.toThrow("orders.place.sell:after");
		await points.hit("orders.place.sell:after");
		await points.hit("orders.cancel.mark:before");
	});

	it("are refused when nobody knows them", () => {
		for (const wrong of ["orders.place", "orders.place.dance:before", "orders.place.sell:before:explode"]) {
			expect(() => parseFailpoints(wrong)).toThrow();
		}
	});
});
