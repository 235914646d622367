import pino, { type DestinationStream, type LogFn, type Logger, type LoggerOptions } from "pino";
import { prettyFactory } from "pino-pretty";
import type { LogLevel } from "./config.ts";
import { withoutKeys } from "./redact.ts";

/** Names whose values never reach a log, wherever they stand in a logged object (three levels deep). */
const SECRET_KEYS = [
	"password",
	"currentPassword",
	"newPassword",
	"token",
	"accessToken",
	"refreshToken",
	"authorization",
	"cookie",
	"secret",
	"email",
	"shippingAddress",
	"billingAddress",
];

const REDACTED = SECRET_KEYS.flatMap(key => [key, `*.${key}`, `*.*.${key}`]);

/**
 * An error as it is logged: what happened and where. What libraries hang on their errors is left out, since nobody knows
 * what is in it: the password that Redis refused, the values that a validator refused, a whole document.
 */
function errorForLogs(error: unknown): unknown {
	if (!isErrorLike(error)) return withoutKeys(String(error));
	const { type, message, stack, code } = pino.stdSerializers.err(error);
	const parts = (error as Partial<AggregateError>).errors;
	const texts = { message: withoutKeys(message), stack: withoutKeys(stack) };
	return { type, ...texts, code, ...(Array.isArray(parts) ? { aggregateErrors: parts.map(errorForLogs) } : {}) };
}

/** Also one of another realm. */
const isErrorLike = (value: unknown): value is Error =>
	typeof value === "object" && value !== null && "message" in value && "stack" in value;

/** Moleculer and its services log as `warn("What happened", error)`, of which pino would write the text alone. */
function logMethod(this: Logger, args: Parameters<LogFn>, method: LogFn): void {
	const [first, second, ...rest] = (args as unknown[]).map(arg => (typeof arg === "string" ? withoutKeys(arg) : arg));
	const isBehind = typeof first === "string" && isErrorLike(second) && !first.includes("%");
	const given = isBehind ? [{ err: second }, first, ...rest] : [first, second, ...rest].slice(0, args.length);
	method.apply(this, given as Parameters<LogFn>);
}

export function loggerOptions(level: LogLevel): LoggerOptions {
	return {
		level,
		redact: { paths: REDACTED, censor: "[redacted]" },
		formatters: { level: label => ({ level: label }) },
		serializers: { err: errorForLogs },
		hooks: { logMethod },
		timestamp: pino.stdTimeFunctions.isoTime,
	};
}

/** What a person at a terminal reads; everything else takes JSON, a line each. Written at once, so that a crash loses none. */
export function terminalStream(destination: DestinationStream, colorize: boolean): DestinationStream {
	const prettify = prettyFactory({
		colorize,
		ignore: "pid,hostname,nodeID,ns,svc,ver",
		translateTime: "SYS:HH:MM:ss",
		singleLine: true,
	});
	return { write: line => destination.write(prettify(line)) };
}

/** Undefined is pino's own: JSON on standard output. One for the whole process. */
export const logDestination: DestinationStream | undefined =
	process.stdout.isTTY === true ? terminalStream({ write: text => void process.stdout.write(text) }, true) : undefined;

/** A JSON logger with redaction. Logs carry the route's pattern and ids, never bodies, queries or params wholesale. */
export const createLogger = (level: LogLevel, destination?: DestinationStream): Logger =>
	loggerTo(loggerOptions(level), destination ?? logDestination);

/**
 * For lines of a fixed shape, every field of which is known to be no secret, on paths where redaction would cost more
 * than all the rest of the line: one per request.
 */
export const createFixedLogger = (level: LogLevel): Logger =>
	loggerTo({ ...loggerOptions(level), redact: [] }, logDestination);

const loggerTo = (options: LoggerOptions, destination: DestinationStream | undefined): Logger =>
	destination ? pino(options, destination) : pino(options);
