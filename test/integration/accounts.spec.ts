import { randomUUID } from "node:crypto";
import { errorType } from "../../lib/errors.ts";
import type { Principal } from "../../lib/permissions.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { startProfiler } from "../support/profiler.ts";
import { until } from "../support/until.ts";

const PASSWORD = "a long enough passphrase";
const address = () => `ada-${randomUUID()}@shop.test`;

/** What was thrown, or a failure of the test when nothing was. */
const thrown = async (work: Promise<unknown>): Promise<string | undefined> =>
	work.then(
		() => "nothing was thrown",
		(error: unknown) => errorType(error),
	);

/** The claims of a token, unproven. */
const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());

describe("Accounts", () => {
	let node: TestNode;

	beforeAll(async () => {
		node = await startTestNode({ services: ["auth", "users"] });
	}, 30_000);
	afterAll(() => node?.stop());

	const accounts = () => node.broker.stoa.database.of("auth").collection("accounts");
	const sessions = () => node.broker.stoa.database.of("auth").collection("sessions");
	const eventsOf = (aggregateId: string) =>
		node.broker.stoa.database.of("auth").collection("events").find({ aggregateId }).toArray();
	const register = (email: string, password = PASSWORD, name?: string) =>
		node.broker.call("auth.register", { email, password, ...(name ? { name } : {}) });
	const registrations = () => node.broker.stoa.database.of("auth").collection("registrations");
	/** The tokens of an address's registrations, the oldest first. */
	const linksOf = async (email: string) => {
		const waiting = await registrations().find({ email }).sort({ _id: 1 }).toArray();
		const links = await Promise.all(
			waiting.map(({ _id }) => node.broker.call("auth.verificationToken", { registrationId: String(_id) })),
		);
		return links.flatMap(link => (link ? [link.token] : []));
	};
	const linkOf = async (email: string) => (await linksOf(email)).at(-1) ?? "";
	const verify = (token: string, password = PASSWORD) => node.broker.call("auth.verifyEmail", { token, password });
	const verified = async (name?: string) => {
		const email = address();
		await register(email, PASSWORD, name);
		const tokens = await verify(await linkOf(email));
		return { email, tokens, id: claimsOf(tokens.accessToken).sub as string };
	};
	const login = (email: string, password = PASSWORD) => node.broker.call("auth.login", { email, password });
	const as = (id: string, more: object = {}) => ({
		meta: { user: { id, sessionId: "ses_1", roles: ["customer"] } satisfies Principal, ...more },
	});

	it("begin unverified, are verified by the mailed token, and have a profile then", async () => {
		const email = address();
		expect(await register(email.toUpperCase(), PASSWORD, "Ada")).toEqual({ status: "verification_sent" });
		expect(await thrown(login(email))).toBe("UNAUTHENTICATED");
		expect(await accounts().countDocuments({ email })).toBe(0);
		const token = await linkOf(email);
		expect(await linkOf(email)).toBe(token);

		const tokens = await verify(token);
		const id = claimsOf(tokens.accessToken).sub as string;
		expect(tokens).toMatchObject({ tokenType: "Bearer", expiresIn: 900 });
		expect(claimsOf(tokens.accessToken)).toMatchObject({ sub: id, iss: "stoa", aud: "stoa", roles: ["customer"] });
		expect(claimsOf(tokens.accessToken).nbf).toBeUndefined();
		expect(await node.broker.call("users.me", undefined, as(id))).toMatchObject({ id, email, name: "Ada", version: 1 });
		expect(await node.broker.call("auth.rolesOf", { userId: id })).toEqual({ roles: ["customer"] });
		expect((await login(email)).accessToken).toBeDefined();

		const events = await until("the event", async () => {
			const events = await eventsOf(id);
			return events.length > 0 && events;
		});
		expect(events.map(event => [event["name"], event["sequence"], event["data"]])).toEqual([
			["account.verified", 2, { accountId: id }],
		]);
	});

	it("are verified once: the token is used up, and there is none any more", async () => {
		const email = address();
		await register(email);
		const token = await linkOf(email);
		const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => verify(token)));
		expect(outcomes.filter(outcome => outcome.status === "fulfilled")).toHaveLength(1);
		expect(await thrown(verify(token))).toBe("UNAUTHENTICATED");
		expect(await registrations().countDocuments({ email })).toBe(0);
	});

	it("stay one per address when it is registered many times at once", async () => {
		const email = address();
		const answers = await Promise.all(Array.from({ length: 4 }, () => register(email)));
		expect(new Set(answers.map(answer => JSON.stringify(answer))).size).toBe(1);
		const links = await linksOf(email);
		expect(new Set(links).size).toBe(4);
		const outcomes = await Promise.allSettled(links.map(link => verify(link)));
		expect(outcomes.filter(outcome => outcome.status === "fulfilled")).toHaveLength(1);
		expect(await accounts().countDocuments({ email })).toBe(1);
		expect((await login(email)).tokenType).toBe("Bearer");
	});

	it("that are active stay as they are when their address is registered again", async () => {
		const { email } = await verified();
		const stored = () => accounts().findOne({ email }, { projection: { outbox: 0 } });
		const before = await stored();
		await register(email, "the password of a stranger", "Eve");
		expect(await stored()).toEqual(before);
		expect(await linksOf(email)).toEqual([]);
		const { _id } = (await registrations().findOne({ email })) ?? {};
		const { createSecrets } = await import("../../services/auth/secrets.ts");
		const token = createSecrets(node.broker.stoa.secret).verificationToken(String(_id));
		expect(await thrown(verify(token, "the password of a stranger"))).toBe("UNAUTHENTICATED");
		expect(await stored()).toEqual(before);
	});

	it("refuse a link after a day", async () => {
		const email = address();
		await register(email);
		const token = await linkOf(email);
		await registrations().updateOne({ email }, { $set: { expiresAt: new Date(Date.now() - 3_600_000) } });
		expect(await thrown(verify(token))).toBe("UNAUTHENTICATED");
	});

	it("get a hash of today's cost at the next sign-in", async () => {
		const { email } = await verified();
		const { PasswordHasher } = await import("../../services/auth/password-hasher.ts");
		await accounts().updateOne(
			{ email },
			{ $set: { passwordHash: await new PasswordHasher("scrypt").hash(PASSWORD) } },
		);
		await login(email);
		expect((await accounts().findOne({ email }))?.["passwordHash"]).toMatch(/^\$argon2id\$/);
		await login(email);
	});

	it("that are disabled neither sign in nor refresh, and their session ends", async () => {
		const { email, tokens, id } = await verified();
		await accounts().updateOne({ email }, { $set: { status: "disabled" } });
		expect(await thrown(login(email))).toBe("UNAUTHENTICATED");
		expect(await thrown(node.broker.call("auth.refresh", { refreshToken: tokens.refreshToken }))).toBe(
			"UNAUTHENTICATED",
		);
		const { sessionIds } = await node.broker.call("auth.revokedSessions");
		expect(sessionIds).toContain(claimsOf(tokens.accessToken).sid);
		expect(await node.broker.call("auth.rolesOf", { userId: id })).toEqual({ roles: [] });
	});

	describe("with a session", () => {
		const refresh = (refreshToken: string) => node.broker.call("auth.refresh", { refreshToken });

		it("get new tokens for a refresh token, again and again", async () => {
			const { tokens } = await verified();
			let current = tokens;
			for (let i = 0; i < 3; i++) current = await refresh(current.refreshToken);
			expect(claimsOf(current.accessToken).sid).toBe(claimsOf(tokens.accessToken).sid);
		});

		it("keep nothing in the database that would be a token", async () => {
			const { tokens, id } = await verified();
			const [, , family = "", mac = ""] = tokens.refreshToken.split(".");
			const { accessToken } = await refresh(tokens.refreshToken);
			const [, claims = "", signature = ""] = accessToken.split(".");
			const kept = JSON.stringify(await sessions().find({ userId: id }).toArray());
			for (const secret of [family, mac, claims, signature]) expect(kept).not.toContain(secret);
		});

		/** As if the last refresh of a session had been so long ago. */
		const age = (sid: string, ms: number) =>
			sessions().updateOne({ _id: sid as never }, [{ $set: { rotatedAt: { $subtract: ["$rotatedAt", ms] } } }]);

		it("get the same tokens when one refresh token is used twenty times at once, and no second branch", async () => {
			const { tokens, id } = await verified();
			const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(tokens.refreshToken)));
			expect(new Set(answers.map(answer => answer.refreshToken)).size).toBe(1);
			expect(new Set(answers.map(answer => answer.accessToken)).size).toBe(1);
			for (const { expiresIn } of answers) expect(expiresIn).toBeGreaterThan(870);
			const [answer] = answers;
			expect(await sessions().countDocuments({ userId: id })).toBe(1);
			expect((await sessions().findOne({ userId: id }))?.["rotation"]).toBe(1);
			expect((await refresh(tokens.refreshToken)).refreshToken).toBe(answer?.refreshToken);
			expect((await refresh(answer?.refreshToken ?? "")).tokenType).toBe("Bearer");
		});

		it("get the same tokens for 20 s; after that a spent one ends the session for everyone", async () => {
			const { tokens } = await verified();
			const { sid } = claimsOf(tokens.accessToken);
			const next = await refresh(tokens.refreshToken);
			await age(sid, 15_000);
			expect((await refresh(tokens.refreshToken)).refreshToken).toBe(next.refreshToken);
			expect((await sessions().findOne({ _id: sid }))?.["revokedAt"]).toBeUndefined();
			await age(sid, 5_001);
			expect(await thrown(refresh(tokens.refreshToken))).toBe("UNAUTHENTICATED");
			expect(await thrown(refresh(next.refreshToken))).toBe("UNAUTHENTICATED");
			expect((await node.broker.call("auth.revokedSessions")).sessionIds).toContain(sid);
		});

		it("lose it when a token before the previous one is used, however short a time ago", async () => {
			const { tokens } = await verified();
			const second = await refresh(tokens.refreshToken);
			const third = await refresh(second.refreshToken);
			expect(await thrown(refresh(tokens.refreshToken))).toBe("UNAUTHENTICATED");
			expect(await thrown(refresh(third.refreshToken))).toBe("UNAUTHENTICATED");
		});

		it("get no tokens a second time once they have signed out, or were disabled", async () => {
			const { tokens } = await verified();
			const next = await refresh(tokens.refreshToken);
			await node.broker.call("auth.logout", { refreshToken: next.refreshToken });
			expect(await thrown(refresh(tokens.refreshToken))).toBe("UNAUTHENTICATED");
			const other = await verified();
			await refresh(other.tokens.refreshToken);
			await accounts().updateOne({ email: other.email }, { $set: { status: "disabled" } });
			expect(await thrown(refresh(other.tokens.refreshToken))).toBe("UNAUTHENTICATED");
		});

		it("lose it 90 days after they signed in, however much they use it", async () => {
			const { tokens } = await verified();
			const { sid } = claimsOf(tokens.accessToken);
			const day = 86_400_000;
			const openedAt = new Date(Date.now() - 89 * day);
			await sessions().updateOne({ _id: sid }, { $set: { createdAt: openedAt } });
			await refresh(tokens.refreshToken);
			const session = await sessions().findOne({ _id: sid });
			expect(new Date(session?.["expiresAt"]).getTime()).toBe(openedAt.getTime() + 90 * day);
		});

		it("end it by signing out, as often as they like, and only that one", async () => {
			const { email, tokens } = await verified();
			const other = await login(email);
			const hints: unknown[] = [];
			const events = { "session.revoked": (ctx: { params: unknown }) => void hints.push(ctx.params) };
			node.broker.createService({ name: "listener", events });
			await node.broker.call("auth.logout", { refreshToken: tokens.refreshToken });
			await node.broker.call("auth.logout", { refreshToken: tokens.refreshToken });
			await until("the hint to the gateways", () => hints.length > 0);
			expect(hints).toEqual([{ sessionIds: [claimsOf(tokens.accessToken).sid] }]);
			await node.broker.call("auth.logout", { refreshToken: "not a token at all" });
			expect(await thrown(refresh(tokens.refreshToken))).toBe("UNAUTHENTICATED");
			const { sessionIds } = await node.broker.call("auth.revokedSessions");
			expect(sessionIds).toContain(claimsOf(tokens.accessToken).sid);
			expect(sessionIds).not.toContain(claimsOf(other.accessToken).sid);
			expect((await refresh(other.refreshToken)).tokenType).toBe("Bearer");
		});

		it("lose it when it was not used for a month", async () => {
			const { tokens } = await verified();
			const { sid } = claimsOf(tokens.accessToken);
			await sessions().updateOne({ _id: sid }, { $set: { expiresAt: new Date(Date.now() - 3_600_000) } });
			expect(await thrown(refresh(tokens.refreshToken))).toBe("UNAUTHENTICATED");
		});

		it("sign in with at most three round trips, none of which scans or sorts", async () => {
			const { email, tokens } = await verified();
			const profiler = await startProfiler(node.mongodbUri);
			try {
				await login(email);
				await profiler.collect();
				const counted = [...profiler.counts()].filter(([name]) =>
					/^auth\.(accounts|sessions|signing_keys) /.test(name),
				);
				expect(counted.length).toBeGreaterThan(0);
				expect(counted.reduce((sum, [, count]) => sum + count, 0)).toBeLessThanOrEqual(3);
				await register(email);
				await refresh(tokens.refreshToken);
				await thrown(refresh(tokens.refreshToken));
				await node.broker.call("auth.revokedSessions");
				await node.broker.call("auth.jwks");
				await node.broker.call("auth.createAdmin", { email: address(), password: PASSWORD });
				await profiler.collect();
				expect(profiler.offences().filter(offence => /^(auth|users)\./.test(offence))).toEqual([]);
			} finally {
				await profiler.stop();
			}
		});
	});

	describe("and their profiles", () => {
		it("change by the version the client has seen", async () => {
			const { id } = await verified("Ada");
			const changed = await node.broker.call("users.updateMe", { locale: "de-AT" }, as(id, { ifMatch: 1 }));
			expect(changed).toMatchObject({ name: "Ada", locale: "de-AT", version: 2, roles: ["customer"] });
			expect(await thrown(node.broker.call("users.updateMe", { name: "X" }, as(id, { ifMatch: 1 })))).toBe(
				"VERSION_MISMATCH",
			);
			expect((await node.broker.call("users.updateMe", { name: null }, as(id))).name).toBeNull();
		});

		it("change once when many have seen the same version", async () => {
			const { id } = await verified();
			const outcomes = await Promise.allSettled(
				Array.from({ length: 8 }, (_, i) =>
					node.broker.call("users.updateMe", { name: `N${i}` }, as(id, { ifMatch: 1 })),
				),
			);
			expect(outcomes.filter(outcome => outcome.status === "fulfilled")).toHaveLength(1);
		});

		it("are made once, and a repeat finds the first", async () => {
			const { id, email } = await verified("Ada");
			await node.broker.call("users.updateMe", { name: "Countess" }, as(id));
			expect(await node.broker.call("users.create", { id, email, name: "Ada" })).toMatchObject({ name: "Countess" });
			expect(await thrown(node.broker.call("users.get", { id: "usr_nobody" }))).toBe("NOT_FOUND");
			expect(await thrown(node.broker.call("users.me"))).toBe("UNAUTHENTICATED");
		});
	});
});
