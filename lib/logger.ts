import pino, { type DestinationStream, type Logger, type LoggerOptions } from "pino";
import type { LogLevel } from "./config.ts";

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

export function loggerOptions(level: LogLevel): LoggerOptions {
	return {
		level,
		redact: { paths: REDACTED, censor: "[redacted]" },
		formatters: { level: label => ({ level: label }) },
		timestamp: pino.stdTimeFunctions.isoTime,
	};
}

/** A JSON logger with redaction. Logs carry the route's pattern and ids, never bodies, queries or params wholesale. */
export const createLogger = (level: LogLevel, destination?: DestinationStream): Logger =>
	destination ? pino(loggerOptions(level), destination) : pino(loggerOptions(level));

/**
 * For lines of a fixed shape, every field of which is known to be no secret, on paths where redaction would cost more
 * than all the rest of the line: one per request.
 */
export const createFixedLogger = (level: LogLevel): Logger => pino({ ...loggerOptions(level), redact: [] });
