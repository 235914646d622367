import { randomUUID } from "node:crypto";
import { errorType } from "../../lib/errors.ts";
import { startTestNode, type TestNode } from "../support/node.ts";

const PASSWORD = "a long enough passphrase";

/** All of an answer that a client sees. */
const answerOf = async (work: Promise<unknown>) =>
	work.then(
		value => ({ value }),
		(error: { message: string; code: number; data: unknown }) => ({
			type: errorType(error),
			message: error.message,
			code: error.code,
			data: error.data,
		}),
	);
const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());

describe("Someone who tries out addresses and tokens", () => {
	let node: TestNode;
	let limited: TestNode;
	const known = `known-${randomUUID()}@shop.test`;
	const unverified = `new-${randomUUID()}@shop.test`;
	const unknown = `nobody-${randomUUID()}@shop.test`;

	const call = () => node.broker;
	const accounts = () => node.broker.stoa.database.of("auth").collection("accounts");
	const registrationOf = async ({ broker }: TestNode, email: string) =>
		String((await broker.stoa.database.of("auth").collection("registrations").findOne({ email }))?._id);
	const verify = async (email: string) => {
		const registrationId = await registrationOf(node, email);
		const link = await call().call("auth.verificationToken", { registrationId });
		return call().call("auth.verifyEmail", { token: link?.token ?? "", password: PASSWORD });
	};

	beforeAll(async () => {
		node = await startTestNode({ services: ["auth", "users"] });
		for (const email of [known, unverified]) await call().call("auth.register", { email, password: PASSWORD });
		await verify(known);
		limited = await startTestNode({ services: ["auth"], env: { AUTH_RATE_LIMIT: "3" } });
	}, 60_000);
	afterAll(async () => {
		await limited?.stop();
		await node?.stop();
	});

	it("gets the same answer to a sign-in for unknown, unverified and wrong", async () => {
		const attempts = [
			{ email: unknown, password: PASSWORD },
			{ email: unverified, password: PASSWORD },
			{ email: known, password: "not the right passphrase" },
		];
		const answers = await Promise.all(attempts.map(attempt => answerOf(call().call("auth.login", attempt))));
		expect(answers[0]).toMatchObject({ type: "UNAUTHENTICATED", code: 401 });
		expect(answers[1]).toEqual(answers[0]);
		expect(answers[2]).toEqual(answers[0]);
	});

	it("gets the same answer to a registration for unknown, unverified and active", async () => {
		const answers = await Promise.all(
			[`x${unknown}`, unverified, known].map(email =>
				answerOf(call().call("auth.register", { email, password: PASSWORD })),
			),
		);
		expect(answers).toEqual([0, 1, 2].map(() => ({ value: { status: "verification_sent" } })));
	});

	it("cannot say what only the shop decides", async () => {
		const extra = { email: `y${unknown}`, password: PASSWORD, roles: ["admin"], status: "active" } as never;
		expect(await answerOf(call().call("auth.register", extra))).toMatchObject({ code: 422 });
		const user = { id: "usr_1", sessionId: "ses_1", roles: ["customer" as const] };
		for (const field of ["roles", "email", "id", "version", "$set"]) {
			const change = { [field]: "admin" } as never;
			const answer = await answerOf(call().call("users.updateMe", change, { meta: { user } }));
			expect(answer).toMatchObject({ code: 422 });
		}
	});

	it.each([{ $ne: null }, { $gt: "" }, ["x"], 1, null])("cannot pass %j where a text belongs", async value => {
		const attempts = [
			call().call("auth.login", { email: value as never, password: PASSWORD }),
			call().call("auth.login", { email: known, password: value as never }),
			call().call("auth.refresh", { refreshToken: value as never }),
			call().call("auth.verifyEmail", { token: value as never, password: PASSWORD }),
			call().call("auth.verifyEmail", { token: "a token of some length", password: value as never }),
		];
		for (const attempt of attempts) expect(await answerOf(attempt)).toMatchObject({ code: 422 });
	});

	it("who uses a spent refresh token ends the session for everyone", async () => {
		const tokens = await call().call("auth.login", { email: known, password: PASSWORD });
		const next = await call().call("auth.refresh", { refreshToken: tokens.refreshToken });
		const session = { _id: claimsOf(tokens.accessToken).sid };
		const longAgo = { $set: { rotatedAt: new Date(Date.now() - 60_000) } };
		await node.broker.stoa.database.of("auth").collection("sessions").updateOne(session, longAgo);
		const reuse = await answerOf(call().call("auth.refresh", { refreshToken: tokens.refreshToken }));
		expect(reuse).toMatchObject({ type: "UNAUTHENTICATED", code: 401 });
		expect(await answerOf(call().call("auth.refresh", { refreshToken: next.refreshToken }))).toEqual({
			...reuse,
			// Only whoever watches over the shop is told that it was a reuse.
			data: {},
		});
		const { sessionIds } = await call().call("auth.revokedSessions");
		expect(sessionIds).toContain(claimsOf(tokens.accessToken).sid);
	});

	it("who knows a session's id but no token of it ends nothing", async () => {
		const tokens = await call().call("auth.login", { email: known, password: PASSWORD });
		const [id = "", , family = "", mac = ""] = tokens.refreshToken.split(".");
		for (const forged of [`${id}.0.${"A".repeat(32)}.${"B".repeat(43)}`, `${id}.1.${family}.${mac}`]) {
			await answerOf(call().call("auth.refresh", { refreshToken: forged }));
			await call().call("auth.logout", { refreshToken: forged });
		}
		expect((await call().call("auth.refresh", { refreshToken: tokens.refreshToken })).tokenType).toBe("Bearer");
	});

	it("who makes up a verification token verifies nothing", async () => {
		const id = await registrationOf(node, unverified);
		for (const token of [`${id}.${"A".repeat(43)}`, `${id}.undefined`, id, `reg_${"A".repeat(26)}.${"A".repeat(43)}`]) {
			const answer = await answerOf(call().call("auth.verifyEmail", { token, password: PASSWORD }));
			expect(answer).toMatchObject({ code: 401 });
		}
		expect(await accounts().countDocuments({ email: unverified })).toBe(0);
	});

	it("is slowed down per account, however the address is written", async () => {
		const email = `slow-${randomUUID()}@shop.test`;
		const attempt = (as: string) => answerOf(limited.broker.call("auth.login", { email: as, password: PASSWORD }));
		for (const as of [email, email.toUpperCase(), ` ${email}`]) expect(await attempt(as)).toMatchObject({ code: 401 });
		const refused = await attempt(email);
		expect(refused).toMatchObject({ type: "RATE_LIMITED", code: 429 });
		expect(refused).toHaveProperty("data.retryAfterSeconds", expect.any(Number));
		expect(await attempt(`other-${email}`)).toMatchObject({ code: 401 });
	});

	it("loses nothing when users is away: the link is good again later", async () => {
		const email = `away-${randomUUID()}@shop.test`;
		await limited.broker.call("auth.register", { email, password: PASSWORD });
		const registrationId = await registrationOf(limited, email);
		const link = await limited.broker.call("auth.verificationToken", { registrationId });
		const attempt = { token: link?.token ?? "", password: PASSWORD };
		const answer = await answerOf(limited.broker.call("auth.verifyEmail", attempt));
		expect(answer).toMatchObject({ type: "SERVICE_UNAVAILABLE", code: 503, data: { retryAfterSeconds: 2 } });
		expect(await limited.broker.call("auth.verificationToken", { registrationId })).toEqual(link);
	});
});
