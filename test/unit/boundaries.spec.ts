import { breachesOf, classesAskedFor, cyclesOf, importsOf, readsEnvironment } from "../../scripts/boundaries.ts";

const breaches = (file: string, source: string) => breachesOf(importsOf(file, source)).map(({ rule }) => rule);

describe("The borders of the tree", () => {
	it.each([
		["services/orders/a.ts", 'import { x } from "../carts/carts.repository.ts";', /only its contract/],
		["services/orders/a.ts", 'import { x } from "../carts/carts.contract.ts";', /only as types/],
		["services/orders/domain/a.ts", 'import { newEvent } from "../../../lib/events.ts";', /domain/],
		["services/orders/domain/a.ts", 'import { createHash } from "node:crypto";', /domain/],
		["services/orders/domain/a.ts", 'import mongoose from "mongoose";', /domain/],
		["lib/a.ts", 'import type { Order } from "../services/orders/orders.contract.ts";', /import no service/],
		["embedded-mongod/src/a.ts", 'import { newId } from "../../lib/ids.ts";', /nothing of Stoa/],
		["invariants/a.ts", 'import { add } from "../lib/money.ts";', /shares no code/],
		["services/orders/a.ts", 'import type { Context } from "moleculer";', /raw Context/],
		["services/orders/a.ts", 'import { until } from "../../test/support/until.ts";', /nothing of test/],
		["services/orders/a.ts", 'const x = await import("../carts/carts.model.ts");', /only its contract/],
		["services/orders/a.ts", 'export { x } from "../carts/carts.model.ts";', /only its contract/],
	])("refuse in %s: %s", (file, source, rule) => {
		expect(breaches(file, source)).toEqual([expect.stringMatching(rule)]);
	});

	it.each([
		["services/orders/a.ts", 'import type { Cart } from "../carts/carts.contract.ts";'],
		["services/orders/a.ts", 'import { type Cart, type Totals } from "../carts/carts.contract.ts";'],
		["services/orders/domain/a.ts", 'import { add } from "../../../lib/money.ts";'],
		["services/orders/domain/a.ts", 'import type { Order } from "../orders.contract.ts";'],
		["embedded-mongod/src/a.ts", 'import { serialize } from "bson";'],
		["services/orders/a.ts", 'export const from = "../carts/carts.model.ts";'],
	])("allow in %s: %s", (file, source) => {
		expect(breaches(file, source)).toEqual([]);
	});

	it("find files that import each other in a circle at run time, not as types", () => {
		const circle = [
			...importsOf("lib/a.ts", 'import { b } from "./b.ts";'),
			...importsOf("lib/b.ts", 'import { a } from "./a.ts";'),
		];
		expect(cyclesOf(circle)).toEqual([["lib/a.ts", "lib/b.ts", "lib/a.ts"]]);
		const types = [
			...importsOf("lib/a.ts", 'import { b } from "./b.ts";'),
			...importsOf("lib/b.ts", 'import type { a } from "./a.ts";'),
		];
		expect(cyclesOf(types)).toEqual([]);
	});

	it.each([
		["services/orders/a.ts", "if (error instanceof DomainError) return;"],
		["mixins/a.ts", "if (error instanceof Errors.MoleculerError) return;"],
		["services/orders/a.ts", "const { data } = error as DomainError;"],
	])("see that %s takes an error for a class: %s", (file, source) => {
		expect(classesAskedFor(file, source)).toHaveLength(1);
	});

	it("let a file ask for classes that no network takes away", () => {
		expect(classesAskedFor("services/a.ts", "at instanceof Date || error instanceof Error")).toEqual([]);
		expect(classesAskedFor("services/a.ts", "// never error instanceof DomainError")).toEqual([]);
		expect(classesAskedFor("middlewares/domain-errors.ts", "error instanceof DomainError")).toEqual([]);
	});

	it("let only the configuration read the environment", () => {
		expect(readsEnvironment("services/orders/a.ts", "const x = process.env.PORT;")).toBe(true);
		expect(readsEnvironment("lib/config.ts", "const x = process.env;")).toBe(false);
		expect(readsEnvironment("services/orders/a.ts", "// process.env is not read here")).toBe(false);
	});
});
