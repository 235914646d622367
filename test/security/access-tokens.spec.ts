import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import jwt from "jsonwebtoken";
import { signAccessToken, verifyAccessToken } from "../../lib/access-token.ts";
import { errorType } from "../../lib/errors.ts";
import { Authenticator } from "../../services/api/http/authenticator.ts";

const ours = generateKeyPairSync("ec", { namedCurve: "P-256" });
const theirs = generateKeyPairSync("ec", { namedCurve: "P-256" });
const KID = "our-key";
const NOW = new Date("2030-01-01T12:00:00Z");
const SECONDS = Math.floor(NOW.getTime() / 1000);
const PRINCIPAL = { id: "usr_1", sessionId: "ses_1", roles: ["customer" as const] };

const keyOf = (kid: string): KeyObject | undefined => (kid === KID ? ours.publicKey : undefined);
const verify = (token: string, now = NOW) => verifyAccessToken(token, keyOf, now);
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
const good = signAccessToken(PRINCIPAL, { kid: KID, privateKey: ours.privateKey }, NOW);
const claims = {
	sub: "usr_1",
	sid: "ses_1",
	roles: ["admin"],
	iat: SECONDS,
	exp: SECONDS + 900,
	iss: "stoa",
	aud: "stoa",
};
const signed = (changes: object, options: jwt.SignOptions = {}, key: KeyObject = ours.privateKey) =>
	// Through JSON, so that what is undefined is left out.
	jwt.sign(JSON.parse(JSON.stringify({ ...claims, ...changes })), key, { algorithm: "ES256", keyid: KID, ...options });
const hs256 = (secret: string | Buffer) => {
	const content = `${part({ alg: "HS256", typ: "JWT", kid: KID })}.${part(claims)}`;
	return `${content}.${createHmac("sha256", secret).update(content).digest("base64url")}`;
};

describe("An access token", () => {
	it("says who calls, for fifteen minutes", async () => {
		expect(await verify(good)).toEqual(PRINCIPAL);
		expect(await verify(good, new Date(NOW.getTime() + 899_000))).toEqual(PRINCIPAL);
		expect(jwt.decode(good)).toMatchObject({ iat: SECONDS, exp: SECONDS + 900, iss: "stoa", aud: "stoa" });
		expect(jwt.decode(good)).not.toHaveProperty("nbf");
	});

	it("is good at a verifier whose clock is up to a minute off", async () => {
		for (const shift of [-45_000, 45_000]) {
			expect(await verify(good, new Date(NOW.getTime() + shift))).toEqual(PRINCIPAL);
		}
	});

	const [head = "", body = "", signature = ""] = good.split(".");
	const forged: [string, string][] = [
		["no algorithm", `${part({ alg: "none", kid: KID })}.${part(claims)}.`],
		["no algorithm, oddly spelt", `${part({ alg: "nOnE", kid: KID })}.${part(claims)}.${signature}`],
		["no signature", `${head}.${body}.`],
		["HS256 with our public key as PEM", hs256(ours.publicKey.export({ type: "spki", format: "pem" }))],
		["HS256 with our public key as DER", hs256(ours.publicKey.export({ type: "spki", format: "der" }))],
		["HS256 with our public key as JWK", hs256(JSON.stringify(ours.publicKey.export({ format: "jwk" })))],
		["HS256 with an empty secret", hs256("")],
		["other claims under our signature", `${head}.${part(claims)}.${signature}`],
		["an unknown key id", signed({}, { keyid: "other" })],
		["our key id over another key", signed({}, {}, theirs.privateKey)],
		["a key id that is a path", signed({}, { keyid: "../../dev/null" })],
		[
			"a key of its own in the header",
			signed(
				{},
				{ header: { alg: "ES256", jwk: theirs.publicKey.export({ format: "jwk" }) } as never },
				theirs.privateKey,
			),
		],
		["no key id", jwt.sign(claims, ours.privateKey, { algorithm: "ES256" })],
		["another issuer", signed({ iss: "elsewhere" })],
		["another audience", signed({ aud: "elsewhere" })],
		["an end in the past", signed({ iat: SECONDS - 1_000, exp: SECONDS - 61 })],
		["no end", signed({ exp: undefined })],
		["an end beyond its fifteen minutes", signed({ iat: SECONDS - 2_000, exp: SECONDS + 900_000 })],
		["no subject", signed({ sub: undefined })],
		["no session", signed({ sid: undefined })],
		["a role that does not exist", signed({ roles: ["root"] })],
		["roles that are no list", signed({ roles: "admin" })],
		["nothing in it", ""],
		["no form", "a.b.c"],
		["too much in it", `${head}.${"A".repeat(100_000)}.${signature}`],
	];

	it.each(forged)("with %s is refused", async (_, token) => {
		const error = await verify(token).catch((thrown: unknown) => thrown);
		expect(errorType(error)).toBe("UNAUTHENTICATED");
	});

	it("is refused as soon as its time is over", async () => {
		const error = await verify(good, new Date(NOW.getTime() + 961_000)).catch((thrown: unknown) => thrown);
		expect(errorType(error)).toBe("UNAUTHENTICATED");
	});

	it("is verified by the published key alone", async () => {
		const jwk = ours.publicKey.export({ format: "jwk" });
		const published = createPublicKey({ key: jwk, format: "jwk" });
		expect(await verifyAccessToken(good, () => published, NOW)).toEqual(PRINCIPAL);
	});
});

describe("A gateway that knows nothing yet", () => {
	it("asks once for a flood of tokens, and again only after that failed", async () => {
		const asked = { keys: 0, revoked: 0 };
		const answers: ((error?: Error) => void)[] = [];
		const source = {
			keys: () => {
				asked.keys++;
				return Promise.resolve([]);
			},
			revokedSessions: () => {
				asked.revoked++;
				return new Promise<string[]>((resolve, reject) => answers.push(error => (error ? reject(error) : resolve([]))));
			},
		};
		const gateway = new Authenticator(source, { now: () => new Date(), nowMs: () => Date.now() });
		const flood = () =>
			Array.from({ length: 200 }, (_, i) =>
				gateway.principal(`Bearer ${Buffer.from('{"alg":"ES256","kid":"x"}').toString("base64url")}.e30.${i}`),
			);
		const first = Promise.allSettled(flood());
		expect(asked.revoked).toBe(1);
		answers[0]?.(new Error("away"));
		expect((await first).every(({ status }) => status === "rejected")).toBe(true);
		const second = Promise.allSettled(flood());
		expect(asked.revoked).toBe(2);
		answers[1]?.();
		expect((await second).every(({ status }) => status === "rejected")).toBe(true);
		expect(asked).toEqual({ keys: 1, revoked: 2 });
	});
});
