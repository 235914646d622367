// Regular expressions as MongoDB takes them (PCRE), matched in a time that grows with the text and no faster.
import type { BSONRegExp } from "bson";
import { RE2JS } from "re2js";
import { MongoError } from "./errors.ts";
import { bsonType, isRegex } from "./values.ts";

/** A compiled pattern. */
export interface Pattern {
	test(text: string): boolean;
	/** The first match at or after a place of the text, with its groups. */
	find(text: string, from: number): { start: number; end: number; groups: (string | null)[] } | undefined;
}

const invalid = (why: string) => new MongoError(51091, "Location51091", `Regular expression is invalid: ${why}`);
const missing = (what: string) => invalid(`embedded-mongod matches in linear time, and has no ${what} in patterns`);

/** A pattern and its options, as one text: patterns are equal when these are. */
export function sourceOf(arg: unknown, options?: unknown): { pattern: string; flags: string } {
	const own = bsonType(arg) === "BSONRegExp" ? (arg as BSONRegExp) : undefined;
	// BSON's `s` arrives as JavaScript's `g` where the library has made a RegExp.
	const isPlainRegex = arg instanceof RegExp;
	const pattern = own?.pattern ?? (isPlainRegex ? arg.source : arg);
	if (typeof pattern !== "string") throw new MongoError(2, "BadValue", "$regex has to be a string");
	const given = own?.options ?? (isPlainRegex ? arg.flags.replace("g", "s") : "");
	if (options !== undefined && typeof options !== "string") {
		throw new MongoError(2, "BadValue", "$options has to be a string");
	}
	if (options && given) throw new MongoError(51075, "Location51075", "options set in both $regex and $options");
	const flags = options || given;
	const unknown = /[^imsxu]/.exec(flags)?.[0];
	if (unknown) throw new MongoError(51108, "Location51108", `invalid flag in regex options: ${unknown}`);
	return { pattern, flags };
}

const MOST_KEPT = 200;
const compiled = new Map<string, Pattern>();

/** @throws MongoError 51091 on what is no pattern, or needs what takes more than linear time */
export function compileRegex(arg: unknown, options?: unknown): Pattern {
	const { pattern, flags } = sourceOf(arg, options);
	const key = `${flags}/${pattern}`;
	const known = compiled.get(key);
	if (known) return known;
	if (compiled.size >= MOST_KEPT) compiled.clear();
	const made = compile(pattern, flags);
	compiled.set(key, made);
	return made;
}

function compile(pattern: string, flags: string): Pattern {
	let linear: RE2JS;
	try {
		let bits = 0;
		if (flags.includes("i")) bits |= RE2JS.CASE_INSENSITIVE;
		if (flags.includes("m")) bits |= RE2JS.MULTILINE;
		if (flags.includes("s")) bits |= RE2JS.DOTALL;
		linear = RE2JS.compile(translate(pattern, flags), bits);
	} catch (error) {
		if (error instanceof MongoError) throw error;
		throw invalid((error as Error).message);
	}
	const fast = simple(pattern, flags);
	return {
		test: text => (fast ? fast.test(text) : linear.matcher(text).find()),
		find(text, from) {
			const matcher = linear.matcher(text);
			if (!matcher.find(from)) return undefined;
			const groups = Array.from({ length: matcher.groupCount() }, (_, i) => matcher.group(i + 1) ?? null);
			return { start: matcher.start(), end: matcher.end(), groups };
		},
	};
}

/**
 * Patterns that repeat nothing take JavaScript's own engine linear time, and it is a hundred times faster: words, with
 * `^` before them, any characters in them, or several to choose from.
 */
function simple(pattern: string, flags: string): RegExp | undefined {
	if (/[mx]/.test(flags)) return undefined;
	const any = flags.includes("s") ? "[\\s\\S]" : "[^\\n]";
	const [, start = "", rest = ""] = /^(\^?)(.*)$/s.exec(pattern) ?? [];
	if (!/^(?:[^\\^$.*+?()[\]{}|]|\\[^\w\s]|[.|])*$/u.test(rest) || (start && rest.includes("|"))) return undefined;
	const source = rest.replace(/\\(.)|(.)/gsu, (_, escaped?: string, plain?: string) => {
		if (plain === ".") return any;
		const c = escaped ?? plain ?? "";
		return plain === "|" ? c : c.replace(/[\\^$.*+?()[\]{}|/]/, "\\$&");
	});
	return new RegExp(start + source, flags.includes("i") ? "iu" : "u");
}

