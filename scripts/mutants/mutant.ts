/** A line that matters, broken. Each must be noticed by a spec. */
export interface Mutant {
	/** What is broken, in the words of the shop. */
	name: string;
	file: string;
	/** Occurs exactly once in the file. */
	find: string;
	replace: string;
	/** Paths of specs, the fast ones first. */
	specs: readonly string[];
}

/** @throws when the text has moved on, so that the list cannot rot */
export function mutated(source: string, { file, find, replace }: Pick<Mutant, "file" | "find" | "replace">): string {
	const parts = source.split(find);
	if (parts.length !== 2)
		throw new Error(`${file}: ${JSON.stringify(find)} occurs ${parts.length - 1} times, not once`);
	if (find === replace) throw new Error(`${file}: ${JSON.stringify(find)} is replaced by itself`);
	return parts.join(replace);
}
