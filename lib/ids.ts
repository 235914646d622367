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

/** A stock keeping unit as shops write it: 1…64 letters, digits and `. _ : + -`, beginning with a letter or digit. */
export const SKU_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._:+-]{0,63}$/;
