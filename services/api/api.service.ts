import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Logger } from "pino";
import { DomainError, errorType, notFound, suspicionOf } from "../../lib/errors.ts";
import { isReady } from "../../lib/health.ts";
import { broadcastHint, type HintContracts } from "../../lib/hints.ts";
import { createLineBudget, type LineBudget } from "../../lib/line-budget.ts";
import { createFixedLogger, createLogger } from "../../lib/logger.ts";
import { createLoop, type Loop } from "../../lib/loop.ts";
import { listen } from "../../lib/ops-server.ts";
import type { SecurityEvent } from "../../lib/security-events.ts";
import { type AppMeta, defineService } from "../../lib/typed.ts";
import type { UploadStream } from "../../lib/upload-stream.ts";
import { web } from "../../mixins/web.mixin.ts";
import type { SessionRevoked } from "../auth/auth.contract.ts";
import { answer } from "./http/answer.ts";
import { Authenticator } from "./http/authenticator.ts";
import { openStream, readJson, readRaw } from "./http/body.ts";
import { Connections } from "./http/connections.ts";
import { type Failures, fail, logWhenDone, type WebRequest } from "./http/exchange.ts";
import { allowOrigin, answerOptions, type OriginRule, originRule, securityHeaders } from "./http/headers.ts";
import { countRequest } from "./http/limiter.ts";
import { httpError } from "./http/problem.ts";
import { RegistryView } from "./http/registry.ts";
import { createAddressReader, createProxyCheck, invalid, metaOf, requestIdOf, urlParams } from "./http/request.ts";
import { refusal } from "./http/route.ts";
import { byService, LearnedRoutes, type Match } from "./http/route-table.ts";
import { createHttpServer, type HttpServer } from "./http/server.ts";
import { openApiDocument } from "./openapi/document.ts";

const PUBLIC_DIR = join(import.meta.dirname, "../../public");
const REVOKED_EVERY_MS = 2_000;

interface Vars {
	log: Logger;
	failures: Failures;
	accessLog: Logger;
	lines: LineBudget;
	/** Under way, by their ids. */
	uploads: Map<string, UploadStream>;
	http: HttpServer;
	registry: RegistryView;
	learned: LearnedRoutes;
	authenticator: Authenticator;
	revocations: Loop;
	addressOf(request: IncomingMessage): string;
	fixedHeaders: readonly (readonly [string, string])[];
	isAllowedOrigin: OriginRule;
	/** Of moleculer-web. */
	httpHandler(request: WebRequest, response: ServerResponse): Promise<void>;
}
interface Methods {
	/** First to see a request: what every answer has, then moleculer-web. */
	receive(request: IncomingMessage, response: ServerResponse): void;
	learnRoutes(): void;
	/** Asked by moleculer-web for every request. */
	resolveAlias(path: string, method: string): { alias: { route: unknown; toString(): string; match: Match } } | null;
	/** Answers a request whose route is known; also asked by moleculer-web. */
	aliasHandler(request: WebRequest, response: ServerResponse, alias: { match: Match }): Promise<true>;
	callAction(request: WebRequest, response: ServerResponse, match: Match): Promise<void>;
	/** Stops the work on an upload that nobody waits for. */
	whenLeft(response: ServerResponse, stream: UploadStream, uploadId: string): void;
	/** Tells whoever watches over the shop what was refused to whom. */
	watch(request: WebRequest, error: unknown): void;
	paramsOf(request: WebRequest, match: Match): Promise<{ params: Record<string, unknown>; stream?: UploadStream }>;
	parseQueryString(request: WebRequest): { url: string; query: object };
	errorHandler(request: WebRequest, response: ServerResponse, error: unknown): void;
	send404(request: WebRequest, response: ServerResponse): void;
	/** For the HttpDrain middleware. */
	drain(): Promise<void>;
}

