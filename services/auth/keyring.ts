import { createHash, createPrivateKey, generateKeyPair } from "node:crypto";
import { promisify } from "node:util";
import type { Model } from "mongoose";
import type { SigningKey } from "../../lib/access-token.ts";
import { seal, unseal } from "../../lib/crypto.ts";
import { isDuplicateKey } from "../../lib/errors.ts";
import type { PublicJwk } from "./auth.contract.ts";
import type { SigningKeyDocument } from "./auth.model.ts";

const MAX_TIME_MS = 5_000;
const PURPOSE = "signing-key";
/** Long enough for every node to notice the new key and for the last token of the old one to end. */
const KEEP_OLD_MS = 3_600_000;
/**
 * A key signs only after every gateway could fetch it: one that asked for unknown keys a moment ago, as anybody can make
 * it do, asks again after five seconds.
 */
const PUBLISHED_FIRST_MS = 15_000;
const generate = promisify(generateKeyPair);

const nameOf = (generation: number): string => `key_${String(generation).padStart(6, "0")}`;
const generationOf = (id: string): number => Number(id.slice("key_".length));

/**
 * The cluster's signing keys: the newest one signs, older ones stay published until what they signed has ended.
 * Private keys are sealed at rest. Nodes that start at once agree on one key, since its `_id` is its generation.
 */
export class Keyring {
	readonly #model: Model<SigningKeyDocument>;
	readonly #secret: string;
	#active: (SigningKey & { id: string }) | undefined;

	constructor(model: Model<SigningKeyDocument>, secret: string) {
		this.#model = model;
		this.#secret = secret;
	}

	/** The key that signs now. @throws before `load` */
	get active(): SigningKey {
		if (!this.#active) throw new Error("The signing key is not loaded yet");
		return this.#active;
	}

	/** Takes the newest key that was published for long enough, and makes the first one where there is none. */
	async load(now: Date): Promise<void> {
		const document = (await this.#signer(now)) ?? (await this.#make(1, now));
		if (document._id !== this.#active?.id) this.#active = { id: document._id, ...this.#open(document) };
	}

	/** Makes the key that signs next; several nodes that do it at once make one. @returns its kid */
	async rotate(now: Date): Promise<string> {
		const generation = generationOf((await this.#newest())?._id ?? nameOf(0)) + 1;
		const { kid } = await this.#make(generation, now);
		await this.#model.updateMany(
			{ _id: { $lt: nameOf(generation) }, expiresAt: { $exists: false } },
			{ $set: { expiresAt: new Date(now.getTime() + KEEP_OLD_MS) } },
			{ maxTimeMS: MAX_TIME_MS },
		);
		return kid;
	}

	/** Asks the database, so that a key another node made a moment ago is in it. */
	async publicKeys(now: Date): Promise<PublicJwk[]> {
		const documents = await this.#model
			.find({ _id: { $gte: nameOf(0) } }, { publicJwk: 1, expiresAt: 1 })
			.sort({ _id: -1 })
			.maxTimeMS(MAX_TIME_MS)
			.lean<SigningKeyDocument[]>();
		return documents.filter(({ expiresAt }) => !expiresAt || expiresAt > now).map(({ publicJwk }) => publicJwk);
	}

	#newest(): Promise<SigningKeyDocument | null> {
		return this.#model
			.findOne({ _id: { $gte: nameOf(0) } })
			.sort({ _id: -1 })
			.maxTimeMS(MAX_TIME_MS)
			.lean<SigningKeyDocument>();
	}

	/** Where there are only new ones, the first of them. */
	async #signer(now: Date): Promise<SigningKeyDocument | undefined> {
		const newestFirst = await this.#model
			.find({ _id: { $gte: nameOf(0) } })
			.sort({ _id: -1 })
			.maxTimeMS(MAX_TIME_MS)
			.lean<SigningKeyDocument[]>();
		const isPublished = ({ createdAt }: SigningKeyDocument) =>
			now.getTime() - createdAt.getTime() >= PUBLISHED_FIRST_MS;
		return newestFirst.find(isPublished) ?? newestFirst.at(-1);
	}

	async #make(generation: number, now: Date): Promise<SigningKeyDocument> {
		const _id = nameOf(generation);
		const { privateKey, publicKey } = await generate("ec", { namedCurve: "P-256" });
		const { x = "", y = "" } = publicKey.export({ format: "jwk" });
		const kid = thumbprint(x, y);
		const sealedKey = seal(this.#secret, PURPOSE, _id, privateKey.export({ type: "pkcs8", format: "pem" }).toString());
		const publicJwk: PublicJwk = { kty: "EC", crv: "P-256", x, y, kid, alg: "ES256", use: "sig" };
		const own: SigningKeyDocument = { _id, kid, publicJwk, sealedKey, createdAt: now };
		try {
			await this.#model.create(own);
			return own;
		} catch (error) {
			if (!isDuplicateKey(error)) throw error;
		}
		const other = await this.#model.findOne({ _id }).maxTimeMS(MAX_TIME_MS).lean<SigningKeyDocument>();
		if (!other) throw new Error(`The signing key ${_id} is gone while it was read`);
		return other;
	}

	#open({ _id, kid, sealedKey }: SigningKeyDocument): SigningKey {
		try {
			return { kid, privateKey: createPrivateKey(unseal(this.#secret, PURPOSE, _id, sealedKey)) };
		} catch (error) {
			throw new Error("STOA_SECRET is not the one that sealed the signing keys of this database", { cause: error });
		}
	}
}

/** The key's own name, as of RFC 7638. */
const thumbprint = (x: string, y: string): string =>
	createHash("sha256")
		.update(JSON.stringify({ crv: "P-256", kty: "EC", x, y }))
		.digest("base64url");
