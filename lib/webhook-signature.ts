import { createHmac, timingSafeEqual } from "node:crypto";

/** `t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`, as payment providers sign what they send. */
const TOLERANCE_SECONDS = 300;

const macOf = (secret: string, seconds: number, body: string): Buffer =>
	createHmac("sha256", secret).update(`${seconds}.${body}`).digest();

export const sign = (secret: string, body: string, nowMs: number): string => {
	const seconds = Math.floor(nowMs / 1_000);
	return `t=${seconds},v1=${macOf(secret, seconds, body).toString("hex")}`;
};

/** Whether a signature is of this body and at most five minutes old or ahead. */
export function isSigned(secret: string, body: string, signature: string, nowMs: number): boolean {
	const match = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/.exec(signature);
	if (!match) return false;
	const seconds = Number(match[1]);
	const given = Buffer.from(match[2] ?? "", "hex");
	return timingSafeEqual(given, macOf(secret, seconds, body)) && Math.abs(nowMs / 1_000 - seconds) <= TOLERANCE_SECONDS;
}

/** The secret of the test provider's webhooks: a setting, else derived from the node's own secret. */
export const testWebhookSecret = (setting: string | undefined, nodeSecret: string): string =>
	setting ?? createHmac("sha256", nodeSecret).update("test-payments webhook").digest("base64url");
