import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Which specs a pattern names: by their path, or by the service that they are about. */

const root = join(import.meta.dirname, "..");
const FOLDERS = ["test", "embedded-mongod/test"];
/** Whole clusters and whole stories use every service; they run when they are named themselves. */
const OF_ALL_SERVICES = /^test\/(cluster|e2e)\//;

export const allSpecs = (): string[] =>
	FOLDERS.flatMap(folder =>
		readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
			.filter(name => name.endsWith(".spec.ts"))
			.map(name => `${folder}/${name}`),
	).sort();

export const serviceNames = (): string[] =>
	readdirSync(join(root, "services"), { withFileTypes: true })
		.filter(entry => entry.isDirectory())
		.map(({ name }) => name);

/** A spec is about a service when it calls its actions, reads its rules or its routes; failing that, when it starts it. */
function specsAbout(service: string, specs: readonly string[]): string[] {
	const having = (...signs: string[]) =>
		specs.filter(spec => {
			if (OF_ALL_SERVICES.test(spec)) return false;
			const text = readFileSync(join(root, spec), "utf8");
			return signs.some(sign => text.includes(sign));
		});
	const about = having(`services/${service}/`, `"${service}.`, `/${service}`);
	return about.length > 0 ? about : having(`"${service}"`);
}

/** @throws with names that are near, when the pattern names nothing */
export function specsOf(pattern: string, specs: readonly string[] = allSpecs()): string[] {
	const matcher = toMatcher(pattern);
	const byPath = specs.filter(spec => matcher.test(spec));
	if (!serviceNames().includes(pattern)) {
		if (byPath.length > 0) return byPath;
		throw new Error(`No spec is called ${pattern}. Near: ${near(pattern, specs).join(", ")}`);
	}
	const found = [...new Set([...byPath, ...specsAbout(pattern, specs)])].sort();
	if (found.length === 0) throw new Error(`No spec is about the service ${pattern}`);
	return found;
}

/** A regular expression, as Jest takes it; a text that is none is taken to the letter. */
function toMatcher(pattern: string): RegExp {
	// A whole path, as a shell completes it.
	const own = pattern.startsWith(root) ? pattern.slice(root.length + 1) : pattern.replace(/^\.\//, "");
	try {
		return new RegExp(own, "i");
	} catch {
		return new RegExp(own.replace(/[^\w/]/g, "\\$&"), "i");
	}
}

/** The five names that take the fewest changes. */
function near(pattern: string, specs: readonly string[]): string[] {
	const names = [...new Set([...specs.map(nameOf), ...serviceNames()])];
	const wanted = nameOf(pattern);
	return names
		.map(name => ({ name, distance: distance(wanted, name) }))
		.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
		.slice(0, 5)
		.map(({ name }) => name);
}

const nameOf = (spec: string): string => (spec.split("/").at(-1) ?? spec).replace(/(\.spec)?(\.ts)?$/, "");

/** Levenshtein's. */
function distance(a: string, b: string): number {
	let row = Array.from({ length: b.length + 1 }, (_, i) => i);
	for (let i = 1; i <= a.length; i++) {
		const next = [i];
		for (let j = 1; j <= b.length; j++) {
			const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
			next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
		}
		row = next;
	}
	return row[b.length] ?? 0;
}

/** What `npm test -- …` was given: patterns, and what is for Jest. */
export function splitArguments(args: readonly string[]): { patterns: string[]; flags: string[] } {
	const patterns: string[] = [];
	const flags: string[] = [];
	for (let i = 0; i < args.length; i++) {
		const arg = args[i] ?? "";
		if (!arg.startsWith("-")) patterns.push(arg);
		else flags.push(arg, ...(["-t", "--testNamePattern"].includes(arg) ? args.slice(++i, i + 1) : []));
	}
	return { patterns, flags };
}
