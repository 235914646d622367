import { dirname, join, relative } from "node:path";

/** What may import what: the one place that says so. `check-boundaries.ts` holds the tree to it. */

export interface Import {
	/** Paths from the root, with forward slashes. `to` is a package's name for a package. */
	from: string;
	to: string;
	names: string;
	isType: boolean;
}
export interface Breach {
	from: string;
	to: string;
	rule: string;
}

const IMPORT =
	/^\s*(?:import\s+(?:(type)\s+)?(?:([^;"']*?)\s+from\s+)?|export\s+(?:(type)\s+)?(\*[^;"']*?|\{[^}]*\})\s+from\s+)["']([^"']+)["']/gm;
const DYNAMIC = /\bimport\(\s*["']([^"']+)["']\s*\)/g;

/** The imports of one file. @param file its path from the root */
export function importsOf(file: string, source: string): Import[] {
	const resolve = (specifier: string) =>
		specifier.startsWith(".") ? relative(".", join(dirname(file), specifier)).replaceAll("\\", "/") : specifier;
	const fixed = [...source.matchAll(IMPORT)].map(match => {
		const [, importType, imported, exportType, exported, specifier = ""] = match;
		const names = imported ?? exported ?? "";
		return {
			from: file,
			to: resolve(specifier),
			names,
			isType: Boolean(importType ?? exportType) || isOnlyTypes(names),
		};
	});
	const dynamic = [...source.matchAll(DYNAMIC)].map(([, specifier = ""]) => ({
		from: file,
		to: resolve(specifier),
		names: "",
		isType: false,
	}));
	return [...fixed, ...dynamic];
}

/** `{ type A, type B }`: nothing is left of it when the program runs. */
function isOnlyTypes(names: string): boolean {
	const inner = /^\{([\s\S]*)\}$/.exec(names.trim())?.[1];
	const parts =
		inner
			?.split(",")
			.map(part => part.trim())
			.filter(Boolean) ?? [];
	return parts.length > 0 && parts.every(part => part.startsWith("type "));
}

const serviceOf = (path: string): string | undefined => /^services\/([^/]+)\//.exec(path)?.[1];
const startsWithAny = (path: string, ...folders: string[]): boolean => folders.some(folder => path.startsWith(folder));
const isPackage = (path: string): boolean => !/\.(ts|mjs|json)$/.test(path);

interface Rule {
	name: string;
	isBroken(of: Import): boolean;
}

const RULES: readonly Rule[] = [
	{
		name: "a service imports of another one only its contract, and only as types",
		isBroken: ({ from, to, isType }) => {
			const [own, other] = [serviceOf(from), serviceOf(to)];
			return own !== undefined && other !== undefined && own !== other && !(to.endsWith(".contract.ts") && isType);
		},
	},
	{
		name: "domain/ imports only itself, lib/{money,ids,errors,email,text,password-policy}, and types",
		isBroken: ({ from, to, isType }) => {
			const domain = /^services\/[^/]+\/domain\//.exec(from)?.[0];
			if (!domain) return false;
			return !(isType || to.startsWith(domain) || /^lib\/(money|ids|errors|email|text|password-policy)\.ts$/.test(to));
		},
	},
	{
		name: "lib/, mixins/, middlewares/ and ports/ import no service",
		isBroken: ({ from, to }) =>
			startsWithAny(from, "lib/", "mixins/", "middlewares/", "ports/") && to.startsWith("services/"),
	},
	{
		name: "embedded-mongod/ imports nothing of Stoa",
		isBroken: ({ from, to }) =>
			from.startsWith("embedded-mongod/") &&
			!to.startsWith("embedded-mongod/") &&
			!isPackage(to) &&
			!to.startsWith("node:"),
	},
	{
		name: "invariants/ shares no code with what it checks",
		isBroken: ({ from, to }) => from.startsWith("invariants/") && startsWithAny(to, "services/", "mixins/", "lib/"),
	},
	{
		name: "raw Context, ServiceBroker and ServiceSchema stay in lib/, mixins/, middlewares/, ports/ and what assembles a node",
		isBroken: ({ from, to, names }) =>
			to === "moleculer" &&
			/\b(Context|ServiceBroker|ServiceSchema)\b/.test(names) &&
			!startsWithAny(
				from,
				"lib/",
				"mixins/",
				"middlewares/",
				"ports/",
				"test/",
				"node.ts",
				"console.ts",
				"moleculer.config.ts",
				"services/api/",
				"bench/",
			),
	},
	{
		name: "what runs imports nothing of test/ or bench/",
		isBroken: ({ from, to }) => startsWithAny(to, "test/", "bench/") && !startsWithAny(from, "test/", "bench/"),
	},
];

export function breachesOf(imports: readonly Import[]): Breach[] {
	return imports.flatMap(found =>
		RULES.filter(rule => rule.isBroken(found)).map(({ name }) => ({ from: found.from, to: found.to, rule: name })),
	);
}

/** Files that import each other in a circle at run time, one circle each. */
export function cyclesOf(imports: readonly Import[]): string[][] {
	const next = Map.groupBy(
		imports.filter(({ isType, to }) => !isType && !isPackage(to)),
		({ from }) => from,
	);
	const done = new Set<string>();
	const cycles: string[][] = [];
	const visit = (file: string, path: string[]) => {
		const at = path.indexOf(file);
		if (at >= 0) {
			cycles.push([...path.slice(at), file]);
			return;
		}
		if (done.has(file)) return;
		for (const { to } of next.get(file) ?? []) visit(to, [...path, file]);
		done.add(file);
	};
	for (const file of next.keys()) visit(file, []);
	return cycles;
}

const ENVIRONMENT = /(^|[^.\w])process\.env\b/;
/** Programs that start others hand the environment on; everything else asks `lib/config.ts`. */
const MAY_READ_ENVIRONMENT =
	/^(lib\/config\.ts|main\.ts|cluster\.ts|console\.ts|cluster\/|scripts\/|test\/|bench\/|embedded-mongod\/(test|bench)\/)/;

export function readsEnvironment(file: string, source: string): boolean {
	return (
		!MAY_READ_ENVIRONMENT.test(file) &&
		source.split("\n").some(line => ENVIRONMENT.test(line) && !/^\s*(\/\/|\*)/.test(line))
	);
}

const CLASS_ASKED = /\binstanceof\s+(?:\w+\.)?(\w+)|\bas\s+(DomainError)\b/g;
/** Of the language, and an engine of this very process: nothing that comes over the network as something else. */
const KEEP_THEIR_CLASS = new Set(["Error", "Date", "RegExp", "Buffer", "Uint8Array", "Map", "Set", "MemoryCache"]);
/** Where the class is turned into the type that survives the network. */
const TURNS_CLASS_INTO_TYPE = new Set(["middlewares/domain-errors.ts"]);

/** The classes that a file takes thrown things for: an error from another node has none, only its type. */
export function classesAskedFor(file: string, source: string): string[] {
	if (!startsWithAny(file, "lib/", "mixins/", "middlewares/", "ports/", "services/")) return [];
	if (TURNS_CLASS_INTO_TYPE.has(file)) return [];
	return source
		.split("\n")
		.filter(line => !/^\s*(\/\/|\/?\*)/.test(line))
		.flatMap(line => [...line.matchAll(CLASS_ASKED)].map(([, asked, cast]) => asked ?? cast ?? ""))
		.filter(name => !KEEP_THEIR_CLASS.has(name));
}
