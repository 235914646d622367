import { isCommon, WORD_COUNT } from "../../lib/common-passwords.ts";
import { errorType } from "../../lib/errors.ts";
import { normalisePassword } from "../../lib/password-policy.ts";
import { createBoundedPool } from "../../services/auth/bounded-pool.ts";
import { checkPassword, normaliseEmail } from "../../services/auth/domain/credentials.ts";
import { PasswordHasher } from "../../services/auth/password-hasher.ts";

const EMAIL = "ada.lovelace@shop.test";

function refusal(password: string): string | undefined {
	try {
		checkPassword(normalisePassword(password), EMAIL);
		return undefined;
	} catch (error) {
		expect(errorType(error)).toBe("VALIDATION_ERROR");
		const { data } = error as { data: { errors: { field: string; code: string }[] } };
		expect(data.errors[0]?.field).toBe("password");
		return data.errors[0]?.code;
	}
}

describe("The password policy", () => {
	it.each([
		"correct horse battery staple",
		"a long enough passphrase",
		"x7Kq!mm02lPz",
		"пароль на каждый день",
		"🦀🐙🦑🐡🐠🐟🐬🐳🐋🦈🐊🐅",
		" leading and trailing ",
		"$argon2id$v=19",
		"8374 9201 6628",
	])("takes %j", password => expect(refusal(password)).toBeUndefined());

	it("counts characters, not bytes or UTF-16 units", () => {
		expect(refusal("🦀🐙🦑🐡🐠🐟")).toBe("too_short");
		expect(refusal("elevenchars")).toBe("too_short");
		expect(refusal("🦀x?Ö7-".repeat(21))).toBeUndefined();
		expect(refusal(`${"🦀x?Ö7-".repeat(21)}abc`)).toBe("too_long");
	});

	it.each([
		"password1234",
		"P@ssw0rd1234",
		"passwordpassword",
		"qwertyuiop12",
		"1qaz2wsx3edc",
		"123456789012",
		"210987654321",
		"abcdefghijkl",
		"aaaaaaaaaaaa",
		"abababababab",
		"iloveyou2024!",
		"monkey dragon",
		"letmein!letmein!",
		"qwerty123456",
		"PASSWORD-2024",
		"ｐａｓｓｗｏｒｄ１２３４",
	])("refuses the common %j", password => expect(refusal(password)).toBe("too_common"));

	it("refuses half characters, which all have the same bytes", () =>
		expect(refusal("\ud800 and a dozen more")).toBe("not_text"));

	it("refuses the address itself", () => expect(refusal(EMAIL)).toBe("too_common"));

	it("knows more than a thousand common words and stays fast on the worst input", () => {
		expect(WORD_COUNT).toBeGreaterThan(1_000);
		expect(isCommon(`${"password".repeat(15)}xq`)).toBe(false);
		expect(isCommon("password".repeat(16))).toBe(true);
	});

	it("makes one of an address however it is written, and one of a password however it is typed", () => {
		expect(normaliseEmail("  Ada@Shop.TEST ")).toBe("ada@shop.test");
		expect(normalisePassword("Ame\u0301lie")).toBe(normalisePassword("Am\u00e9lie"));
	});
});

describe("Password hashes", () => {
	const hasher = new PasswordHasher();
	const scrypt = new PasswordHasher("scrypt");

	it("are argon2id in the PHC form with a salt of their own", async () => {
		const [one, two] = await Promise.all([hasher.hash("same password"), hasher.hash("same password")]);
		expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
		expect(one).not.toBe(two);
		expect(await hasher.verify("same password", one)).toBe(true);
		expect(await hasher.verify("Same password", one)).toBe(false);
	});

	it("are false, at the same cost, where there is none", async () => {
		expect(await hasher.verify("anything", undefined)).toBe(false);
	});

	it("of a Node without argon2 are verified and then replaced by one that has it, never the other way", async () => {
		const old = await scrypt.hash("made on Node 22");
		expect(old).toMatch(/^\$scrypt\$ln=17,r=8,p=1\$/);
		expect(await hasher.verify("made on Node 22", old)).toBe(true);
		expect(await hasher.verify("made on Node 23", old)).toBe(false);
		expect(hasher.isOutdated(old)).toBe(true);
		expect(scrypt.isOutdated(await hasher.hash("made on Node 24"))).toBe(false);
	});

	it("of a lower cost are outdated", async () => {
		const today = await hasher.hash("whatever it is");
		expect(hasher.isOutdated(today)).toBe(false);
		expect(hasher.isOutdated(today.replace("m=19456", "m=4096"))).toBe(true);
	});
});

describe("The pool of hashes", () => {
	it("runs two at once, lets so many wait, and refuses the rest with the time to come back", async () => {
		const pool = createBoundedPool({ atOnce: 2, waiting: 3 });
		const gates: (() => void)[] = [];
		let running = 0;
		let most = 0;
		const work = () =>
			pool.run(async () => {
				most = Math.max(most, ++running);
				await new Promise<void>(resolve => gates.push(resolve));
				running--;
			});
		const taken = Array.from({ length: 5 }, work);
		const refused = await work().catch((error: unknown) => error);
		expect(errorType(refused)).toBe("SERVICE_UNAVAILABLE");
		expect(refused).toMatchObject({ data: { retryAfterSeconds: 1 } });
		for (let i = 0; i < 5; i++) {
			gates[i]?.();
			await taken[i];
			await new Promise(resolve => setImmediate(resolve));
		}
		await Promise.all(taken);
		expect(most).toBe(2);
	});

	it("gives the place back when the work fails", async () => {
		const pool = createBoundedPool({ atOnce: 1, waiting: 1 });
		await expect(pool.run(() => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
		expect(await pool.run(() => Promise.resolve("next"))).toBe("next");
	});
});
