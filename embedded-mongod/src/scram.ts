// SCRAM-SHA-256 (RFC 5802, RFC 7677), as MongoDB's drivers speak it. One user: who may connect may do everything.
import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from "node:crypto";
import { MongoError } from "./errors.ts";

export const MECHANISM = "SCRAM-SHA-256";

export interface Login {
	user: string;
	/** Printable ASCII: other characters would need SASLprep. */
	password: string;
}

const ITERATIONS = 15_000;
const SALT_BYTES = 28;
const NONCE_BYTES = 24;
const MAX_PAYLOAD = 4_096;

const hmac = (key: Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest();
const sha256 = (bytes: Buffer): Buffer => createHash("sha256").update(bytes).digest();
const xor = (a: Buffer, b: Buffer): Buffer => Buffer.from(a.map((byte, i) => byte ^ (b[i] ?? 0)));

/** What a server knows of its user: enough to check a proof, not to make one. */
export class Credentials {
	readonly user: string;
	readonly salt = randomBytes(SALT_BYTES).toString("base64");
	readonly iterations = ITERATIONS;
	readonly storedKey: Buffer;
	readonly serverKey: Buffer;

	/** @throws for a name or password that is empty or not printable ASCII */
	constructor({ user, password }: Login) {
		if (!/^[\x21-\x7e]+$/.test(user) || !/^[\x21-\x7e]+$/.test(password))
			throw new Error("The user and the password must be printable ASCII, without spaces, and not empty");
		this.user = user;
		const salted = pbkdf2Sync(password, Buffer.from(this.salt, "base64"), ITERATIONS, 32, "sha256");
		this.storedKey = sha256(hmac(salted, "Client Key"));
		this.serverKey = hmac(salted, "Server Key");
	}
}

export interface Step {
	payload: string;
	done: boolean;
}

const failed = () => new MongoError(18, "AuthenticationFailed", "Authentication failed.");

/** The proof of one connection. Anything unexpected fails it, and it has to begin anew. */
export class Proof {
	readonly #credentials: Credentials;
	#isDone = false;
	#begun: { bare: string; first: string; nonce: string; isKnown: boolean; isShort: boolean } | undefined;
	/** The last, empty exchange of clients that do not skip it. */
	#isProven = false;

	constructor(credentials: Credentials) {
		this.#credentials = credentials;
	}

	get isDone(): boolean {
		return this.#isDone;
	}

	/** @param isShort whether the client leaves out the empty exchange at the end */
	begin(mechanism: unknown, payload: string, isShort: boolean): Step {
		this.#reset();
		if (mechanism !== MECHANISM)
			throw new MongoError(334, "MechanismUnavailable", `Unsupported mechanism; there is ${MECHANISM}`);
		const [, bare = "", name = "", clientNonce = ""] =
			payload.length > MAX_PAYLOAD ? [] : (/^n,,(n=([^,]+),r=([\x21-\x2b\x2d-\x7e]{16,}))$/.exec(payload) ?? []);
		if (!bare) throw failed();
		const user = name.replaceAll("=2C", ",").replaceAll("=3D", "=");
		const nonce = clientNonce + randomBytes(NONCE_BYTES).toString("base64");
		const first = `r=${nonce},s=${this.#credentials.salt},i=${this.#credentials.iterations}`;
		this.#begun = { bare, first, nonce, isKnown: user === this.#credentials.user, isShort };
		return { payload: first, done: false };
	}

	go(payload: string): Step {
		if (this.#isProven && payload === "") {
			this.#isDone = true;
			return { payload: "", done: true };
		}
		const begun = this.#begun;
		this.#reset();
		if (!begun || payload.length > MAX_PAYLOAD) throw failed();
		const [, withoutProof = "", nonce = "", given = ""] =
			/^(c=biws,r=([^,]+)),p=([A-Za-z0-9+/]{43}=)$/.exec(payload) ?? [];
		const message = `${begun.bare},${begun.first},${withoutProof}`;
		const { storedKey, serverKey } = this.#credentials;
		// A name that nobody has costs the same and fails in the same way.
		const clientKey = xor(Buffer.from(given, "base64"), hmac(storedKey, message));
		const isRight = timingSafeEqual(sha256(clientKey), storedKey);
		if (!isRight || nonce !== begun.nonce || !begun.isKnown) throw failed();
		this.#isProven = true;
		this.#isDone = begun.isShort;
		return { payload: `v=${hmac(serverKey, message).toString("base64")}`, done: begun.isShort };
	}

	#reset(): void {
		this.#isDone = false;
		this.#isProven = false;
		this.#begun = undefined;
	}
}
