import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { filesOf, nameProblem } from "./service-template.ts";

/** `npm run new:service <name>`: a service that runs, with its contract, model, rules and spec. */

const root = process.env["STOA_ROOT"] ?? join(import.meta.dirname, "..");
const [name = ""] = process.argv.slice(2);

const problem =
	nameProblem(name) ??
	(existsSync(join(root, "services", name)) ? `services/${name} is there already; nothing was written` : undefined);
if (problem) {
	console.error(`${problem}\nUsage: npm run new:service <name>, a plural noun in lower case such as \`gift-cards\``);
	process.exit(1);
}
for (const [path, content] of Object.entries(filesOf(name))) {
	const file = join(root, path);
	await mkdir(dirname(file), { recursive: true });
	await writeFile(file, content, { flag: "wx" });
	console.log(`  ${path}`);
}
console.log(`\nNext: \`npm run check\`, \`npm test -- ${name}\`, then make services/${name} your own.`);
console.log(
	"Its routes appear in /docs as soon as a node runs it; the published actions are a reviewed list in test/integration/published-actions.spec.ts.",
);
