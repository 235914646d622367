import { randomBytes } from "node:crypto";

/** Crockford's base 32: no I, L, O or U, so that an id can be read out loud. */
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TIME_CHARACTERS = 10;

export type IdPrefix =
	| "prd"
	| "var"
	| "cat"
	| "usr"
	| "crt"
	| "lin"
	| "ord"
	| "pay"
	| "ref"
	| "evt"
	| "job"
	| "ses"
	| "reg"
	| "led"
	| "chg"
	| "ntf";

function randomText(length: number): string {
	const bytes = randomBytes(length);
	let text = "";
	for (const byte of bytes) text += ALPHABET[byte & 31];
	return text;
}

function timeText(ms: number): string {
	let text = "";
	for (let rest = ms, i = 0; i < TIME_CHARACTERS; i++, rest = Math.floor(rest / 32)) text = ALPHABET[rest % 32] + text;
	return text;
}

/** A sortable id such as `ord_01J…`: 48 bits of time, then 80 random bits. Never derived from client input. */
export const newId = (prefix: IdPrefix, nowMs: number = Date.now()): string =>
	`${prefix}_${timeText(nowMs)}${randomText(16)}`;

/** An id that acts as a key (a cart, a guest's order token): 48 bits of time, then 130 random bits. */
export const newKey = (prefix: IdPrefix, nowMs: number = Date.now()): string =>
	`${prefix}_${timeText(nowMs)}${randomText(26)}`;

/** A bearer secret without structure: 160 random bits. */
export const newSecret = (): string => randomText(32);

/** What a customer reads out on the phone: ten random characters, unique by an index. */
export const newOrderNumber = (): string => randomText(10);

/**
 * A stock keeping unit as shops write it: 1 to 64 letters, digits and signs of any script, with single spaces between them,
 * compared as they are. Nothing that cannot be seen, and not `.` or `..`, which no path can hold.
 */
export const SKU_PATTERN =
	/^(?!\.{1,2}$)(?! )(?!.*(?: $| {2}|\p{Default_Ignorable_Code_Point}|\u2800))[\p{L}\p{M}\p{N}\p{P}\p{S} ]{1,64}$/u;
