import type { Config } from "./config.ts";

/** Services that settings name and nobody has, each with what was perhaps meant. */
export function mistakesInServices(
	{ services = [], serviceMongodbUris }: Pick<Config, "services" | "serviceMongodbUris">,
	known: readonly string[],
): string[] {
	const mistakes = services
		.filter(name => !known.includes(name))
		.map(name => `SERVICES names "${name}", which is no service${meant(name, known)}. There are ${known.join(", ")}`);
	const uris = Object.keys(serviceMongodbUris)
		.filter(name => !known.includes(name))
		.map(name => `${settingOf(name)} is for a service that is not there${meant(name, known, settingOf)}`);
	return [...mistakes, ...uris];
}

const settingOf = (service: string): string => `${service.toUpperCase().replaceAll("-", "_")}_MONGODB_URI`;

function meant(name: string, known: readonly string[], say: (service: string) => string = String): string {
	const [best] = known
		.map(candidate => ({ candidate, distance: distance(name.toLowerCase(), candidate) }))
		.sort((a, b) => a.distance - b.distance);
	return best && best.distance <= Math.max(2, name.length / 3) ? `: did you mean ${say(best.candidate)}?` : "";
}

/** How many letters one would have to add, remove or change. */
function distance(a: string, b: string): number {
	let row = Array.from({ length: b.length + 1 }, (_, i) => i);
	for (const [i, letter] of [...a].entries()) {
		const next = [i + 1];
		for (const [j, other] of [...b].entries()) {
			const change = (row[j] ?? 0) + (letter === other ? 0 : 1);
			next.push(Math.min(change, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
		}
		row = next;
	}
	return row[b.length] ?? 0;
}