/** Escapes that RE2 does not know, outside and inside of a class. */
const ESCAPES: Record<string, [outside: string, inside: string | undefined]> = {
	Z: ["(?:\\n?\\z)", undefined],
	h: ["[\\t \\x{a0}]", "\\t \\x{a0}"],
	H: ["[^\\t \\x{a0}]", undefined],
	v: ["[\\n-\\r\\x{85}\\x{2028}\\x{2029}]", "\\n-\\r\\x{85}\\x{2028}\\x{2029}"],
	V: ["[^\\n-\\r\\x{85}\\x{2028}\\x{2029}]", undefined],
	R: ["(?:\\r\\n|[\\n-\\r\\x{85}\\x{2028}\\x{2029}])", undefined],
	N: ["[^\\n]", undefined],
	s: ["[\\t-\\r ]", "\\t-\\r "],
	S: ["[^\\t-\\r ]", undefined],
	e: ["\\x1b", "\\x1b"],
};

/** PCRE's text as RE2 takes it. @throws on what RE2 has not */
function translate(pattern: string, flags: string): string {
	const isExtended = flags.includes("x");
	let out = "";
	for (let i = 0; i < pattern.length; i++) {
		const c = pattern[i] ?? "";
		if (c === "\\") {
			const [text, last] = escapeAt(pattern, i, false);
			out += text;
			i = last;
		} else if (c === "[") {
			const [text, last] = characterClass(pattern, i);
			out += text;
			i = last;
		} else if (c === "(" && pattern[i + 1] === "?") {
			if (pattern[i + 2] === "#") i = endOf(pattern, ")", i);
			else {
				checkGroup(pattern.slice(i + 2, i + 5));
				out += c;
			}
		} else if (c === "(" && pattern[i + 1] === "*") throw missing("verbs such as (*FAIL)");
		else if (c === "$" && !flags.includes("m")) out += "(?:\\n?\\z)";
		else if (isExtended && /\s/.test(c)) continue;
		else if (isExtended && c === "#") i = endOf(pattern, "\n", i);
		else if (c === "+" && /[*+?}]/.test(pattern[i - 1] ?? "") && pattern[i - 2] !== "\\")
			throw missing("possessive quantifiers");
		else out += c;
	}
	return out;
}
function endOf(pattern: string, end: string, from: number): number {
	const at = pattern.indexOf(end, from);
	if (at < 0 && end === ")") throw invalid("missing ) after (?# comment");
	return at < 0 ? pattern.length : at;
}

function checkGroup(start: string): void {
	if (/^(?:[=!]|<[=!])/.test(start)) throw missing("lookaround");
	if (start.startsWith(">")) throw missing("atomic groups");
	if (/^(?:[R&|(]|\d|P[=>]|[+-]\d|C)/.test(start)) throw missing("recursion, conditions and calls");
}

/** @returns what stands for the escape that begins at `i`, and where it ends */
function escapeAt(pattern: string, i: number, isInClass: boolean): [text: string, last: number] {
	const c = pattern[i + 1];
	if (c === undefined) throw invalid("\\ at end of pattern");
	if (/[1-9gk]/.test(c) && !isInClass) throw missing("references back to groups");
	if (/[KGX]/.test(c)) throw missing(`\\${c}`);
	if (/[uULl]/.test(c)) throw invalid(`PCRE does not support \\${c}`);
	const known = ESCAPES[c];
	if (known) {
		const text = known[isInClass ? 1 : 0];
		if (text === undefined) throw missing(`\\${c} in a class`);
		return [text, i + 1];
	}
	if (c === "Q") {
		const end = pattern.indexOf("\\E", i);
		const quoted = pattern.slice(i + 2, end < 0 ? undefined : end);
		return [RE2JS.quote(quoted), end < 0 ? pattern.length : end + 1];
	}
	if (c === "E") return ["", i + 1];
	// Other letters mean the same to both, or are refused; a character that is no letter stands for itself.
	if (/[^\x20-\x7e]/.test(c)) return [c, i + 1];
	return [`\\${c}`, i + 1];
}

function characterClass(pattern: string, from: number): [text: string, last: number] {
	let out = "[";
	let i = from + 1;
	if (pattern[i] === "^") out += pattern[i++];
	if (pattern[i] === "]") {
		out += "\\]";
		i++;
	}
	for (; i < pattern.length && pattern[i] !== "]"; i++) {
		const posix = /^\[:\^?\w+:\]/.exec(pattern.slice(i, i + 20))?.[0];
		if (posix) {
			out += posix;
			i += posix.length - 1;
		} else if (pattern[i] === "\\") {
			const [text, last] = escapeAt(pattern, i, true);
			out += text;
			i = last;
		} else out += pattern[i] === "[" ? "\\[" : pattern[i];
	}
	if (i >= pattern.length) throw invalid("missing terminating ] for character class");
	return [`${out}]`, i];
}

/** A value against a pattern: texts that match, and the pattern itself. */
export function regexTest(arg: unknown, options?: unknown): (v: unknown) => boolean {
	const regex = compileRegex(arg, options);
	const wanted = sourceOf(arg, options);
	return v => {
		if (typeof v === "string") return regex.test(v);
		if (!isRegex(v)) return false;
		const { pattern, flags } = sourceOf(v);
		return pattern === wanted.pattern && flags === wanted.flags;
	};
}
