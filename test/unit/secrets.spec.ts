import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isSame, seal, tag, unseal } from "../../lib/crypto.ts";
import { generatedSecret } from "../../lib/secret.ts";
import { createSecrets } from "../../services/auth/secrets.ts";

const SECRET = "one secret of a node, long enough to be one";
const OTHER = "another secret of a node, just as long as it";

describe("Sealed texts", () => {
	const sealed = seal(SECRET, "keys", "key_1", "the text");

	it("open with the same secret, purpose and context", () =>
		expect(unseal(SECRET, "keys", "key_1", sealed)).toBe("the text"));

	it("never look the same twice", () => expect(seal(SECRET, "keys", "key_1", "the text")).not.toBe(sealed));

	it.each([
		["another secret", OTHER, "keys", "key_1"],
		["another purpose", SECRET, "mails", "key_1"],
		["another document", SECRET, "keys", "key_2"],
	])("do not open with %s", (_, secret, purpose, context) =>
		expect(() => unseal(secret, purpose, context, sealed)).toThrow());

	it("do not open when a single bit was changed or the end is missing", () => {
		const bytes = Buffer.from(sealed.slice(3), "base64url");
		for (const position of [0, 13, bytes.length - 1]) {
			const changed = Buffer.from(bytes);
			changed[position] = (changed[position] ?? 0) ^ 1;
			expect(() => unseal(SECRET, "keys", "key_1", `v1.${changed.toString("base64url")}`)).toThrow();
		}
		expect(() => unseal(SECRET, "keys", "key_1", sealed.slice(0, 10))).toThrow();
		expect(() => unseal(SECRET, "keys", "key_1", `v2${sealed.slice(2)}`)).toThrow();
	});

	it("have a tag per purpose", () => {
		expect(tag(SECRET, "a", "x")).toHaveLength(43);
		expect(tag(SECRET, "a", "x")).toBe(tag(SECRET, "a", "x"));
		expect(new Set([tag(SECRET, "a", "x"), tag(SECRET, "b", "x"), tag(OTHER, "a", "x")]).size).toBe(3);
		expect([isSame("abc", "abc"), isSame("abc", "abd"), isSame("abc", "ab")]).toEqual([true, false, false]);
	});
});

describe("Refresh tokens", () => {
	const secrets = createSecrets(SECRET);
	const claims = { id: "ses_01ABCDEFGHJKMNPQRSTVWXYZ01", rotation: 7, family: secrets.nonce() };
	const token = secrets.refreshToken(claims);

	it("say which session, which rotation and which family they are of", () =>
		expect(secrets.readRefreshToken(token)).toEqual(claims));

	it("cannot be made up or changed", () => {
		const [id = "", rotation = "", family = "", mac = ""] = token.split(".");
		const forged = [
			[id, "8", family, mac],
			[id, "07", family, mac],
			[id.replace("01", "02"), rotation, family, mac],
			[id, rotation, secrets.nonce(), mac],
			[id, rotation, family, mac.replace(/.$/, last => (last === "A" ? "B" : "A"))],
			[id, rotation, family],
		];
		for (const parts of forged) expect(secrets.readRefreshToken(parts.join("."))).toBeUndefined();
		expect(createSecrets(OTHER).readRefreshToken(token)).toBeUndefined();
		expect(secrets.readRefreshToken("")).toBeUndefined();
	});
});

describe("Verification tokens", () => {
	const secrets = createSecrets(SECRET);
	const id = `reg_${"A".repeat(26)}`;

	it("are the same for every repeat of one registration, others for the next, and nobody else's", () => {
		const token = secrets.verificationToken(id);
		expect(token).toBe(secrets.verificationToken(id));
		expect(token).toMatch(/^[\w.~-]+$/);
		expect(secrets.registrationOf(token)).toBe(id);
		expect(secrets.verificationToken(`reg_${"B".repeat(26)}`)).not.toBe(token);
		expect(secrets.registrationOf(token.replace("reg_A", "reg_B"))).toBeUndefined();
		expect(createSecrets(OTHER).registrationOf(token)).toBeUndefined();
	});
});

describe("The secret that a shop makes for itself", () => {
	let dir: string;

	beforeEach(async () => {
		dir = await mkdtemp(join(tmpdir(), "stoa-secret-"));
	});
	afterEach(() => rm(dir, { recursive: true }));

	it("is one, however many make it at once, and its owner's only", async () => {
		const made = await Promise.all(Array.from({ length: 20 }, () => generatedSecret(dir)));
		expect(new Set(made).size).toBe(1);
		expect(made[0]).toMatch(/^[\w-]{64}$/);
		expect(await readFile(join(dir, "secret"), "utf8")).toBe(made[0]);
		expect((await stat(join(dir, "secret"))).mode & 0o077).toBe(0);
	});

	it.each(["", "\n", "kB7f2Qz9"])("is waited for and then refused where the file holds %j", async content => {
		await writeFile(join(dir, "secret"), content);
		await expect(generatedSecret(dir)).rejects.toThrow("does not hold a whole secret");
		expect(await readFile(join(dir, "secret"), "utf8")).toBe(content);
	});

	it("is waited for while another node writes it", async () => {
		await writeFile(join(dir, "secret"), "");
		const secret = generatedSecret(dir);
		await writeFile(join(dir, "secret"), "s".repeat(64));
		expect(await secret).toBe("s".repeat(64));
	});
});
