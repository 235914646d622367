import { Validators } from "moleculer";
import { brokenTextIn, trimmed } from "../../../lib/text.ts";
import type { ImportRow, RowError } from "../domain/import-row.ts";
import { rowRules } from "../products.rules.ts";

interface Mistake {
	type: string;
	field?: string;
	message?: string;
	actual?: unknown;
}

/** The rules of the API are those of a file, checked by the same validator: what one door takes, the other takes. */
const check = new Validators.Fastest().compile({ $$strict: true, ...rowRules }) as unknown as (
	row: object,
) => true | Mistake[];
const OPTIONAL = Object.entries(rowRules).flatMap(([name, rule]) => ("optional" in rule ? [name] : []));
const MAX_NAME = 60;

/**
 * @param line undefined for bytes that are not UTF-8
 * @returns the row, or what is wrong with it: a bad row never stops an import
 */
export function parseRow(line: string | undefined): { row: ImportRow } | { error: RowError } {
	if (line === undefined) return refused("INVALID_ENCODING", "This line is not UTF-8");
	let row: unknown;
	try {
		row = JSON.parse(line);
	} catch {
		return refused("INVALID_JSON", "This line is not JSON");
	}
	if (!isPlain(row)) return refused("INVALID_JSON", "This line is not a JSON object");
	if (brokenTextIn(row) !== undefined) return refused("INVALID_ENCODING", "A text of this line holds half a character");
	for (const name of OPTIONAL) if (isNothing(row[name])) delete row[name];
	const result = check(row);
	const mistake = result === true ? undefined : result[0];
	return mistake ? refused("VALIDATION_ERROR", told(mistake)) : { row: row as unknown as ImportRow };
}

const refused = (code: string, message: string) => ({ error: { code, message } });

/** An export writes an empty text where there is nothing. */
const isNothing = (field: unknown): boolean => field === null || (typeof field === "string" && trimmed(field) === "");

function told({ type, field = "", message = "is not valid", actual }: Mistake): string {
	if (type === "objectStrict") return `${String(actual).slice(0, MAX_NAME)} is not a known field`;
	if (type === "required") return `${field} is missing`;
	const prefix = `The '${field}' `;
	const text = message.startsWith(prefix) ? message.slice(prefix.length).replace(/^(?:field|key) /, "") : message;
	return `${field.slice(0, MAX_NAME)} ${text}`;
}

const isPlain = (value: unknown): value is Record<string, unknown> =>
	typeof value === "object" && value !== null && !Array.isArray(value);
