import { generateKeyPairSync } from "node:crypto";
import { request } from "node:http";
import type { Readable } from "node:stream";
import type { Context, ServiceBroker, ServiceSchema } from "moleculer";
import { signAccessToken } from "../../lib/access-token.ts";
import { DomainError } from "../../lib/errors.ts";
import { newId } from "../../lib/ids.ts";
import type { Principal, Role } from "../../lib/permissions.ts";
import type { AppMeta } from "../../lib/typed.ts";
import { uploadedBytes } from "../../lib/upload-stream.ts";
import { commandId, commands } from "../../mixins/commands.mixin.ts";
import { Client } from "./client.ts";
import { startTestNode, type TestNode } from "./node.ts";

type Ctx = Context<Record<string, unknown>, AppMeta>;

/** What a fixture's action was called with, in order. */
export interface Seen {
	params: Record<string, unknown>;
	meta: AppMeta;
	requestId: string;
}

export interface TestGateway {
	node: TestNode;
	client: Client;
	broker: ServiceBroker;
	seen: Seen[];
	/** Holds `POST /things` until it is called, once it was set. */
	gate: { wait?: Promise<void> };
	revoked: string[];
	tokenFor(roles?: Role[], changes?: Partial<Principal> & { now?: Date; kid?: string }): string;
	stop(): Promise<void>;
}

const published = { visibility: "published", permissions: "anyone" } as const;
const openapi = { summary: "A fixture" };

/** A gateway over small services that belong to the test: `things`, and an `auth` with a key of its own. */
export async function startGateway(env: Record<string, string> = {}): Promise<TestGateway> {
	const node = await startTestNode({ services: ["api"], env });
	const broker = rawBroker(node);
	const seen: Seen[] = [];
	const gate: TestGateway["gate"] = {};
	const revoked: string[] = [];
	const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
	const kid = "key-1";
	await create(broker, {
		name: "auth",
		actions: {
			jwks: {
				...published,
				openapi,
				rest: { route: "GET /.well-known/jwks.json", isRoot: true },
				handler: () => ({ keys: [{ ...publicKey.export({ format: "jwk" }), kid, alg: "ES256", use: "sig" }] }),
			},
			login: {
				...published,
				openapi,
				rest: { route: "POST /auth/login", isAuth: true },
				handler: () => ({ ok: true }),
			},
			revokedSessions: { visibility: "public", handler: () => ({ sessionIds: [...revoked] }) },
		},
	} as unknown as ServiceSchema);
	await create(broker, things(seen, gate));
	return {
		node,
		broker,
		seen,
		gate,
		revoked,
		client: new Client(node.broker.stoa.publicUrl),
		tokenFor(roles = ["customer"], { now = new Date(), kid: other = kid, ...changes } = {}) {
			const principal = { id: newId("usr"), sessionId: newId("ses"), roles, ...changes };
			return signAccessToken(principal, { kid: other, privateKey }, now);
		},
		stop: () => node.stop(),
	};
}

/** A service of the test's own, untyped as a stranger's would be. Resolves once the registry knows it. */
export async function create(broker: ServiceBroker, schema: { name: string; actions?: object }): Promise<void> {
	broker.createService(schema as unknown as ServiceSchema);
	await broker.waitForServices(schema.name, 5_000, 20);
}

/** The raw broker of a node, for what the typed one does not offer. */
export const rawBroker = ({ broker }: { broker: object }): ServiceBroker => broker as unknown as ServiceBroker;

