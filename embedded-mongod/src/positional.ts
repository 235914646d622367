import { badValue } from "./errors.ts";
import type { Evaluation } from "./expressions.ts";
import { compileFilter, elementTest, isOperatorDoc, valueTest } from "./matcher.ts";
import { type Doc, isPlain } from "./values.ts";

type Test = (element: unknown) => boolean;

/** The tests that a filter makes on the elements of the array at `head`. */
function testsOn(head: string, filter: Doc, evaluation: Evaluation): Test[] {
	const tests: Test[] = [];
	for (const [key, condition] of Object.entries(filter)) {
		if (key === "$and" && Array.isArray(condition)) {
			for (const branch of condition) tests.push(...testsOn(head, branch as Doc, evaluation));
		} else if (key === head) {
			const elemMatch = isOperatorDoc(condition) ? condition["$elemMatch"] : undefined;
			tests.push(isPlain(elemMatch) ? elementTest(elemMatch, evaluation) : valueTest(condition, evaluation));
		} else if (key.startsWith(`${head}.`)) {
			const test = compileFilter({ [key.slice(head.length + 1)]: condition }, evaluation);
			tests.push(e => isPlain(e) && test(e));
		}
	}
	return tests;
}

/**
 * The element that `$` stands for: the first the whole filter agrees on; failing that, the one the filter's last
 * condition on this array found, as MongoDB has it.
 * @throws MongoError 2 when the filter says nothing about this array
 */
export function positionOf(list: unknown[], head: string, filter: Doc, evaluation: Evaluation): number {
	const tests = testsOn(head, filter, evaluation);
	const first = tests.length ? list.findIndex(e => tests.every(test => test(e))) : -1;
	if (first >= 0) return first;
	const last = tests.at(-1);
	const found = last ? list.findIndex(last) : -1;
	if (found < 0) throw badValue("The positional operator did not find the match needed from the query.");
	return found;
}