export default defineService<Record<string, unknown>, Methods, Vars>()({
	name: "api",
	mixins: [web({ publicDir: PUBLIC_DIR })],
	actions: {
		live: {
			visibility: "published",
			rest: { route: "GET /health/live", isRoot: true, isProbe: true },
			permissions: "anyone",
			openapi: { summary: "Whether the process turns", response: "Liveness", tags: ["Platform"] },
			isIdempotent: true,
			params: {},
			handler: () => ({ status: "ok" as const }),
		},
		ready: {
			visibility: "published",
			rest: { route: "GET /health/ready", isRoot: true, isProbe: true },
			permissions: "anyone",
			openapi: {
				summary: "Whether this node should get requests; 503 when not",
				response: "Readiness",
				tags: ["Platform"],
			},
			isIdempotent: true,
			params: {},
			async handler(ctx) {
				const readiness = await this.broker.stoa.health.ready();
				if (!isReady(readiness)) ctx.meta.$statusCode = 503;
				return readiness;
			},
		},
		openapi: {
			visibility: "published",
			rest: "GET /openapi.json",
			permissions: "anyone",
			openapi: { summary: "This description", response: { type: "object" }, tags: ["Platform"] },
			isIdempotent: true,
			params: {},
			handler() {
				return openApiDocument(this.learned.table.routes);
			},
		},
		nodes: {
			visibility: "published",
			rest: "GET /admin/nodes",
			permissions: ["ops:read"],
			openapi: { summary: "The nodes of the cluster", response: "RegistryNodes", tags: ["Platform"] },
			isIdempotent: true,
			params: {},
			handler() {
				return { items: this.registry.nodes() };
			},
		},
		services: {
			visibility: "published",
			rest: "GET /admin/services",
			permissions: ["ops:read"],
			openapi: {
				summary: "The services of the cluster and where they run",
				response: "RegistryServices",
				tags: ["Platform"],
			},
			isIdempotent: true,
			params: {},
			handler() {
				return { items: this.registry.services() };
			},
		},
		actions: {
			visibility: "published",
			rest: "GET /admin/actions",
			permissions: ["ops:read"],
			openapi: { summary: "Every action the cluster knows", response: "RegistryActions", tags: ["Platform"] },
			isIdempotent: true,
			params: {},
			handler() {
				return { items: this.registry.actionsWithRoutes(this.learned.table.routes) };
			},
		},
	},
	events: {
		"$services.changed": {
			handler() {
				this.learnRoutes();
			},
		},
		"upload.taken": {
			handler(ctx) {
				const { uploadId, bytes } = ctx.params as HintContracts["upload.taken"];
				this.uploads.get(uploadId)?.taken(bytes);
			},
		},
		"session.revoked": {
			handler(ctx) {
				this.authenticator.revoke((ctx.params as SessionRevoked).sessionIds);
			},
		},
	},
	methods: {
		receive(request, response) {
			const web = request as WebRequest;
			const url = request.url ?? "/";
			const at = url.indexOf("?");
			const requestId = requestIdOf(request);
			web.$exchange = { requestId, startedAt: performance.now(), query: at < 0 ? "" : url.slice(at + 1) };
			request.headers["x-request-id"] = requestId;
			delete request.headers["x-correlation-id"];
			for (const [name, value] of this.fixedHeaders) response.setHeader(name, value);
			response.setHeader("X-Request-Id", requestId);
			allowOrigin(this.isAllowedOrigin, request, response);
			logWhenDone(this.accessLog, web, response, kind => this.lines.isLeft(kind, this.addressOf(request)));
			if (request.method === "OPTIONS") {
				const { allowed } = { allowed: [], ...this.learned.table.match("OPTIONS", at < 0 ? url : url.slice(0, at)) };
				answerOptions(allowed, request, response);
				return;
			}
			this.httpHandler(web, response).catch((error: unknown) => fail(this.failures, web, response, error));
		},
		learnRoutes() {
			this.learned.learn(byService(this.registry.actions()));
		},
		parseQueryString(request) {
			const url = request.url ?? "/";
			const at = url.indexOf("?");
			return { url: at < 0 ? url : url.slice(0, at), query: {} };
		},
		resolveAlias(path, method) {
			const match = this.learned.table.match(method, path);
			if ("route" in match) return { alias: { route: webRouteOf(this), match } };
			if (match.allowed.length > 0)
				throw httpError("METHOD_NOT_ALLOWED", `${path.length > 100 ? "This path" : path} knows other methods`, {
					Allow: ["OPTIONS", ...match.allowed].join(", "),
				});
			return null;
		},
		async aliasHandler(request, response, { match }) {
			request.$exchange.match = match;
			try {
				await this.callAction(request, response, match);
			} catch (error) {
				this.watch(request, error);
				fail(this.failures, request, response, error);
			}
			return true;
		},
		async callAction(request, response, match) {
			const { route } = match;
			const { config, cache } = this.broker.stoa;
			const address = this.addressOf(request);
			// A spent token must not keep its owner from getting a new one.
			const needsNobody = route.isProbe || (route.isAuth && route.access === "anyone");
			const caller = await settled(
				needsNobody ? Promise.resolve(undefined) : this.authenticator.principal(request.headers.authorization),
			);
			await countRequest(cache, config, { route, user: caller.value, address, response }).catch((error: unknown) => {
				const { requestId } = request.$exchange;
				const about = { address, requestId, about: route.pattern };
				if (route.isAuth && errorType(error) === "RATE_LIMITED") this.broker.stoa.security.record("locked_out", about);
				throw error;
			});
			if (caller.error !== undefined) throw caller.error;
			const user = caller.value;
			if (user) request.$exchange.userId = user.id;
			const refused = refusal(route.access, user);
			if (refused === "UNAUTHENTICATED") throw new DomainError(refused, "Sign in first: this needs an access token");
			if (refused) throw new DomainError(refused, "You are signed in, but this is not yours to do");

			const meta: AppMeta = { ...metaOf(request, route), clientAddress: address, ...(user ? { user } : {}) };
			const { params, stream } = await this.paramsOf(request, match);
			if (response.destroyed) throw gone();
			if (stream) {
				meta.uploadId = randomUUID();
				this.uploads.set(meta.uploadId, stream);
				this.whenLeft(response, stream, meta.uploadId);
			}
			const ctx = request.$ctx;
			if (!ctx) throw new Error("The request has no context");
			const options = { meta, ...(stream === undefined ? {} : { stream, timeout: route.timeout ?? 0, retries: 0 }) };
			try {
				const result = await ctx.call(route.action, params, options);
				// What is committed by now must reach the client some day, whether or not this answer does.
				if (request.method !== "GET") await this.broker.stoa.failpoints.hit("api.answer:before");
				setHeaders(response, ctx.meta as AppMeta);
				// Nobody is there any more to pack an answer for.
				if (response.destroyed) return;
				await answer(request, response, route, result, (ctx.meta as AppMeta).$statusCode ?? route.status);
			} catch (error) {
				setHeaders(response, ctx.meta as AppMeta);
				throw error;
			}
		},
		whenLeft(response, stream, uploadId) {
			response.once("close", () => {
				this.uploads.delete(uploadId);
				if (response.writableFinished) return;
				stream.destroy(gone());
				// A stream that was sent whole has nothing left to end by: whoever works on it is told.
				broadcastHint(this.broker, "upload.abandoned", { uploadId });
			});
		},
		watch(request, error) {
			const { match, userId: account, requestId } = request.$exchange;
			const event = match && refusedAccess(error, match.route.isAuth);
			if (!event) return;
			const address = this.addressOf(request);
			this.broker.stoa.security.record(event, { account, address, requestId, about: match.route.pattern });
		},
		async paramsOf(request, match) {
			const params = urlParams(match, request.$exchange.query);
			const { body, prune, names } = match.route;
			if (body === "json") {
				const fields = await readJson(request);
				// The path says which one; a body that says so too would be dropped without a word.
				const twice = names.find(name => Object.hasOwn(fields, name));
				if (twice !== undefined) throw invalid({ field: twice, code: "unknown", message: "stands in the path" });
				prune(fields);
				return { params: { ...fields, ...params } };
			}
			if (body === "stream") return { params, stream: openStream(request) };
			if (body === "raw") {
				const bytes = await readRaw(request);
				return { params: { ...params, body: bytes.toString("base64"), headers: plainHeaders(request) } };
			}
			return { params };
		},
		errorHandler(request, response, error) {
			fail(this.failures, request, response, error);
		},
		send404(request, response) {
			fail(this.failures, request, response, notFound("This page"));
		},
		async drain() {
			await this.http.drain();
		},
	},
	created() {
		const { config, clock, metrics } = this.broker.stoa;
		this.log = createLogger(config.logLevel).child({ mod: "http" });
		const help = "Requests answered 500: errors that nobody meant to happen";
		this.failures = {
			log: this.log,
			unhandled: metrics.counter("stoa_unhandled_errors_total", help, ["route"]),
		};
		this.accessLog = createFixedLogger(config.logLevel).child({ mod: "http" });
		this.lines = createLineBudget(leftOut => this.log.warn({ leftOut }, "requests without a line of their own"));
		this.uploads = new Map();
		this.registry = new RegistryView(this.broker);
		this.learned = new LearnedRoutes((action, reason) =>
			this.log.error({ action, reason }, "an action is not served: its route is not valid"),
		);
		const source = {
			keys: async () => (await this.broker.call("auth.jwks")).keys,
			revokedSessions: async () => (await this.broker.call("auth.revokedSessions")).sessionIds,
		};
		this.authenticator = new Authenticator(source, clock);
		const onError = (error: unknown) => this.log.debug({ err: error }, "revoked sessions could not be asked for");
		this.revocations = createLoop(REVOKED_EVERY_MS, () => this.authenticator.refresh(), onError);
		this.addressOf = createAddressReader(config.trustedProxies);
		this.fixedHeaders = [...securityHeaders(), ["Vary", "Origin, Accept-Encoding"]];
		this.isAllowedOrigin = originRule(config.corsOrigins, !config.isProduction);
		this.http = createHttpServer(
			(request, response) => this.receive(request, response),
			new Connections(config.connectionsPerAddress, createProxyCheck(config.trustedProxies)),
		);
	},
	async started() {
		const { stoa } = this.broker;
		// Known before the first request: a service that is not there yet is away (503), not a page that does not exist.
		this.learned.learn(byService(stoa.shopActions));
		this.learnRoutes();
		await listen(this.http.server, stoa.config.port);
		const { port } = this.http.server.address() as AddressInfo;
		if (stoa.config.port === 0) stoa.publicUrl = `http://localhost:${port}`;
		this.log.info({ port }, "the gateway listens");
		// Before that `auth` may not be there to be asked.
		this.broker.localBus.once("$broker.started", () => this.revocations.start());
	},
	async stopped() {
		await this.revocations.stop();
		await this.http.drain();
	},
});

const gone = (): DomainError => new DomainError("BAD_REQUEST", "The client did not wait for the answer");

/** moleculer-web runs every alias in a route of its own; there is one. */
const webRouteOf = (service: object): unknown => (service as { routes: unknown[] }).routes[0];

async function settled<T>(work: Promise<T>): Promise<{ value?: T; error?: unknown }> {
	try {
		return { value: await work };
	} catch (error) {
		return { error };
	}
}

function setHeaders(response: ServerResponse, { $responseHeaders = {} }: AppMeta): void {
	for (const [name, value] of Object.entries($responseHeaders)) response.setHeader(name, value);
}

/** What `auth` refuses it tells itself, with the account. */
function refusedAccess(error: unknown, isAuth: boolean): SecurityEvent | undefined {
	if (isAuth) return undefined;
	const type = errorType(error);
	return type === "UNAUTHENTICATED" || type === "FORBIDDEN" ? "access_denied" : suspicionOf(error);
}

/** For whoever is told in a header of its own who sent a body. What says who the client is stays with the gateway. */
function plainHeaders({ headers }: IncomingMessage): Record<string, string> {
	const { authorization: _, cookie: __, ...others } = headers;
	return Object.fromEntries(
		Object.entries(others).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
	);
}
