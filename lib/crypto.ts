import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";

/**
 * What Stoa does with its one secret: seals what must be readable again, and makes tags that only it can make. Every
 * purpose has a key of its own, so that nothing made for one is good for another.
 */

const IV_BYTES = 12;
const TAG_BYTES = 16;
const VERSION = "v1";

const keyFor = (secret: string, purpose: string): Buffer =>
	Buffer.from(hkdfSync("sha256", secret, "stoa", purpose, 32));

/**
 * Encrypts a text for keeping at rest (AES-256-GCM).
 * @param context what the text belongs to, such as a document's id: sealed text does not open anywhere else
 */
export function seal(secret: string, purpose: string, context: string, text: string): string {
	const iv = randomBytes(IV_BYTES);
	const cipher = createCipheriv("aes-256-gcm", keyFor(secret, `seal:${purpose}`), iv);
	cipher.setAAD(Buffer.from(context));
	const sealed = Buffer.concat([iv, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
	return `${VERSION}.${sealed.toString("base64url")}`;
}

/** Opens what `seal` made. @throws when the secret, the purpose or the context differ, or the text was changed */
export function unseal(secret: string, purpose: string, context: string, sealed: string): string {
	const [version, encoded = ""] = sealed.split(".");
	const bytes = Buffer.from(encoded, "base64url");
	if (version !== VERSION || bytes.length < IV_BYTES + TAG_BYTES) throw new Error("This is not a sealed text");
	const decipher = createDecipheriv("aes-256-gcm", keyFor(secret, `seal:${purpose}`), bytes.subarray(0, IV_BYTES), {
		authTagLength: TAG_BYTES,
	});
	decipher.setAAD(Buffer.from(context));
	decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
	const text = decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES));
	return Buffer.concat([text, decipher.final()]).toString("utf8");
}

/** A tag over a text, 256 bits in base64url: without the secret nobody can make it. */
export const tag = (secret: string, purpose: string, text: string): string =>
	createHmac("sha256", keyFor(secret, `tag:${purpose}`))
		.update(text)
		.digest("base64url");

/** Compares two texts in a time that says nothing about where they differ. */
export function isSame(a: string, b: string): boolean {
	const [left, right] = [Buffer.from(a), Buffer.from(b)];
	return left.length === right.length && timingSafeEqual(left, right);
}
