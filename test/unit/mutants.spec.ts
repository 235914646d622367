import { existsSync, readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { MUTANTS } from "../../scripts/mutants/index.ts";
import { mutated } from "../../scripts/mutants/mutant.ts";

const root = join(import.meta.dirname, "../..");

describe("The list of mutants", () => {
	it.each(MUTANTS.map(mutant => [mutant.name, mutant] as const))("applies: %s", (_name, mutant) => {
		const source = mutated(readFileSync(join(root, mutant.file), "utf8"), mutant);
		// What does not even parse would be noticed by every spec.
		expect(() => stripTypeScriptTypes(source)).not.toThrow();
		expect(mutant.specs.filter(spec => !existsSync(join(root, spec)))).toEqual([]);
		expect(mutant.specs.length).toBeGreaterThan(0);
	});

	it("names each once", () => {
		expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
	});

	it("refuses a text that is not there, or there twice", () => {
		const mutant = { file: "x.ts", find: "a", replace: "b" };
		expect(mutated("cab", mutant)).toBe("cbb");
		expect(() => mutated("xyz", mutant)).toThrow("occurs 0 times");
		expect(() => mutated("aba", mutant)).toThrow("occurs 2 times");
		expect(() => mutated("cab", { ...mutant, replace: "a" })).toThrow("by itself");
	});
});
