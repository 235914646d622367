import { createHash, randomBytes } from "node:crypto";
import { isSame, tag } from "../../lib/crypto.ts";
import type { RefreshClaims, Secrets } from "./domain/ports.ts";

/**
 * The secrets that are handed out. They carry a tag of the node's secret, so a made-up one is refused before the
 * database is asked, and what the database holds is not enough to make one:
 *
 *     refresh       ses_….<rotation>.<family>.<tag>
 *     verification  reg_….<tag>
 */
export function createSecrets(secret: string): Secrets {
	const refreshTag = ({ id, rotation, family }: RefreshClaims) =>
		tag(secret, "refresh-token", `${id}.${rotation}.${family}`);
	return {
		nonce: () => randomBytes(24).toString("base64url"),
		refreshToken: claims => `${claims.id}.${claims.rotation}.${claims.family}.${refreshTag(claims)}`,
		readRefreshToken(token) {
			const [, id, rotation, family, given] =
				/^(ses_[A-Z0-9]{26})\.(0|[1-9]\d{0,8})\.([\w-]{32})\.([\w-]{43})$/.exec(token) ?? [];
			if (!id || !rotation || !family || !given) return undefined;
			const claims = { id, rotation: Number(rotation), family };
			return isSame(given, refreshTag(claims)) ? claims : undefined;
		},
		verificationToken: id => `${id}.${tag(secret, "verify-email", id)}`,
		registrationOf(token) {
			const [, id, given] = /^(reg_[A-Z0-9]{26})\.([\w-]{43})$/.exec(token) ?? [];
			return id && given && isSame(given, tag(secret, "verify-email", id)) ? id : undefined;
		},
	};
}

/** How the database knows a family. */
export const familyHash = (family: string): string => createHash("sha256").update(family).digest("base64url");
