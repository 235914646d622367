import * as crypto from "node:crypto";
import { promisify } from "node:util";
import { DomainError } from "../../lib/errors.ts";
import { type BoundedPool, createBoundedPool } from "./bounded-pool.ts";
import type { Passwords } from "./domain/ports.ts";

const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** OWASP's minimum for argon2id. */
const ARGON2 = { memory: 19_456, passes: 2, parallelism: 1 };
/** For a Node before 24, which has no argon2. */
const SCRYPT = { N: 2 ** 17, r: 8, p: 1 };
const SCRYPT_MAX_MEMORY = 2 ** 28;
/** The hashes share libuv's threads with the files of the embedded database. */
const AT_ONCE = 2;
const WAITING = 64;

export type Algorithm = "argon2id" | "scrypt";

interface Parsed {
	algorithm: Algorithm;
	/** As it stands in the hash: the cost it was made at. */
	cost: string;
	salt: Buffer;
	digest: Buffer;
}

const argon2 = "argon2" in crypto ? promisify(crypto.argon2) : undefined;
const scrypt = promisify<string, Buffer, number, crypto.ScryptOptions, Buffer>(crypto.scrypt);

/**
 * Passwords as PHC strings: argon2id where this Node has it (24 and later), else scrypt. Both are verified wherever
 * that is possible, and a sign-in replaces a hash of another cost.
 */
export class PasswordHasher implements Passwords {
	readonly #algorithm: Algorithm;
	readonly #pool: BoundedPool;
	#decoy: Promise<string> | undefined;

	constructor(
		algorithm: Algorithm = argon2 ? "argon2id" : "scrypt",
		pool: BoundedPool = createBoundedPool({ atOnce: AT_ONCE, waiting: WAITING }),
	) {
		this.#algorithm = algorithm;
		this.#pool = pool;
	}

	async hash(password: string): Promise<string> {
		const salt = crypto.randomBytes(SALT_BYTES);
		const cost = costOf(this.#algorithm);
		const digest = await this.#pool.run(() => derive(this.#algorithm, cost, password, salt));
		return `$${this.#algorithm}$${cost}$${b64(salt)}$${b64(digest)}`;
	}

	async verify(password: string, hash: string | undefined): Promise<boolean> {
		const { algorithm, cost, salt, digest } = parse(hash ?? (await this.#decoyHash()));
		const actual = await this.#pool.run(() => derive(algorithm, cost, password, salt));
		return crypto.timingSafeEqual(actual, digest) && hash !== undefined;
	}

	isOutdated(hash: string): boolean {
		// A Node without argon2 must not bring down what a newer one made.
		return this.#algorithm === "argon2id" && !hash.startsWith(`$argon2id$${costOf("argon2id")}$`);
	}

	/** Made once before the first sign-in needs it, so that a sign-in to nothing costs one hash like any other. */
	async warmUp(): Promise<void> {
		await this.#decoyHash();
	}

	#decoyHash(): Promise<string> {
		this.#decoy ??= this.hash(crypto.randomBytes(SALT_BYTES).toString("hex"));
		return this.#decoy;
	}
}

function costOf(algorithm: Algorithm): string {
	if (algorithm === "scrypt") return `ln=${Math.log2(SCRYPT.N)},r=${SCRYPT.r},p=${SCRYPT.p}`;
	return `v=19$m=${ARGON2.memory},t=${ARGON2.passes},p=${ARGON2.parallelism}`;
}

function derive(algorithm: Algorithm, cost: string, password: string, salt: Buffer): Promise<Buffer> {
	const value = (name: string): number => Number(new RegExp(`\\b${name}=(\\d+)`).exec(cost)?.[1]);
	if (algorithm === "scrypt") {
		const options = { N: 2 ** value("ln"), r: value("r"), p: value("p"), maxmem: SCRYPT_MAX_MEMORY };
		return scrypt(password, salt, HASH_BYTES, options);
	}
	if (!argon2) {
		throw new DomainError("SERVICE_UNAVAILABLE", "This node cannot check the password: it needs Node 24 or later");
	}
	const memory = value("m");
	const passes = value("t");
	const parallelism = value("p");
	return argon2("argon2id", { message: password, nonce: salt, parallelism, tagLength: HASH_BYTES, memory, passes });
}

function parse(hash: string): Parsed {
	const [, algorithm, cost, salt, digest] =
		/^\$(argon2id|scrypt)\$(.+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(hash) ?? [];
	if (!algorithm || !cost || !salt || !digest) throw new Error("A stored password hash is malformed");
	return {
		algorithm: algorithm as Algorithm,
		cost,
		salt: Buffer.from(salt, "base64"),
		digest: Buffer.from(digest, "base64"),
	};
}

const b64 = (bytes: Buffer): string => bytes.toString("base64").replaceAll("=", "");
