import type { KeyObject } from "node:crypto";
import jwt from "jsonwebtoken";
import { DomainError } from "./errors.ts";
import { type Principal, ROLES, type Role } from "./permissions.ts";

/** Seconds an access token is good for. */
export const ACCESS_TOKEN_SECONDS = 900;
/** How far the clocks of two nodes may be apart. */
const TOLERANCE_SECONDS = 60;
const MAX_LENGTH = 4_096;
const ISSUER = "stoa";
const AUDIENCE = "stoa";

export interface SigningKey {
	kid: string;
	privateKey: KeyObject;
}

/** @param now of the node's clock; there is no `nbf`, so that a verifier whose clock is behind takes it at once */
export function signAccessToken({ id, sessionId, roles }: Principal, key: SigningKey, now: Date): string {
	const issuedAt = Math.floor(now.getTime() / 1000);
	const claims = { sub: id, sid: sessionId, roles, iat: issuedAt, exp: issuedAt + ACCESS_TOKEN_SECONDS };
	return jwt.sign({ ...claims, iss: ISSUER, aud: AUDIENCE }, key.privateKey, { algorithm: "ES256", keyid: key.kid });
}

/**
 * Proves who calls. Only ES256 with a key of ours counts, whatever the token says about itself.
 * @param keyOf our public key of that id; undefined when there is none
 * @throws UNAUTHENTICATED, the same for every reason
 */
export async function verifyAccessToken(
	token: string,
	keyOf: (kid: string) => Promise<KeyObject | undefined> | KeyObject | undefined,
	now: Date,
): Promise<Principal> {
	const kid = token.length <= MAX_LENGTH ? kidOf(token) : undefined;
	const key = kid === undefined ? undefined : await keyOf(kid);
	if (!key) throw refused();
	return toPrincipal(verified(token, key, now));
}

function verified(token: string, key: KeyObject, now: Date): unknown {
	try {
		return jwt.verify(token, key, {
			algorithms: ["ES256"],
			issuer: ISSUER,
			audience: AUDIENCE,
			clockTimestamp: Math.floor(now.getTime() / 1000),
			clockTolerance: TOLERANCE_SECONDS,
			maxAge: ACCESS_TOKEN_SECONDS,
		});
	} catch {
		throw refused();
	}
}

function kidOf(token: string): string | undefined {
	const { header } = decoded(token) ?? {};
	return header?.alg === "ES256" && typeof header.kid === "string" ? header.kid : undefined;
}

function decoded(token: string): jwt.Jwt | null {
	try {
		return jwt.decode(token, { complete: true });
	} catch {
		return null;
	}
}

function toPrincipal(claims: unknown): Principal {
	const { sub, sid, roles, exp } = claims as Record<string, unknown>;
	if (typeof sub !== "string" || typeof sid !== "string" || typeof exp !== "number") throw refused();
	if (!Array.isArray(roles) || !roles.every(isRole)) throw refused();
	return { id: sub, sessionId: sid, roles };
}

const isRole = (role: unknown): role is Role => (ROLES as unknown[]).includes(role);

const refused = (): DomainError => new DomainError("UNAUTHENTICATED", "The access token is not valid; sign in again");
