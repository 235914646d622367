// The keys of a document in which several paths of an index meet arrays.
import { MongoError } from "./errors.ts";
import { EMPTY, isPlain, isPosition, own } from "./values.ts";

/** How far a path has been followed: to `value`, by the first `at` of its parts. */
interface Step {
	parts: readonly string[];
	value: unknown;
	at: number;
	/** The value is the element of an array that ends the path; an array in an array stays a value. */
	isElement: boolean;
}

/**
 * As MongoDB has it: all paths go through the same element of an array they share, so a key never joins values of two
 * elements. Two arrays side by side would need every pair of their elements.
 * @throws MongoError 171 when there are such
 */
export function keysThroughArrays(doc: unknown, paths: readonly (readonly string[])[]): unknown[][] {
	const out: unknown[][] = [];
	expand(
		paths.map(parts => ({ parts, value: doc, at: 0, isElement: false })),
		out,
	);
	return out;
}

function expand(steps: Step[], out: unknown[][]): void {
	const reached = steps.map(follow);
	const shared = reached.find(isAtArray);
	if (!shared) {
		out.push(reached.map(s => s.value ?? null));
		return;
	}
	const array = shared.value as unknown[];
	for (const s of reached) if (isAtArray(s) && s.value !== array) throw parallel(shared, s);
	for (const element of array.length ? array : [undefined]) {
		const inner = reached.map(s => (s.value === array && isAtArray(s) ? enter(s, element, !array.length) : s));
		expand(inner, out);
	}
}

const isAtArray = (s: Step) => Array.isArray(s.value) && !s.isElement;

/** Goes on as far as there are documents. */
function follow({ parts, value, at, isElement }: Step): Step {
	let v = value;
	let i = at;
	for (; i < parts.length && !isElement; i++) {
		const part = parts[i] ?? "";
		if (Array.isArray(v)) {
			if (!isPosition(part) || Number(part) >= v.length) break;
			v = v[Number(part)];
		} else v = isPlain(v) ? own(v, part) : undefined;
	}
	return { parts, value: v, at: i, isElement };
}

function enter(s: Step, element: unknown, isEmpty: boolean): Step {
	if (s.at === s.parts.length) return { ...s, value: isEmpty ? EMPTY : element, isElement: true };
	// Filters look for fields in the documents of an array, not in arrays within it.
	return { ...s, value: Array.isArray(element) ? undefined : element };
}

function parallel(a: Step, b: Step): MongoError {
	const name = (s: Step) => `[${s.parts.slice(0, s.at).join(".")}]`;
	return new MongoError(171, "CannotIndexParallelArrays", `cannot index parallel arrays ${name(a)} ${name(b)}`);
}
