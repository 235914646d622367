import type { IncomingMessage, ServerResponse } from "node:http";
import type { Logger } from "pino";
import type { Counter } from "prom-client";
import { errorType } from "../../../lib/errors.ts";
import { isUnexpected, toProblem } from "./problem.ts";
import type { Match } from "./route-table.ts";

/** One request on its way through the gateway; hangs on the request object. */
export interface Exchange {
	requestId: string;
	/** Of `performance.now()`. */
	startedAt: number;
	query: string;
	match?: Match;
	userId?: string;
}

export interface WebRequest extends IncomingMessage {
	$exchange: Exchange;
	$ctx?: { call: UntypedCall; meta: Record<string, unknown> };
}

/** Routes name their actions at run time: this is the one place where a call is not typed. */
export type UntypedCall = (action: string, params: object, options: object) => Promise<unknown>;

const SMALL_BODY = 64 * 1024;

/** Where failures are told: a 500 is always somebody's mistake here, so each one is counted. */
export interface Failures {
	log: Logger;
	unhandled: Counter<"route">;
}

/** Answers an error as problem+json. What nobody meant to happen is logged, and never told. */
export function fail(
	{ log, unhandled }: Failures,
	request: WebRequest,
	response: ServerResponse,
	error: unknown,
): void {
	const { requestId, match } = request.$exchange;
	if (isUnexpected(error)) {
		unhandled.inc({ route: match ? `${match.route.method} ${match.route.pattern}` : "none" });
		log.error({ requestId, route: match?.route.pattern, err: error }, "request failed");
	} else log.debug({ requestId, type: errorType(error) }, "request refused");
	if (response.headersSent) {
		response.destroy();
		return;
	}
	const { problem, headers } = toProblem(error, requestId);
	for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
	response.removeHeader("ETag");
	response.removeHeader("Content-Encoding");
	response.setHeader("Cache-Control", "no-store");
	response.setHeader("Content-Type", "application/problem+json; charset=utf-8");
	if (!request.complete) dropBody(request, response);
	const body = Buffer.from(JSON.stringify(problem));
	response.writeHead(problem.status, { "Content-Length": body.length });
	response.end(request.method === "HEAD" ? undefined : body);
}

/** The rest of a body nobody will read: a little is read past, for more the connection ends. The server sees to its end. */
function dropBody(request: IncomingMessage, response: ServerResponse): void {
	const length = request.headers["content-length"];
	if (length === undefined && request.headers["transfer-encoding"] === undefined) return;
	request.unpipe();
	request.resume();
	if (length !== undefined && Number(length) <= SMALL_BODY) return;
	response.setHeader("Connection", "close");
}

/**
 * One line per request: the route's pattern, never the URL, whose parts may be keys; no body, no query, no address.
 * @param isLeft asked for a line that no limit bounds: of a request that has no route, or that the limit refused
 */
export function logWhenDone(
	log: Logger,
	request: WebRequest,
	response: ServerResponse,
	isLeft: (kind: "no_route" | "limited") => boolean,
): void {
	response.once("close", () => {
		const { requestId, startedAt, match, userId } = request.$exchange;
		const { statusCode } = response;
		const level = statusCode >= 500 ? "warn" : match?.route.isProbe ? "debug" : "info";
		if (!log.isLevelEnabled(level)) return;
		if (!match && !isLeft("no_route")) return;
		if (statusCode === 429 && !isLeft("limited")) return;
		log[level](
			{
				requestId,
				method: request.method,
				route: match?.route.pattern ?? null,
				status: statusCode,
				ms: Math.round((performance.now() - startedAt) * 10) / 10,
				bytes: Number(response.getHeader("Content-Length") ?? 0),
				user: userId,
				...(response.writableFinished ? {} : { isAborted: true }),
			},
			"request",
		);
	});
}
