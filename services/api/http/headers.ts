import type { IncomingMessage, ServerResponse } from "node:http";
import helmet from "helmet";

/** No inline script or style anywhere: `/docs` lives with that too. */
const CONTENT_SECURITY_POLICY = {
	useDefaults: false,
	directives: {
		defaultSrc: ["'none'"],
		scriptSrc: ["'self'"],
		styleSrc: ["'self'"],
		imgSrc: ["'self'", "data:"],
		connectSrc: ["'self'"],
		baseUri: ["'none'"],
		formAction: ["'none'"],
		frameAncestors: ["'none'"],
	},
};
const METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE";
const REQUEST_HEADERS =
	"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Order-Token, X-Request-Id";
const RESPONSE_HEADERS =
	"ETag, Location, Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, X-Request-Id, Idempotent-Replayed";

/** Asks helmet once: its headers are the same for every answer. */
export function securityHeaders(): [string, string][] {
	const headers: [string, string][] = [];
	const recorder = {
		setHeader: (name: string, value: string) => headers.push([name, String(value)]),
		removeHeader: () => undefined,
	};
	helmet({ contentSecurityPolicy: CONTENT_SECURITY_POLICY, referrerPolicy: { policy: "no-referrer" } })(
		{} as IncomingMessage,
		recorder as unknown as ServerResponse,
		() => undefined,
	);
	return headers;
}

/** Whether pages of an origin may read answers. */
export type OriginRule = (origin: string) => boolean;

const LOCAL_ORIGIN = /^https?:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/;

/** @param isDevelopment lets a frontend that is being made on this machine call the shop, on whatever port it is served */
export function originRule(origins: readonly string[], isDevelopment: boolean): OriginRule {
	const exact = new Set(origins);
	return origin => exact.has(origin) || (isDevelopment && LOCAL_ORIGIN.test(origin));
}

/** Lets pages of these origins read answers, with credentials. */
export function allowOrigin(isAllowed: OriginRule, request: IncomingMessage, response: ServerResponse): void {
	const { origin } = request.headers;
	if (origin === undefined || !isAllowed(origin)) return;
	response.setHeader("Access-Control-Allow-Origin", origin);
	response.setHeader("Access-Control-Allow-Credentials", "true");
	response.setHeader("Access-Control-Expose-Headers", RESPONSE_HEADERS);
}

/** Answers OPTIONS, which never reaches an action. */
export function answerOptions(allowed: readonly string[], request: IncomingMessage, response: ServerResponse): void {
	if (response.hasHeader("Access-Control-Allow-Origin") && request.headers["access-control-request-method"]) {
		response.setHeader("Access-Control-Allow-Methods", METHODS);
		response.setHeader("Access-Control-Allow-Headers", REQUEST_HEADERS);
		response.setHeader("Access-Control-Max-Age", "600");
	}
	response.setHeader("Allow", ["OPTIONS", ...allowed].join(", "));
	response.writeHead(204);
	response.end();
}
