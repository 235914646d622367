const MAX_TERMS = 64;
const MAX_TERM_LENGTH = 40;
const MAX_QUERY_TERMS = 8;
const MAX_SLUG_LENGTH = 96;

/** Lower case, without accents: how texts are compared. */
const folded = (text: string): string =>
	text
		.normalize("NFKD")
		.replace(/\p{M}+/gu, "")
		.toLowerCase();

function words(text: string): string[] {
	return folded(text)
		.split(/[^\p{L}\p{N}]+/u)
		.filter(word => word !== "" && word.length <= MAX_TERM_LENGTH);
}

/** The words under which a product is found, each once. */
export const termsOf = (...texts: readonly (string | null | undefined)[]): string[] =>
	[...new Set(texts.flatMap(text => (text ? words(text) : [])))].slice(0, MAX_TERMS);

/** The words of a query, the longest first: it is the rarest, as a rule, and the one the index is asked for. */
export const queryTerms = (query: string): string[] =>
	[...new Set(words(query))].sort((a, b) => b.length - a.length).slice(0, MAX_QUERY_TERMS);

/** What titles are sorted by. */
export const titleKey = (title: string): string => folded(title).slice(0, 80);

export const SLUG_PATTERN = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;

/** A readable address: `Café "Noir", 250 g` becomes `cafe-noir-250-g`. Never contains `_`, as every id does. */
export function slugOf(...texts: readonly string[]): string {
	const slugs = texts.map(text =>
		folded(text)
			.replace(/[^a-z0-9]+/g, "-")
			.slice(0, MAX_SLUG_LENGTH)
			.replace(/^-|-$/g, ""),
	);
	return slugs.filter(Boolean).join("-") || "product";
}
