import { createHmac, timingSafeEqual } from "node:crypto";

/**
 * `t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`, as payment providers sign what they send. While a provider changes
 * its secret it sends one `v1` for each; parts under other names are of schemes to come.
 */
const TOLERANCE_SECONDS = 300;

const macOf = (secret: string, seconds: number, body: string): Buffer =>
	createHmac("sha256", secret).update(`${seconds}.${body}`).digest();

export const sign = (secret: string, body: string, nowMs: number): string => {
	const seconds = Math.floor(nowMs / 1_000);
	return `t=${seconds},v1=${macOf(secret, seconds, body).toString("hex")}`;
};

/** More than a provider ever has of them at once. */
const MAX_PARTS = 20;

/** Whether one of the signatures in this header is of this body, and at most five minutes old or ahead. */
export function isSigned(secret: string, body: string, header: string, nowMs: number): boolean {
	const parts = header.split(",", MAX_PARTS).map(part => part.trim());
	const times = parts.flatMap(part => /^t=(\d{1,12})$/.exec(part)?.[1] ?? []);
	const given = parts.flatMap(part => /^v1=([0-9a-f]{64})$/.exec(part)?.[1] ?? []);
	if (times.length !== 1 || given.length === 0) return false;
	const seconds = Number(times[0]);
	const expected = macOf(secret, seconds, body);
	const isOurs = given.map(mac => timingSafeEqual(Buffer.from(mac, "hex"), expected)).includes(true);
	return isOurs && Math.abs(nowMs / 1_000 - seconds) <= TOLERANCE_SECONDS;
}

/** The secret of the test provider's webhooks: a setting, else derived from the node's own secret. */
export const testWebhookSecret = (setting: string | undefined, nodeSecret: string): string =>
	setting ?? createHmac("sha256", nodeSecret).update("test-payments webhook").digest("base64url");
