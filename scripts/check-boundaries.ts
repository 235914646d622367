import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { breachesOf, classesAskedFor, cyclesOf, importsOf, readsEnvironment } from "./boundaries.ts";

/** Holds the tree to `boundaries.ts`; part of `npm run check`. */

const root = join(import.meta.dirname, "..");
const files = globSync("**/*.ts", { cwd: root, exclude: ["node_modules/**", "data/**", "coverage/**"] }).map(file =>
	file.replaceAll("\\", "/"),
);
const sources = new Map(files.map(file => [file, readFileSync(join(root, file), "utf8")]));
const imports = [...sources].flatMap(([file, source]) => importsOf(file, source));

const mistakes = [
	...breachesOf(imports).map(({ from, to, rule }) => `${from} imports ${to}: ${rule}`),
	...cyclesOf(imports).map(cycle => `a circle: ${cycle.join(" → ")}`),
	...[...sources]
		.filter(([file, source]) => readsEnvironment(file, source))
		.map(([file]) => `${file} reads process.env: settings come from lib/config.ts`),
	...[...sources].flatMap(([file, source]) =>
		classesAskedFor(file, source).map(
			name => `${file} asks for the class ${name}: over the network only an error's type survives`,
		),
	),
];
for (const mistake of mistakes) console.error(mistake);
if (mistakes.length > 0) process.exit(1);
console.log(`${files.length} files keep to their borders`);
