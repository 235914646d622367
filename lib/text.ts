/** What texts are made of, so that every door into the shop reads them the same way. */

const VISIBLE = /[^\p{Cc}\p{Cf}\p{Z}\p{M}\p{Default_Ignorable_Code_Point}\u2800]/u;
const PADDING = /[\s\u00AD\u200B\u2060\uFEFF]/;

/** Whether there is anything to see in it: not only blanks, fillers and marks of no width. */
export const hasVisible = (text: string): boolean => VISIBLE.test(text);

/** Without the blanks and the characters of no width around it, which come along when texts are copied. */
export function trimmed(text: string): string {
	let start = 0;
	let end = text.length;
	while (start < end && PADDING.test(text.charAt(start))) start++;
	while (end > start && PADDING.test(text.charAt(end - 1))) end--;
	return text.slice(start, end);
}

const HALF = /\p{Cs}/u;

/** Whether UTF-8 can hold it: half a character would silently become U+FFFD in the database. */
export const isWhole = (text: string): boolean => !HALF.test(text);

/** The first text or name in it that UTF-8 cannot hold. */
export function brokenTextIn(value: unknown): string | undefined {
	if (typeof value === "string") return isWhole(value) ? undefined : value;
	if (typeof value !== "object" || value === null) return undefined;
	for (const [name, field] of Object.entries(value)) {
		const broken = isWhole(name) ? brokenTextIn(field) : name;
		if (broken !== undefined) return broken;
	}
	return undefined;
}

const DATE =
	/^(\d{4})-(\d{2})-(\d{2})(?:T(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?(?:Z|[+-](?:0\d|1[0-4]):?[0-5]\d))?$/;

/** Whether it is a day of ISO 8601 that exists, alone or with a time that says its zone. */
export function isIsoDate(text: string): boolean {
	const [, year, month, day] = DATE.exec(text) ?? [];
	if (!year || !month || !day || year === "0000") return false;
	const date = new Date(`${year}-${month}-${day}T00:00:00Z`);
	// A day that its month does not have rolls over into the next one.
	return !Number.isNaN(date.getTime()) && date.getUTCMonth() + 1 === Number(month);
}
