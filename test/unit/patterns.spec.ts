import { readdirSync, readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join, relative } from "node:path";
import { parse } from "acorn";
import { analyse } from "scslre";

const ROOT = join(import.meta.dirname, "..", "..");
/** All code that runs in a node, and so may see what a client sent. */
const FOLDERS = ["lib", "middlewares", "mixins", "ports", "services"];
/** Built at run time from words of the shop's own, never from a client's. */
const BUILT = ["services/auth/password-hasher.ts"];

interface Pattern {
	source: string;
	flags: string;
}

const files = FOLDERS.flatMap(folder =>
	readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
		.filter(name => name.endsWith(".ts"))
		.map(name => join(ROOT, folder, name)),
);

function findIn(source: string): { patterns: Pattern[]; isBuilt: boolean } {
	const patterns: Pattern[] = [];
	let isBuilt = false;
	const walk = (node: unknown): void => {
		if (Array.isArray(node)) for (const one of node) walk(one);
		if (typeof node !== "object" || node === null) return;
		const { type, regex, callee } = node as {
			type?: string;
			regex?: Pattern & { pattern: string };
			callee?: { name?: string };
		};
		if (type === "Literal" && regex) patterns.push({ source: regex.pattern, flags: regex.flags });
		if ((type === "NewExpression" || type === "CallExpression") && callee?.name === "RegExp") isBuilt = true;
		for (const value of Object.values(node)) walk(value);
	};
	walk(parse(stripTypeScriptTypes(source), { ecmaVersion: "latest", sourceType: "module" }));
	return { patterns, isBuilt };
}

const complaints = ({ source, flags }: Pattern): string[] =>
	analyse({ source, flags }).reports.map(({ type, character }) => `/${source}/${flags}: ${type} on ${character.pick}`);

describe("Every pattern of the shop", () => {
	const found = files.map(file => ({ file: relative(ROOT, file), ...findIn(readFileSync(file, "utf8")) }));

	it("takes steps in proportion to what it reads", () => {
		expect(found.flatMap(({ patterns }) => patterns).length).toBeGreaterThan(40);
		const slow = found.flatMap(({ file, patterns }) => patterns.flatMap(complaints).map(text => `${file} ${text}`));
		expect(slow).toEqual([]);
	});

	it("is written down, where this can see it", () => {
		expect(found.filter(({ isBuilt }) => isBuilt).map(({ file }) => file)).toEqual(BUILT);
	});

	it("would be told from one that does not", () => {
		for (const source of ["\\s*;\\s*q=", "^-+|-+$", "^(a+)+$", "\\s*(?:,\\s*)*x"])
			expect([source, complaints({ source, flags: "" }).length > 0]).toEqual([source, true]);
	});
});
