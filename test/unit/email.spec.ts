import { isOneLine, mailboxOf, parseEmail, parseMailbox } from "../../lib/email.ts";

describe("An e-mail address", () => {
	it.each([
		["You@Example.COM", "you@example.com"],
		["  ada+shop@shop.test ", "ada+shop@shop.test"],
		["ada＠ｓｈｏｐ.test", "ada@shop.test"],
		["o'hara.x@shop.test", "o'hara.x@shop.test"],
		["ada@BÜCHER。example", "ada@xn--bcher-kva.example"],
		["ada@bücher.example", "ada@xn--bcher-kva.example"],
		["ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"],
	])("%s has one spelling", (given, spelling) => {
		expect(parseEmail(given)).toBe(spelling);
		expect(parseEmail(spelling)).toBe(spelling);
	});

	it.each([
		"attacker，victim@shop.test",
		"a＠shop.test，b＠shop.test",
		"attacker,victim@shop.test",
		"attacker;victim@shop.test",
		"group:victim@shop.test",
		"victim@shop.test(comment)",
		"a(b)@shop.test",
		'"a b"@shop.test',
		"<victim@shop.test>",
		"a\0@shop.test",
		"a@shop.test\0",
		"a\r\nBcc:b@shop.test",
		"victim%shop.test@relay.test",
		"relay.test!victim@shop.test",
		"a@b@shop.test",
		"a@[127.0.0.1]",
		"a@127.0.0.1",
		"a@shop.test/x",
		"a@ex%61mple.test",
		"a@-shop.test",
		"a@shop..test",
		"a@shop",
		".a@shop.test",
		"a\u202e@shop.test",
		"а@shop.test",
		"@shop.test",
		`${"a".repeat(65)}@shop.test`,
		`a@${"b".repeat(64)}.test`,
		`a@${"b.".repeat(200)}test`,
		"",
	])("is not %j", text => expect(parseEmail(text)).toBeUndefined());

	it("of a sender may have a name, in one line", () => {
		expect(parseMailbox("Stoa <shop@stoa.localhost>")).toEqual({ name: "Stoa", address: "shop@stoa.localhost" });
		expect(parseMailbox("shop@stoa.localhost")).toEqual({ name: "", address: "shop@stoa.localhost" });
		for (const text of ["a <a@shop.test>, <b@shop.test>", "a\nb <a@shop.test>", "Stoa", "Stoa <>"])
			expect(parseMailbox(text)).toBeUndefined();
	});
});

describe("A mailbox", () => {
	it.each([
		["ada+shop+x@shop.test", "ada@shop.test"],
		["a.da@shop.test", "a.da@shop.test"],
		["a.d.a+x@googlemail.com", "ada@gmail.com"],
	])("%s leads to %s", (address, mailbox) => expect(mailboxOf(address)).toBe(mailbox));
});

describe("A text in one line", () => {
	it.each(["Ada Lovelace", "Straße 1", "עברית", "می‌خواهم", "👩‍👩‍👧", "a\u00a0b"])("is %j", text =>
		expect(isOneLine(text)).toBe(true));

	it.each([
		"a\nb",
		"a\rb",
		"a\tb",
		"a\0b",
		"a\u007fb",
		"a\u0085b",
		"a\u2028b",
		"a\u202eb",
		"a\u2066b",
		"a\u200fb",
		"a\ud800b",
	])("is not %j", text => expect(isOneLine(text)).toBe(false));
});
