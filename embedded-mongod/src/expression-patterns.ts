// $regexMatch, $regexFind and $regexFindAll. Places are counted in characters, not in UTF-16's halves of them.
import { located } from "./errors.ts";
import { compileRegex, type Pattern } from "./regex.ts";
import { isRegex, own, typeOf } from "./values.ts";

const isNil = (v: unknown): v is null | undefined => v === null || v === undefined;

/** @returns undefined when there is nothing to look in, or for */
function read(name: string, arg: unknown): { text: string; pattern: Pattern } | undefined {
	const [input, regex, options] = ["input", "regex", "options"].map(key => own(arg, key));
	if (!isNil(input) && typeof input !== "string") {
		throw located(51104, `${name} needs 'input' to be of type string, not ${typeOf(input)}`);
	}
	if (!isNil(regex) && typeof regex !== "string" && !isRegex(regex)) {
		throw located(51105, `${name} needs 'regex' to be of type string or regex`);
	}
	if (isNil(input) || isNil(regex)) return undefined;
	return { text: input, pattern: compileRegex(regex, isNil(options) ? undefined : options) };
}

function* matches(text: string, pattern: Pattern) {
	for (let from = 0; from <= text.length; ) {
		const found = pattern.find(text, from);
		if (!found) return;
		const { start, end, groups } = found;
		yield { match: text.slice(start, end), idx: [...text.slice(0, start)].length, captures: groups };
		from = end > start ? end : end + ((text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1);
	}
}

export const PATTERNS: Record<string, (args: unknown[]) => unknown> = {
	$regexMatch([arg]) {
		const given = read("$regexMatch", arg);
		return given ? given.pattern.test(given.text) : false;
	},
	$regexFind([arg]) {
		const given = read("$regexFind", arg);
		return (given && matches(given.text, given.pattern).next().value) ?? null;
	},
	$regexFindAll([arg]) {
		const given = read("$regexFindAll", arg);
		return given ? [...matches(given.text, given.pattern)] : [];
	},
};