function things(seen: Seen[], gate: TestGateway["gate"]): ServiceSchema {
	const see = (ctx: Ctx) =>
		seen.push({ params: { ...ctx.params }, meta: { ...ctx.meta }, requestId: ctx.requestID ?? "" });
	return {
		name: "things",
		mixins: [commands()],
		actions: {
			list: {
				...published,
				openapi,
				rest: "GET /things",
				cached: { aggregate: "things", keys: ["limit"], ttlMs: 10_000 },
				params: {
					$$strict: true,
					limit: { type: "number", integer: true, min: 1, max: 100, optional: true },
					isBig: { type: "boolean", optional: true },
					q: { type: "string", max: 50, optional: true },
				},
				handler(ctx: Ctx) {
					see(ctx);
					return { items: Array.from({ length: 100 }, (_, i) => ({ id: `thing-${i}` })), nextCursor: null };
				},
			},
			get: {
				...published,
				openapi,
				rest: "GET /things/:id",
				params: { $$strict: true, id: "string" },
				handler(ctx: Ctx) {
					see(ctx);
					if (ctx.params["id"] === "gone") throw new DomainError("NOT_FOUND", "The thing was not found");
					if (ctx.params["id"] === "broken") throw new Error("mongodb://root:hunter2@db refused");
					return { id: ctx.params["id"], version: 7 };
				},
			},
			create: {
				...published,
				openapi,
				rest: { route: "POST /things", status: 201, location: "/things/:id" },
				idempotency: "commands",
				params: {
					$$strict: true,
					name: { type: "string", max: 50 },
					size: { type: "number", optional: true },
					tags: { type: "object", optional: true },
				},
				async handler(ctx: Ctx) {
					see(ctx);
					const id = commandId(ctx, "prd");
					await gate.wait;
					if (ctx.params["name"] === "taken") throw new DomainError("CONFLICT", "The name is taken");
					if (ctx.params["name"] === "taken elsewhere") await ctx.call("things.refuse");
					if (ctx.params["name"] === "wrong") throw new DomainError("VALIDATION_ERROR", "No such name");
					if (ctx.params["name"] === "unlucky") throw new DomainError("SERVICE_UNAVAILABLE", "Not now");
					return { id, name: ctx.params["name"], at: seen.length, version: 1 };
				},
			},
			update: {
				...published,
				openapi,
				rest: "PATCH /things/:id",
				params: { $$strict: true, id: "string", name: "string" },
				handler(ctx: Ctx) {
					see(ctx);
					return { id: ctx.params["id"], ifMatch: ctx.meta.ifMatch ?? null };
				},
			},
			remove: { ...published, openapi, rest: "DELETE /things/:id", params: { id: "string" }, handler: () => undefined },
			pay: {
				...published,
				openapi,
				rest: "POST /things/:id/pay",
				idempotency: "aggregate",
				isKeyRequired: true,
				params: { id: "string" },
				handler: () => ({ isPaid: true }),
			},
			mine: {
				...published,
				openapi,
				rest: "GET /mine",
				permissions: "user",
				handler(ctx: Ctx) {
					see(ctx);
					return { user: ctx.meta.user };
				},
			},
			staff: { ...published, openapi, rest: "GET /staff", permissions: ["ops:read"], handler: () => ({ ok: true }) },
			import: {
				...published,
				openapi,
				rest: { route: "POST /import", body: "stream", status: 202 },
				permissions: ["products:write"],
				params: { $$strict: true, stock: { type: "number", optional: true } },
				async handler(ctx: Ctx) {
					let bytes = 0;
					const stream = ctx.stream as unknown as Readable;
					for await (const chunk of uploadedBytes(ctx.broker as never, stream, ctx.meta)) bytes += chunk.length;
					return { bytes, stock: ctx.params["stock"] ?? null };
				},
			},
			hook: {
				...published,
				openapi,
				rest: { route: "POST /hooks/:name", body: "raw" },
				params: { name: "string", body: "string", headers: { type: "record", key: "string", value: "string" } },
				handler: (ctx: Ctx) => ({ ...ctx.params }),
			},
			refuse: {
				visibility: "public",
				handler() {
					throw new DomainError("CONFLICT", "Taken elsewhere", { details: { by: "another", at: 7 } });
				},
			},
			hidden: { visibility: "public", handler: () => ({ secret: true }) },
			unpublished: { visibility: "protected", rest: "GET /unpublished", permissions: "anyone", handler: () => "no" },
		},
	} as unknown as ServiceSchema;
}

export interface RawAnswer {
	status: number;
	headers: Record<string, string | string[] | undefined>;
	text: string;
}

/** A request as no decent client would send it. */
export function rawRequest(
	url: string,
	{
		method = "GET",
		headers = {},
		body,
	}: { method?: string; headers?: Record<string, string | string[]>; body?: string | Buffer },
): Promise<RawAnswer> {
	return new Promise((resolve, reject) => {
		const outgoing = request(url, { method, headers, agent: false }, response => {
			let text = "";
			response.setEncoding("utf8");
			response.on("data", (part: string) => {
				text += part;
			});
			response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
			response.on("error", reject);
		});
		outgoing.on("error", reject);
		outgoing.end(body);
	});
}
