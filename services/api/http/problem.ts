import { STATUS_CODES } from "node:http";
import { DomainError, type ErrorData, type ErrorType, errorType, isErrorType, statusOf } from "../../../lib/errors.ts";
import { API_BASE } from "./route.ts";

/** RFC 9457, as every error of the shop is answered. */
export interface Problem {
	type: string;
	title: string;
	status: number;
	code: ErrorType;
	detail?: string;
	errors?: { field: string; code: string; message: string }[];
	requestId: string;
}

export interface ProblemAnswer {
	problem: Problem & Record<string, unknown>;
	headers: Record<string, string>;
}

interface HttpErrorData extends ErrorData {
	headers?: Readonly<Record<string, string>>;
}

/** An error of the gateway itself with headers beside it, in its data: of an error that passed Moleculer only that is left. */
export const httpError = (type: ErrorType, message: string, headers: Record<string, string>): DomainError => {
	const data: HttpErrorData = { headers };
	return new DomainError(type, message, data);
};

/** What Moleculer throws, in the words of the contract: all of it means 'not now'. */
const PASSING: Readonly<Record<string, ErrorType>> = {
	SERVICE_NOT_FOUND: "SERVICE_UNAVAILABLE",
	SERVICE_NOT_AVAILABLE: "SERVICE_UNAVAILABLE",
	REQUEST_TIMEOUT: "SERVICE_UNAVAILABLE",
	REQUEST_SKIPPED: "SERVICE_UNAVAILABLE",
	REQUEST_REJECTED: "SERVICE_UNAVAILABLE",
	BUS_DOWN: "SERVICE_UNAVAILABLE",
	GRACEFUL_STOP_TIMEOUT: "SERVICE_UNAVAILABLE",
	QUEUE_FULL: "RATE_LIMITED",
};
const MESSAGES: Partial<Record<ErrorType, string>> = {
	SERVICE_UNAVAILABLE: "A part of the shop cannot answer right now; try again",
	RATE_LIMITED: "Too much at once; try again",
	INTERNAL: "Something went wrong on our side",
};
/** Whoever has more mistakes than that reads no more of them. */
const MAX_ERRORS = 100;
const MAX_FIELD = 1_000;
const DEFAULT_RETRY_AFTER = 1;
/** What `details` must never overwrite. */
const RESERVED = new Set(["type", "title", "status", "code", "detail", "errors", "requestId"]);

/** Whether the cause is worth an error line: nobody meant it to happen. */
export const isUnexpected = (error: unknown): boolean => {
	const type = errorType(error) ?? "";
	return !isErrorType(type) && !(type in PASSING);
};

/** Only messages of the shop's own error types reach a client; of everything else it learns the status. */
export function toProblem(error: unknown, requestId: string): ProblemAnswer {
	const thrown = errorType(error) ?? "";
	const own = isErrorType(thrown);
	const code = own ? thrown : (PASSING[thrown] ?? "INTERNAL");
	const data = own ? dataOf(error) : {};
	const status = statusOf(code);
	const problem: ProblemAnswer["problem"] = {
		type: "about:blank",
		title: STATUS_CODES[status] ?? "Error",
		status,
		code,
		detail: own && code !== "INTERNAL" && thrown !== "VALIDATION_ERROR" ? messageOf(error) : MESSAGES[code],
		// The same refusal told again is the same document; the header names the request that asked again.
		requestId: data.requestId ?? requestId,
	};
	if (code === "VALIDATION_ERROR") {
		problem.errors = fieldErrors(error);
		problem.detail = Array.isArray(dataField(error)) ? "The request has fields that are not valid" : messageOf(error);
	} else if (data.errors) {
		problem.errors = data.errors.map(({ field, code, message }) => ({ field, code, message }));
	}
	for (const [name, value] of Object.entries(data.details ?? {})) if (!RESERVED.has(name)) problem[name] = value;
	return { problem, headers: headersOf(code, data) };
}

function headersOf(code: ErrorType, data: ErrorData): Record<string, string> {
	const headers: Record<string, string> = { ...(data as HttpErrorData).headers };
	if (data.location?.startsWith("/")) headers["Location"] = API_BASE + data.location;
	if (code === "UNAUTHENTICATED") headers["WWW-Authenticate"] = 'Bearer realm="stoa"';
	const isPassing = code === "SERVICE_UNAVAILABLE" || code === "RATE_LIMITED" || data.retryAfterSeconds !== undefined;
	if (isPassing) headers["Retry-After"] ??= String(data.retryAfterSeconds ?? DEFAULT_RETRY_AFTER);
	return headers;
}

const dataField = (error: unknown): unknown =>
	typeof error === "object" && error !== null && "data" in error ? error.data : undefined;

const dataOf = (error: unknown): ErrorData => {
	const data = dataField(error);
	return typeof data === "object" && data !== null && !Array.isArray(data) ? (data as ErrorData) : {};
};

const messageOf = (error: unknown): string =>
	typeof error === "object" && error !== null && "message" in error ? String(error.message) : "";

/** Moleculer's validator lists `{ type, field, actual, nodeID, action … }`: the value and the node stay inside. */
function fieldErrors(error: unknown): Problem["errors"] {
	const data = dataField(error);
	const list = Array.isArray(data) ? data : (dataOf(error).errors ?? []);
	return list.slice(0, MAX_ERRORS).map((entry: Record<string, unknown>) => {
		const field = String(entry["field"] ?? "");
		const unknown = entry["type"] === "objectStrict";
		return {
			field: (unknown ? String(entry["actual"] ?? field) : field).slice(0, MAX_FIELD),
			code: unknown ? "unknown" : String(entry["code"] ?? entry["type"] ?? "invalid"),
			message: unknown ? "is not a known field" : messageFor(entry, field),
		};
	});
}

/** The validator's messages may quote what was sent: only those about shapes and bounds are passed on. */
function messageFor(entry: Record<string, unknown>, field: string): string {
	if (entry["code"] !== undefined && entry["type"] === undefined) return String(entry["message"] ?? "is not valid");
	const { actual, message } = entry;
	const text = String(message ?? "is not valid").replace(`The '${field}' field `, "");
	const isQuoted = typeof actual === "string" && actual.length > 2 && text.includes(actual);
	return isQuoted ? "is not valid" : text;
}
