const MAX_TERMS = 64;
const MAX_TERM_LENGTH = 40;
const MAX_QUERY_TERMS = 8;
const MAX_SLUG_LENGTH = 96;
const MAX_SLUG_SKU = 50;

/** Letters that Unicode does not take apart into a plain one and a mark. */
const PLAIN: Readonly<Record<string, string>> = {
	ß: "ss",
	ø: "o",
	ł: "l",
	đ: "d",
	ð: "d",
	þ: "th",
	æ: "ae",
	œ: "oe",
	ı: "i",
	ħ: "h",
	ŧ: "t",
	ŋ: "ng",
	ĸ: "k",
	ə: "e",
};
/** Marks that a reader leaves out: accents of Latin and Greek letters, vowel points of Hebrew and Arabic ones. */
const ACCENTS =
	/(?<=[\p{Script=Latin}\p{Script=Greek}]\p{M}{0,8})\p{M}|[\u0591-\u05BD\u05BF\u05C1\u05C2\u05C7\u064B-\u0652\u0670]/gu;

/** How texts are compared: lower case, without accents. Letters of other scripts stay, with the marks that make them. */
const folded = (text: string): string =>
	text
		.normalize("NFKD")
		.toLowerCase()
		.replace(ACCENTS, "")
		.replace(/[ßøłđðþæœıħŧŋĸə]/g, letter => PLAIN[letter] ?? letter)
		.replace(/\p{Default_Ignorable_Code_Point}+/gu, "")
		.normalize("NFC");

function words(text: string): string[] {
	return folded(text)
		.split(/[^\p{L}\p{N}\p{M}]+/u)
		.filter(word => word !== "" && word.length <= MAX_TERM_LENGTH);
}

/** The words under which a product is found, each once. */
export const termsOf = (...texts: readonly (string | null | undefined)[]): string[] =>
	[...new Set(texts.flatMap(text => (text ? words(text) : [])))].slice(0, MAX_TERMS);

/** The words of a query, the longest first: it is the rarest, as a rule, and the one the index is asked for. */
export const queryTerms = (query: string): string[] =>
	[...new Set(words(query))].sort((a, b) => b.length - a.length).slice(0, MAX_QUERY_TERMS);

/** What titles are sorted by. */
export const titleKey = (title: string): string => cut(folded(title), 80);

/** Words of small letters and digits of any script, with dashes between them. */
export const SLUG_PATTERN =
	/^(?!.*\p{Default_Ignorable_Code_Point})[\p{Ll}\p{Lo}\p{Lm}\p{N}\p{M}]+(?:-[\p{Ll}\p{Lo}\p{Lm}\p{N}\p{M}]+)*$/u;

/** Not in the middle of a character that takes two places. */
const cut = (text: string, length: number): string => text.slice(0, length).replace(/\p{Cs}$/u, "");

/**
 * A readable address: `Café "Noir", 250 g` becomes `cafe-noir-250-g`, `Київ` stays `київ`. Never contains `_`, as every id
 * does. Empty when there is no letter or digit in any of the texts.
 */
export function slugOf(title: string, sku = ""): string {
	const slugs = [partOf(title, MAX_SLUG_LENGTH), partOf(sku, MAX_SLUG_SKU)];
	return slugs.filter(Boolean).join("-");
}

const partOf = (text: string, length: number): string =>
	cut(folded(text).replace(/[^\p{Ll}\p{Lo}\p{Lm}\p{N}\p{M}]+/gu, "-"), length).replace(/^-|-$/g, "");

/** And when no word can be made of the title, of the SKU or, at last, of the product's id: an address says something. */
export const slugFor = (id: string, title: string, sku = ""): string =>
	slugOf(title, sku) || id.slice(-10).toLowerCase();
